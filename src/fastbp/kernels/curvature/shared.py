"""What all outputs share, where they are sums and their errors squared ones: d_m = d, the same for each output m.

Units of the last layer, and those that feed no other, have as their rows (see outputs.py) one row, times constants:

    b_mj = c_mj u_j        outputs: u_j = 1, c_mj = [m = j];   units that feed outputs alone: u_j = h'(a_j), c_mj = w_mj
    M_jl = sum_m d_m b_mj b_ml = c_jl d u_j u_l,               c_jl = sum_m c_mj c_ml

c_jl stands before the sum over the samples. So all K outputs take the products of one, a unit that stands for them.
"""

from typing import Any

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.outputs import row_factor
from fastbp.kernels.curvature.passes import copy_rows
from fastbp.kernels.registers.lanes import lanes, number, shift, store
from fastbp.kernels.tuning import CURVATURE_TILE

# `Group.gains`, if it is not the place of the weights w_mj among the parameters: rows are no multiples of one; outputs
APART, OF_OUTPUTS = -1, -2


def shared_numbers(n_computed: Any) -> Any:
    """Numbers that are kept of a tile: u_j of all computed units, and d."""
    return CURVATURE_TILE * (n_computed + 1)


@kernel
def keep_shared(curve, tile, n_inputs, out):
    """u_j of all computed units, h' of outputs being 1, then d: rows of TILE numbers."""
    n = curve.net.n_units - n_inputs
    copy_rows(out, shift(tile.slope, n_inputs * tile.width), n, tile.width)
    for s in range(0, tile.width, lanes(out)):
        store(out, n * CURVATURE_TILE + s, row_factor(curve, tile, 0, s))


@kernel
def gain(curve, group, j, m):
    """c_mj."""
    if group.gains == OF_OUTPUTS:
        return 1.0 if m == j else 0.0
    return number(curve.net.params, group.gains + m * group.n_units + j)


@kernel
def product_of_gains(curve, block, j, l):
    """c_jl."""
    total = 0.0
    for m in range(curve.n_outputs):
        total += gain(curve, block.first, j, m) * gain(curve, block.second, l, m)
    return total
