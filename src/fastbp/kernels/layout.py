"""Sizes and places that two sides have to agree on: the kernels, and what makes the arrays that they work in.

Each stands here alone. Kernels call it compiled, and Python as `in_python(...)`: change it, and both sides change.
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.tuning import STRIPE_NUMBERS


@kernel
def whole(n, step):
    """n, filled up to a multiple of `step`: to whole registers, or to whole cache lines."""
    return (n + step - 1) // step * step


@kernel
def n_registers_of(n, n_lanes):
    """Registers that n numbers take."""
    return (n + n_lanes - 1) // n_lanes


@kernel
def place_of_layer(first_unit, l, n_lanes):
    """Where the numbers of layer l begin in an array for all units of a sample: each layer ends with a whole register.

    With the number of all units and of all layers: how many numbers there are.
    """
    return first_unit + l * n_lanes


@kernel
def rows_of_stripe(n_in):
    """Rows of a gradient, n_in numbers each, that go into the stripe at a time."""
    return max(1, STRIPE_NUMBERS // n_in)


@kernel
def size_of_stripe(most_in, n_lanes):
    """Numbers of the stripe for rows of up to `most_in` numbers: the last one is stored up to its register's end."""
    return max(STRIPE_NUMBERS, most_in) + n_lanes
