"""Numbers as C: constants, tables, and the checksum that tells whether one was changed."""

from collections.abc import Iterable, Sequence

import numpy as np

from fastbp.checks import Array

WIDTH = 110  # of a line of numbers
MULTIPLIER = 16777619  # odd: a change of one word changes the checksum
WORD = np.dtype(np.uint32)


def constants(numbers: Array) -> list[str]:
    """Each number with as few digits as tell it from its neighbours in its dtype."""
    if numbers.dtype.kind in "iu":
        return [str(n) for n in numbers.tolist()]
    suffix = "f" if numbers.dtype == np.float32 else ""
    return [str(x) + suffix for x in np.asarray(numbers)]


def lines(items: Iterable[str], indent: str = "    ") -> str:
    """Items, each with a comma behind it, in lines of `WIDTH`."""
    found, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > WIDTH and line.strip():
            found.append(line.rstrip())
            line = indent
        line += item + ", "
    return "\n".join([*found, line.rstrip().rstrip(",")])


def table(declaration: str, numbers: Array) -> str:
    """`static const <declaration> = {...};` of one or two dimensions."""
    if numbers.ndim == 1:
        return f"static const {declaration} = {{\n{lines(constants(numbers))}\n}};\n"
    rows = ",\n".join(f"    {{\n{lines(constants(row), ' ' * 8)}\n    }}" for row in numbers)
    return f"static const {declaration} = {{\n{rows}\n}};\n"


def integer_type(largest: int) -> str:
    """The smallest unsigned type of C that surely holds a number."""
    return "unsigned char" if largest < 1 << 8 else "unsigned short" if largest < 1 << 16 else "unsigned long"


def checksum(tables: Sequence[Array]) -> int:
    """h <- h * MULTIPLIER + word for each 32-bit word of the numbers, the lower one of a double first, modulo 2**32."""
    pieces = [np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<")).reshape(-1) for numbers in tables]
    words = np.concatenate([piece.view(WORD.newbyteorder("<")).astype(WORD) for piece in pieces])
    powers = np.ones(len(words), WORD)
    np.cumprod(np.full(max(len(words) - 1, 0), MULTIPLIER, WORD), out=powers[1:], dtype=WORD)
    return int(np.sum(words * powers[::-1], dtype=WORD))
