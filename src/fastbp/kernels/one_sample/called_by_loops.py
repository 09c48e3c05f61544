"""One sample, for a user's compiled code, by the loops of `derivation.py`: networks that are not layers of blocks."""

from fastbp.kernels import derivation as sample
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.one_sample.called import table_at
from fastbp.kernels.one_sample.plan import (
    BLOCKS,
    INPUT_LAYERS,
    LAYERS,
    LINKS,
    LOSS,
    N_COMPUTED,
    N_VALUES,
    OUTGOING,
    STARTS,
    error_of,
    loss_option_of,
    per_line,
)  # fmt: skip
from fastbp.kernels.registers.lanes import address, array_of, number, set_number, shift, view_at
from fastbp.kernels.tables import BLOCK, LAYER, LINK_COLUMNS, Packed


@kernel(_nrt=True)  # it returns arrays, which Numba lets only a function do that counts references
def packed_at(call, layers):
    """The packed network of a call, with one of its tables of layers."""
    plan = call.plan
    return Packed(
        array_of(call.params),
        array_of(table_at(plan, layers)).reshape(-1, len(LAYER)),
        array_of(table_at(plan, BLOCKS)).reshape(-1, len(BLOCK)),
        array_of(table_at(plan, OUTGOING)),
        array_of(table_at(plan, STARTS)),
        array_of(table_at(plan, LINKS)).reshape(-1, LINK_COLUMNS),
        number(plan, LOSS),
        loss_option_of(plan),
        number(plan, N_COMPUTED),
    )


@kernel
def n_units_of(packed):
    """Number of all units."""
    last = len(packed.layers) - 1
    return packed.layers[last, LAYER.first_unit] + packed.layers[last, LAYER.n_units]


@kernel(_nrt=True)
def values_at(call, which, n_units):
    """Array number `which` of a, z and delta."""
    start = shift(call.memory, per_line(call.memory) + which * number(call.plan, N_VALUES))
    return array_of(view_at(call.memory, address(start), n_units))


@entry(_nrt=True)
def forward_loops(call):
    """out = y."""
    packed = packed_at(call, LAYERS)
    n_units = n_units_of(packed)
    a, z = values_at(call, 0, n_units), values_at(call, 1, n_units)
    sample.forward(packed, array_of(call.x), a, z)
    y = array_of(call.out)
    for k in range(y.size):
        y[k] = z[n_units - y.size + k]


@entry(_nrt=True)
def gradient_loops(call):
    """out += dE_n/dparams, and E_n into memory."""
    packed, grad = packed_at(call, LAYERS), array_of(call.out)
    n_units = n_units_of(packed)
    a, z, delta = values_at(call, 0, n_units), values_at(call, 1, n_units), values_at(call, 2, n_units)
    sample.forward(packed, array_of(call.x), a, z)
    set_number(error_of(call.memory), 0, sample.output_delta(packed, array_of(call.given), a, z, delta))
    sample.backward(packed, a, z, delta)
    sample.add_gradient(packed, z, delta, 1.0, grad)


@entry(_nrt=True)
def input_gradient_loops(call):
    """out = v^T dy/dx."""
    packed, dx = packed_at(call, INPUT_LAYERS), array_of(call.out)
    n_units = n_units_of(packed)
    a, z, delta = values_at(call, 0, n_units), values_at(call, 1, n_units), values_at(call, 2, n_units)
    sample.forward(packed, array_of(call.x), a, z)
    sample.input_gradient(packed, array_of(call.given), a, z, delta)
    for i in range(dx.size):
        dx[i] = delta[i]
