"""Backpropagation of one sample, loop by loop as it is derived.

The numbers are Bishop's (Pattern Recognition and Machine Learning, section 5.3). The functions' `.py_func`,
plain Python, are the naive loops that the benchmarks compare with; what computes the same sums fast,
`weighted_sums.py` many samples at a time and `one_sample/passes.py` one, is tested against them.

a, z, delta: (n_units,), one number for each unit: its input, its output, and dE_n/da. Units are
numbered inputs first, outputs last. x: (n_inputs,), t: (n_outputs,), grad: (n_params,).
"""

import math

from fastbp.kernels.codes import SOFTMAX
from fastbp.kernels.compiling.decorators import SUM_FLAGS, entry
from fastbp.kernels.formulas.activation_calls import activate_units, multiply_slope_of_units
from fastbp.kernels.formulas.losses import is_canonical, unit_canonical_error, unit_error, unit_error_slope
from fastbp.kernels.tables import BLOCK, LAYER, NONE, UNIT, WEIGHT


@entry(fastmath=SUM_FLAGS, _nrt=True)
def forward(net, x, a, z):
    """Forward pass: a and z of every unit; the last of z are the outputs y."""
    params, layers = net.params, net.layers
    for i in range(x.size):
        z[i] = x[i]
    for l in range(1, net.n_computed):
        n_units, bias = layers[l, LAYER.n_units], layers[l, LAYER.bias]
        a_j = units_of(net, l, a)
        for j in range(n_units):
            a_j[j] = params[bias + j] if bias != NONE else 0.0
        for c in range(layers[l, LAYER.in_start], layers[l, LAYER.in_end]):
            z_i = units_of(net, net.blocks[c, BLOCK.source], z)
            for j in range(n_units):
                w_j, total = arriving_at(net, c, j, params), a_j[j]
                for i in range(z_i.size):
                    total += w_j[i] * z_i[i]  # (5.48)  a_j = sum_i w_ji z_i
                a_j[j] = total
        for j in range(n_units):
            u = layers[l, LAYER.first_unit] + j
            for link in range(net.starts[u], net.starts[u + 1]):  # those that arrive
                a_j[j] += params[net.links[link, WEIGHT]] * z[net.links[link, UNIT]]  # (5.48)
        if layers[l, LAYER.function] == SOFTMAX:
            softmax(a_j, units_of(net, l, z))
        else:
            activate_units(layers, l, a_j, units_of(net, l, z))  # (5.49)  z_j = h(a_j)


@entry(_nrt=True)
def units_of(net, l, values):
    """The numbers of `values` (a, z or delta) that belong to the units of layer l."""
    first = net.layers[l, LAYER.first_unit]
    return values[first : first + net.layers[l, LAYER.n_units]]


@entry(_nrt=True)
def arriving_at(net, c, j, params):
    """Row j of block c in `params`, or in anything of that layout: the weights of what arrives at its unit j."""
    n_in = net.blocks[c, BLOCK.n_in]
    start = net.blocks[c, BLOCK.weights] + j * n_in
    return params[start : start + n_in]


@entry(_nrt=True)
def softmax(a, y):
    """y_k = exp(a_k) / sum_k exp(a_k); the largest a is subtracted from all, which changes nothing."""
    largest, total = a.max(), 0.0
    for k in range(a.size):
        y[k] = math.exp(a[k] - largest)
        total += y[k]
    for k in range(a.size):
        y[k] /= total


@entry(_nrt=True)
def log_sum_exp(a):
    """(largest a, ln sum_k exp(a_k - largest a))."""
    largest, total = a.max(), 0.0
    for k in range(a.size):
        total += math.exp(a[k] - largest)
    return largest, math.log(total)


@entry(_nrt=True)
def output_delta(net, t, a, z, delta):
    """Fill delta of the outputs, delta_k = dE_n/da_k; return E_n."""
    last = len(net.layers) - 1
    function = net.layers[last, LAYER.function]
    a_k, y, delta_k = units_of(net, last, a), units_of(net, last, z), units_of(net, last, delta)
    error = 0.0
    if is_canonical(net.loss, function):
        total = t.sum() if function == SOFTMAX else 1.0
        largest, log_sum = log_sum_exp(a_k) if function == SOFTMAX else (0.0, 0.0)
        for k in range(t.size):
            delta_k[k] = y[k] * total - t[k]  # (5.54)  delta_k = y_k - t_k
            error += unit_canonical_error(net.loss, a_k[k] - largest, y[k], t[k], log_sum)
        return error
    for k in range(t.size):
        delta_k[k] = unit_error_slope(net.loss, net.loss_option, y[k], t[k])
        error += unit_error(net.loss, net.loss_option, y[k], t[k])
    if function == SOFTMAX:
        mean = 0.0
        for k in range(t.size):
            mean += delta_k[k] * y[k]
        for k in range(t.size):
            delta_k[k] = y[k] * (delta_k[k] - mean)  # dy_m/da_k = y_m ([m = k] - y_k)
    else:
        multiply_slope_of_units(net.layers, last, a_k, y, delta_k)  # dE_n/dy_k h'(a_k)
    return error


@entry(fastmath=SUM_FLAGS, _nrt=True)
def backward(net, a, z, delta):
    """Delta recursion: from the outputs' delta to that of every hidden unit."""
    layers, outgoing = net.layers, net.outgoing
    first_output = layers[len(layers) - 1, LAYER.first_unit]
    for l in range(len(layers) - 2, 0, -1):
        delta_j, first = units_of(net, l, delta), layers[l, LAYER.first_unit]
        for j in range(delta_j.size):
            if first < first_output:  # dE_n/dy_k of an output is there already
                delta_j[j] = 0.0
            u = net.starts.size // 2 + first + j
            for link in range(net.starts[u], net.starts[u + 1]):  # those that leave
                delta_j[j] += net.params[net.links[link, WEIGHT]] * delta[net.links[link, UNIT]]  # (5.56)
        for o in range(layers[l, LAYER.out_start], layers[l, LAYER.out_end]):
            delta_k = units_of(net, net.blocks[outgoing[o], BLOCK.target], delta)
            for k in range(delta_k.size):
                w_k, d = arriving_at(net, outgoing[o], k, net.params), delta_k[k]
                for j in range(w_k.size):
                    delta_j[j] += w_k[j] * d  # (5.56)  delta_j = h'(a_j) sum_k w_kj delta_k
        multiply_slope_of_units(layers, l, units_of(net, l, a), units_of(net, l, z), delta_j)


@entry(fastmath=SUM_FLAGS, _nrt=True)
def input_gradient(net, v, a, z, delta):
    """Fill delta of every unit with sum_k v_k dy_k/da_j; that of the inputs, with sum_k v_k J_ki (5.70).

    The network must come without a canonical pair, see `Engine.for_inputs`.
    """
    last = len(net.layers) - 1
    y, delta_k, delta_i = units_of(net, last, z), units_of(net, last, delta), units_of(net, 0, delta)
    if net.layers[last, LAYER.function] == SOFTMAX:
        mean = 0.0
        for k in range(v.size):
            mean += v[k] * y[k]
        for k in range(v.size):
            delta_k[k] = y[k] * (v[k] - mean)  # (5.76)  dy_m/da_k = y_m ([m = k] - y_k)
    else:
        for k in range(v.size):
            delta_k[k] = v[k]
        multiply_slope_of_units(net.layers, last, units_of(net, last, a), y, delta_k)  # (5.75)  dy_k/da_k = h'(a_k)
    backward(net, a, z, delta)  # (5.74)  dy_k/da_j = h'(a_j) sum_l w_lj dy_k/da_l
    for i in range(delta_i.size):
        delta_i[i], u = 0.0, net.starts.size // 2 + i
        for link in range(net.starts[u], net.starts[u + 1]):  # those that leave
            delta_i[i] += net.params[net.links[link, WEIGHT]] * delta[net.links[link, UNIT]]  # (5.73)
    for o in range(net.layers[0, LAYER.out_start], net.layers[0, LAYER.out_end]):
        delta_j = units_of(net, net.blocks[net.outgoing[o], BLOCK.target], delta)
        for j in range(delta_j.size):
            w_j = arriving_at(net, net.outgoing[o], j, net.params)
            for i in range(w_j.size):
                delta_i[i] += w_j[i] * delta_j[j]  # (5.73)  J_ki = sum_j w_ji dy_k/da_j


@entry(fastmath=SUM_FLAGS, _nrt=True)
def add_gradient(net, z, delta, factor, grad):
    """grad += factor * dE_n/dparams. With factor = -learning_rate and grad = params: on-line learning."""
    for c in range(len(net.blocks)):
        z_i, delta_j = units_of(net, net.blocks[c, BLOCK.source], z), units_of(net, net.blocks[c, BLOCK.target], delta)
        for j in range(delta_j.size):
            dw_j, d = arriving_at(net, c, j, grad), grad.dtype.type(factor * delta_j[j])
            for i in range(dw_j.size):
                dw_j[i] += d * z_i[i]  # (5.53)  dE_n/dw_ji = delta_j z_i
    for j in range(delta.size):
        for link in range(net.starts[j], net.starts[j + 1]):
            grad[net.links[link, WEIGHT]] += factor * delta[j] * z[net.links[link, UNIT]]  # (5.53)
    for l in range(1, len(net.layers)):
        bias, delta_j = net.layers[l, LAYER.bias], units_of(net, l, delta)
        if bias != NONE:
            for j in range(delta_j.size):
                grad[bias + j] += factor * delta_j[j]  # dE_n/db_j = delta_j
