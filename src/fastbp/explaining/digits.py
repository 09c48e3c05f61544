"""How numbers are printed."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Digits:
    """Fixed digits after the point; significant ones where those would hide the number.

    >>> Digits(6)(0.5), Digits(6)(3.25e-9), Digits(6)(0.5, signed=True)
    ('0.500000', '3.250e-09', '+0.500000')
    """

    n: int = 6

    def __call__(self, value: float, *, signed: bool = False) -> str:
        """`value` to n digits."""
        sign = "+" if signed else ""
        if not math.isfinite(value):
            return format(value, sign)
        if abs(value) >= 1e4:
            return format(value, f"{sign}.{self.n - 1}e")
        if value != 0 and abs(value) < 10.0 ** (3 - self.n):
            return format(value, f"{sign}.{max(3, self.n - 3)}e")
        return format(value, f"{sign}.{self.n}f")

    def short(self, value: float, *, signed: bool = False) -> str:
        """A given number, which often has few digits."""
        return format(value, f"{'+' if signed else ''}.{self.n}g")

    def row(self, values: Iterable[float]) -> str:
        """A vector; the middle of a long one is left out."""
        numbers = [self.short(v) for v in np.asarray(list(values), float).tolist()]
        if len(numbers) > 12:
            numbers = [*numbers[:6], "...", *numbers[-3:]]
        return f"[{', '.join(numbers)}]"
