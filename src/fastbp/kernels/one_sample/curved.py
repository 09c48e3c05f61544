"""One sample, for a user's compiled code: dy_k/dparams of each output, and H v by the R-operator.

The R-operator runs by the loops of `derivation.py`, for every network: with R{} = the derivative along v, see
`curvature/passes.py`,

    R{a_j} = sum_i w_ji R{z_i} + v_ji z_i        R{z_j} = h'(a_j) R{a_j}                       (5.100), (5.101)
    R{delta_j} = h''(a_j) R{a_j} eps_j + h'(a_j) sum_k v_kj delta_k + w_kj R{delta_k}          (5.106)
    (H v)_ji = R{delta_j} z_i + delta_j R{z_i}                                                 (5.110), (5.111)
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels import derivation as sample
from fastbp.kernels.codes import SOFTMAX
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.activation_calls import bend_units, multiply_slope_of_units
from fastbp.kernels.formulas.losses import is_canonical, unit_error_bend, unit_error_slope
from fastbp.kernels.one_sample.called import (
    add_gradient,
    backward_of,
    forward_of,
    multiply_output_slope,
    net_of_call,
    table_at,
    units_of_call,
)
from fastbp.kernels.one_sample.called_by_loops import n_units_of, packed_at, values_at
from fastbp.kernels.one_sample.passes import place
from fastbp.kernels.one_sample.plan import BENDS, EXTRA, INPUT_LAYERS, N_PARAMS, N_VALUES, Call, error_of, per_line
from fastbp.kernels.registers.lanes import address, array_of, lanes, number, set_number, shift, splat, store, view_at
from fastbp.kernels.tables import BLOCK, LAYER, NONE, UNIT, WEIGHT, layer_of

N_EXTRA = 5  # arrays of the units' numbers, beside a, z and delta


@kernel
def row_of(call, k):
    """The call with its k-th row of parameters as what is written, set to 0."""
    n_params = number(call.plan, N_PARAMS)
    row = shift(call.out, k * n_params)
    for p in range(n_params):
        set_number(row, p, 0.0)
    return Call(call.plan, call.memory, call.params, call.x, call.given, call.along, row)


@entry
def jacobian_sample(call):
    """out[k] = dy_k/dparams, by the registers of `called.py`: the recursion from dy_k/da on, once for each output."""
    net, units = net_of_call(call, INPUT_LAYERS), units_of_call(call)
    forward_of(net, units, call)
    l = net.n_layers - 1
    layer = layer_of(net, l)
    delta = place(layer, l, units.delta)
    for k in range(layer.n_units):
        for m in range(0, layer.n_units, lanes(delta)):
            store(delta, m, splat(delta, 0.0))
        set_number(delta, k, 1.0)
        multiply_output_slope(layer, l, units)
        for m in range(l - 1, 0, -1):
            backward_of(net, units, m)
        add_gradient(net, units, row_of(call, k))


@kernel(_nrt=True)  # it returns an array, see `called_by_loops.py`
def extra_at(call, which, n_units):
    """One of the further arrays."""
    start = shift(call.memory, per_line(call.memory) + number(call.plan, EXTRA) + which * number(call.plan, N_VALUES))
    return array_of(view_at(call.memory, address(start), n_units))


@entry(_nrt=True)
def jacobian_loops(call):
    """The same by the loops of the derivation."""
    packed = packed_at(call, INPUT_LAYERS)
    n_units = n_units_of(packed)
    a, z, delta = values_at(call, 0, n_units), values_at(call, 1, n_units), values_at(call, 2, n_units)
    sample.forward(packed, array_of(call.x), a, z)
    n_outputs = packed.layers[len(packed.layers) - 1, LAYER.n_units]
    v = extra_at(call, 0, n_outputs)
    for k in range(n_outputs):
        for m in range(n_outputs):
            v[m] = 1.0 if m == k else 0.0
        sample.input_gradient(packed, v, a, z, delta)
        row = view_at(call.out, address(row_of(call, k).out), number(call.plan, N_PARAMS))
        sample.add_gradient(packed, z, delta, 1.0, array_of(row))


class Along(NamedTuple):
    """Numbers of all units."""

    a: np.ndarray
    z: np.ndarray
    delta: np.ndarray
    slope: np.ndarray  # h'(a_j)
    bend: np.ndarray  # h''(a_j)
    r_a: np.ndarray
    r_z: np.ndarray
    r_delta: np.ndarray


@entry(_nrt=True)
def hessian_product_loops(call):
    """out += H v of the sample's error; E_n into memory."""
    net, bends = packed_at(call, INPUT_LAYERS), array_of(table_at(call.plan, BENDS))
    n = n_units_of(net)
    u = Along(
        values_at(call, 0, n), values_at(call, 1, n), values_at(call, 2, n),
        extra_at(call, 0, n), extra_at(call, 1, n), extra_at(call, 2, n), extra_at(call, 3, n), extra_at(call, 4, n),
    )  # fmt: skip
    t, v = array_of(call.given), array_of(call.along)
    sample.forward(net, array_of(call.x), u.a, u.z)
    forward_along(net, bends, v, u)
    set_number(error_of(call.memory), 0, sample.output_delta(net, t, u.a, u.z, u.delta))
    output_delta_along(net, t, u)
    backward_along(net, v, u)
    add_product(net, u, array_of(call.out))


@entry(_nrt=True)
def forward_along(net, bends, v, u):
    """R{a} and R{z} of every unit, h' and h''; that of softmax is R{y_k} = y_k (R{a_k} - sum_m y_m R{a_m})."""
    layers = net.layers
    for i in range(layers[0, LAYER.n_units]):
        u.r_z[i] = 0.0
    for l in range(1, net.n_computed):
        first, bias = layers[l, LAYER.first_unit], layers[l, LAYER.bias]
        for j in range(layers[l, LAYER.n_units]):
            u.r_a[first + j] = arriving_along(net, v, l, j, u) + (v[bias + j] if bias != NONE else 0.0)
            u.slope[first + j] = 1.0
        a, z = sample.units_of(net, l, u.a), sample.units_of(net, l, u.z)
        r_a, r_z = sample.units_of(net, l, u.r_a), sample.units_of(net, l, u.r_z)
        if layers[l, LAYER.function] == SOFTMAX:
            mean = 0.0
            for k in range(r_a.size):
                mean += z[k] * r_a[k]
            for k in range(r_a.size):
                r_z[k] = z[k] * (r_a[k] - mean)
            continue
        slope, bend = sample.units_of(net, l, u.slope), sample.units_of(net, l, u.bend)
        multiply_slope_of_units(layers, l, a, z, slope)
        bend_units(bends[l], a, z, bend)
        for j in range(r_a.size):
            r_z[j] = slope[j] * r_a[j]  # (5.101)


@entry(_nrt=True)
def arriving_along(net, v, l, j, u):
    """(5.100)  sum_i w_ji R{z_i} + v_ji z_i, over all that arrives at unit j of layer l."""
    total = 0.0
    for c in range(net.layers[l, LAYER.in_start], net.layers[l, LAYER.in_end]):
        source = net.blocks[c, BLOCK.source]
        z_i, r_i = sample.units_of(net, source, u.z), sample.units_of(net, source, u.r_z)
        w_j, v_j = sample.arriving_at(net, c, j, net.params), sample.arriving_at(net, c, j, v)
        for i in range(z_i.size):
            total += w_j[i] * r_i[i] + v_j[i] * z_i[i]
    unit = net.layers[l, LAYER.first_unit] + j
    for link in range(net.starts[unit], net.starts[unit + 1]):
        i, place_i = net.links[link, UNIT], net.links[link, WEIGHT]
        total += net.params[place_i] * u.r_z[i] + v[place_i] * u.z[i]
    return total


@entry(_nrt=True)
def output_delta_along(net, t, u):
    """R{delta_k} of the outputs, from what `derivation.output_delta` has as delta_k."""
    last = len(net.layers) - 1
    function = net.layers[last, LAYER.function]
    y, r_y, r_delta = (
        sample.units_of(net, last, u.z), sample.units_of(net, last, u.r_z), sample.units_of(net, last, u.r_delta),
    )  # fmt: skip
    if is_canonical(net.loss, function):
        total = t.sum() if function == SOFTMAX else 1.0
        for k in range(t.size):
            r_delta[k] = total * r_y[k]  # delta_k = y_k - t_k
        return
    if function == SOFTMAX:
        softmax_delta_along(net, t, y, r_y, r_delta)
        return
    a, r_a = sample.units_of(net, last, u.a), sample.units_of(net, last, u.r_a)
    of_outputs = last < net.n_computed  # or else outputs are units of several layers, and delta is dE_n/dy so far
    for k in range(t.size):
        r_delta[k] = unit_error_bend(net.loss, net.loss_option, y[k], t[k]) * r_y[k]
    if of_outputs:
        multiply_slope_of_units(net.layers, last, a, y, r_delta)
        bend = sample.units_of(net, last, u.bend)
        for k in range(t.size):
            r_delta[k] += unit_error_slope(net.loss, net.loss_option, y[k], t[k]) * bend[k] * r_a[k]


@entry(_nrt=True)
def softmax_delta_along(net, t, y, r_y, r_delta):
    """R{y_k (e_k - sum_m y_m e_m)}, e_k = dE_n/dy_k."""
    mean, r_mean = 0.0, 0.0
    for k in range(t.size):
        e = unit_error_slope(net.loss, net.loss_option, y[k], t[k])
        mean += y[k] * e
        r_mean += r_y[k] * e + y[k] * unit_error_bend(net.loss, net.loss_option, y[k], t[k]) * r_y[k]
    for k in range(t.size):
        e = unit_error_slope(net.loss, net.loss_option, y[k], t[k])
        bend = unit_error_bend(net.loss, net.loss_option, y[k], t[k])
        r_delta[k] = r_y[k] * (e - mean) + y[k] * (bend * r_y[k] - r_mean)


@entry(_nrt=True)
def backward_along(net, v, u):
    """delta and R{delta} of every hidden unit: first eps_j and R{eps_j} stand in their places."""
    layers = net.layers
    first_output = layers[len(layers) - 1, LAYER.first_unit]
    for l in range(len(layers) - 2, 0, -1):
        first, n_units = layers[l, LAYER.first_unit], layers[l, LAYER.n_units]
        for j in range(first, first + n_units):
            if first < first_output:  # that of an output is there already
                u.delta[j] = u.r_delta[j] = 0.0
            start = net.starts.size // 2 + j
            for link in range(net.starts[start], net.starts[start + 1]):
                k, place_k = net.links[link, UNIT], net.links[link, WEIGHT]
                u.delta[j] += net.params[place_k] * u.delta[k]  # (5.56)
                u.r_delta[j] += v[place_k] * u.delta[k] + net.params[place_k] * u.r_delta[k]
        leaving_along(net, v, l, u)
        for j in range(first, first + n_units):
            eps, r_eps = u.delta[j], u.r_delta[j]
            u.delta[j] = u.slope[j] * eps
            u.r_delta[j] = u.bend[j] * u.r_a[j] * eps + u.slope[j] * r_eps  # (5.106)


@entry(_nrt=True)
def leaving_along(net, v, l, u):
    """Add to eps_j and R{eps_j} what comes back along the blocks that leave layer l."""
    eps, r_eps = sample.units_of(net, l, u.delta), sample.units_of(net, l, u.r_delta)
    for o in range(net.layers[l, LAYER.out_start], net.layers[l, LAYER.out_end]):
        c = net.outgoing[o]
        target = net.blocks[c, BLOCK.target]
        delta_k, r_delta_k = sample.units_of(net, target, u.delta), sample.units_of(net, target, u.r_delta)
        for k in range(delta_k.size):
            w_k, v_k = sample.arriving_at(net, c, k, net.params), sample.arriving_at(net, c, k, v)
            for j in range(w_k.size):
                eps[j] += w_k[j] * delta_k[k]
                r_eps[j] += v_k[j] * delta_k[k] + w_k[j] * r_delta_k[k]


@entry(_nrt=True)
def add_product(net, u, out):
    """(5.110), (5.111)  (H v)_ji += R{delta_j} z_i + delta_j R{z_i}; of a bias R{delta_j}."""
    sample.add_gradient(net, u.z, u.r_delta, 1.0, out)
    for c in range(len(net.blocks)):
        r_i = sample.units_of(net, net.blocks[c, BLOCK.source], u.r_z)
        delta_j = sample.units_of(net, net.blocks[c, BLOCK.target], u.delta)
        for j in range(delta_j.size):
            out_j = sample.arriving_at(net, c, j, out)
            for i in range(r_i.size):
                out_j[i] += delta_j[j] * r_i[i]
    for j in range(u.delta.size):
        for link in range(net.starts[j], net.starts[j + 1]):
            out[net.links[link, WEIGHT]] += u.delta[j] * u.r_z[net.links[link, UNIT]]
