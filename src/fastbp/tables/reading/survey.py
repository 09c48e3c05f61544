"""What all bytes of a text tell before it is cut: how many lines it has, whether it is UTF-8, and how plain it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

_BLOCK = 1 << 18  # bytes, that stay in the cache while they are looked at
_LINE_END = ord("\n")
_LAST_NOT_PLAIN = ord('"')  # of what has lower codes, and is no end of a line: blanks, tabs, the quote; rarely else


class Survey(NamedTuple):
    """What the bytes of a text tell.

    `n_lines`: the last one counts with or without its end. `is_plain`: below the first line there are no blanks, no
    quotes, nor characters that ASCII has not, so that values need no stripping.
    """

    n_lines: int
    is_utf8: bool
    is_plain: bool


def survey(data: Path | bytes) -> Survey:
    """Look at all bytes of a text once."""
    block = bytearray(_BLOCK)
    codes, flags = np.frombuffer(block, np.uint8), np.empty(_BLOCK, dtype=bool)
    n_lines, is_utf8, is_plain = 0, True, True
    unfinished, end = b"", _LINE_END  # the bytes of a character that the block's end cuts; the last byte
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb", buffering=0) as file:
        while n_bytes := file.readinto(block):
            start = 0 if n_lines else block.find(b"\n", 0, n_bytes) + 1  # the first line may be one of names
            n_ends = int(np.count_nonzero(np.equal(codes[:n_bytes], _LINE_END, out=flags[:n_bytes])))
            n_lines += n_ends
            part = block if n_bytes == _BLOCK else block[:n_bytes]
            is_ascii = part.isascii()
            if is_plain:
                low = np.less_equal(codes[start:n_bytes], _LAST_NOT_PLAIN, out=flags[start:n_bytes])
                is_plain = is_ascii and np.count_nonzero(low) == n_ends - (start > 0) and b"'" not in part
            if is_utf8 and (unfinished or not is_ascii):
                unfinished, is_utf8 = _decoded(unfinished + part)
            end = part[-1]
    return Survey(n_lines + (end != _LINE_END), is_utf8 and not unfinished, is_plain)


def _decoded(block: bytes) -> tuple[bytes, bool]:
    """Return what is left of a character at the end of a block, and whether the rest is UTF-8."""
    try:
        block.decode()
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data" and len(block) - error.start <= 3
        return (block[error.start :], True) if cut else (b"", False)
    return b"", True
