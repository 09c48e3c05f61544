"""Sums and products of flat vectors of any length."""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import (
    fma,
    lanes,
    load,
    load_first,
    number,
    set_number,
    splat,
    store,
    store_first,
    sum_lanes,
)


@kernel
def add_scaled(out, row, w, count):
    """out += w row."""
    whole = count - count % lanes(out)
    for p in range(0, whole, lanes(out)):
        store(out, p, fma(load(row, p), w, load(out, p)))
    if whole < count:
        rest = count - whole
        store_first(out, whole, fma(load_first(row, whole, rest), w, load_first(out, whole, rest)), rest)


@kernel
def scale(out, w, count):
    """out *= w."""
    whole = count - count % lanes(out)
    for p in range(0, whole, lanes(out)):
        store(out, p, load(out, p) * w)
    if whole < count:
        store_first(out, whole, load_first(out, whole, count - whole) * w, count - whole)


@kernel
def scalar_product(left, right, count):
    """sum_p left_p right_p."""
    whole, total = count - count % lanes(left), splat(left, 0.0)
    for p in range(0, whole, lanes(left)):
        total = fma(load(left, p), load(right, p), total)
    if whole < count:
        total = fma(load_first(left, whole, count - whole), load_first(right, whole, count - whole), total)
    return sum_lanes(total)


@kernel
def copy(values, out, count):
    """out = values."""
    for p in range(count):
        set_number(out, p, number(values, p))


@kernel
def weighted_square(values, weights, count):
    """sum_p weights_p values_p**2."""
    total = 0.0
    for p in range(count):
        total += number(weights, p) * number(values, p) * number(values, p)
    return total


@kernel
def add_product(out, left, right, count):
    """out_p += left_p right_p."""
    for p in range(count):
        set_number(out, p, number(out, p) + number(left, p) * number(right, p))
