"""What all bytes of a text tell before it is cut: how many lines it has, whether it is UTF-8, and how plain it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

_NOT_PLAIN = b" \t\r\v\f\x1c\x1d\x1e\x1f\"'"  # what is stripped from values, and quotes, which may be empty
_BLOCK = 1 << 18  # bytes, that stay in the cache while they are looked at


class Survey(NamedTuple):
    """What the bytes of a text tell.

    `n_lines`: the last one counts with or without its end. `is_plain`: no blanks and no quotes are below the
    first line, nor characters that ASCII has not: values need no stripping.
    """

    n_lines: int
    is_utf8: bool
    is_plain: bool


def survey(data: Path | bytes) -> Survey:
    """Look at all bytes of a text once."""
    block, n_lines, is_utf8, is_plain = bytearray(_BLOCK), 0, True, True
    values = bytearray()
    unfinished, end = b"", bytearray(b"\n")  # the bytes of a character that the block's end cuts; the last byte
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb", buffering=0) as file:
        while n_bytes := file.readinto(block):
            part = block if n_bytes == _BLOCK else block[:n_bytes]
            n_lines += part.count(b"\n")
            is_ascii = part.isascii()
            if is_plain:
                values = part if values else part[part.find(b"\n") + 1 :]  # the first line may be one of names
                is_plain = is_ascii and not any(sign in values for sign in _NOT_PLAIN)
            if is_utf8 and (unfinished or not is_ascii):
                unfinished, is_utf8 = _decoded(unfinished + part)
            end = part[-1:]
    return Survey(n_lines + (end != b"\n"), is_utf8 and not unfinished, is_plain)


def _decoded(block: bytes) -> tuple[bytes, bool]:
    """Return what is left of a character at the end of a block, and whether the rest is UTF-8."""
    try:
        block.decode()
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data" and len(block) - error.start <= 3
        return (block[error.start :], True) if cut else (b"", False)
    return b"", True
