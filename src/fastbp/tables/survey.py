"""What all bytes of a text tell before it is cut: how many lines, UTF-8 or not, whether fields begin with a zero."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 20  # bytes, that stay in the cache while they are looked at
_LINE_END, _ZERO, _NINE = (ord(sign) for sign in "\n09")
_SIGNS = np.frombuffer(b"+-", np.uint8)
_BEFORE_FIELDS = np.zeros(256, dtype=bool)
_BEFORE_FIELDS[list(b"\n\r,;\t| \"'")] = True
_MAY_COME_BEFORE = _BEFORE_FIELDS.copy()
_MAY_COME_BEFORE[_SIGNS] = True


class Survey(NamedTuple):
    """What the bytes of a text tell.

    `n_lines`: the last one counts with or without its end. `leading_zeros`: whether some field may begin with a zero
    and a second digit, as 007 and 05.01.2020 do, and 0.7 does not.
    """

    n_lines: int
    is_utf8: bool
    leading_zeros: bool


def survey(data: Path | bytes) -> Survey:
    """Look at all bytes of a text once."""
    n_lines, is_utf8, leading_zeros = 0, True, False
    unfinished, end = b"", b"\n"  # the bytes of a character that the block's end cuts; the last bytes before the block
    for block in _blocks(data):
        codes = np.frombuffer(end + block, np.uint8)
        n_lines += int(np.count_nonzero(codes[len(end) :] == _LINE_END))
        if is_utf8 and (unfinished or not block.isascii()):
            unfinished, is_utf8 = _decoded(unfinished + block)
        leading_zeros = leading_zeros or _has_leading_zeros(codes)
        end = (end + block)[-3:]
    return Survey(n_lines + (not end.endswith(b"\n")), is_utf8 and not unfinished, leading_zeros)


def _blocks(data: Path | bytes) -> Iterator[bytes]:
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _decoded(block: bytes) -> tuple[bytes, bool]:
    """Return what is left of a character at the end of a block, and whether the rest is UTF-8."""
    try:
        block.decode()
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data" and len(block) - error.start <= 3
        return (block[error.start :], True) if cut else (b"", False)
    return b"", True


def _has_leading_zeros(codes: NDArray[np.uint8]) -> bool:
    """Whether a zero with a digit behind it stands at the beginning of a field, or behind its sign."""
    zeros = codes[1:-1] == _ZERO
    digits = codes[2:] - np.uint8(_ZERO) <= _NINE - _ZERO  # what is below "0" comes out as above 9
    places = np.flatnonzero(zeros & digits) + 1
    places = places[_MAY_COME_BEFORE[codes[places - 1]]]
    if len(places) == 0:
        return False
    signed = np.isin(codes[places - 1], _SIGNS)
    return bool((~signed).any() or _BEFORE_FIELDS[codes[np.maximum(places - 2, 0)]].any())
