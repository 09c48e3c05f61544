"""Orders of samples, drawn by a bit generator of NumPy's as `RandomState.shuffle` draws them, in half the time."""

import numpy as np

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.registers.lanes import number, set_number, shift, view
from fastbp.kernels.registers.random_bits import draw


@kernel
def shuffle(order, n, function, state):
    """Fisher and Yates; numbers up to i are the lowest bits that i needs, drawn again where they are above it.

    What is drawn again swaps i with itself: nobody could foresee a branch.
    """
    i, mask = n - 1, 1
    while mask < i:
        mask = 2 * mask + 1
    while i > 0:
        while mask >> 1 >= i:
            mask >>= 1
        drawn = np.int64(draw(function, state)) & mask
        is_taken = drawn <= i
        j = drawn if is_taken else i
        order_i = number(order, i)
        set_number(order, i, number(order, j))
        set_number(order, j, order_i)
        i -= np.int64(is_taken)


@entry
def draw_orders(rows, orders, function, state):
    """Fill `orders` (n_epochs, n): the first is `rows` (n,) shuffled, each further one the one before, shuffled."""
    n, before = rows.size, view(rows)
    for epoch in range(len(orders)):
        order = shift(view(orders), epoch * n)
        for s in range(n):
            set_number(order, s, number(before, s))
        shuffle(order, n, function, state)
        before = order
