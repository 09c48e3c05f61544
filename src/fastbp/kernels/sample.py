"""Backpropagation of one sample, loop by loop as it is derived.

The numbers are Bishop's (Pattern Recognition and Machine Learning, section 5.3). Compiled, these
functions are the on-line learner; their `.py_func`, plain Python, are the naive loops that the
benchmarks compare with; and `tile.py`, which computes the same sums many samples at a time, is tested
against them.

a, z, delta: (n_units,), one number for each unit: its input, its output, and dE_n/da. Units are
numbered inputs first, outputs last. x: (n_inputs,), t: (n_outputs,), grad: (n_params,).
"""

import math

from fastbp.kernels.activation import SOFTMAX, activate_units, multiply_slope_of_units
from fastbp.kernels.compiling import SUM_FLAGS, entry
from fastbp.kernels.loss import is_canonical, unit_canonical_error, unit_error, unit_error_slope
from fastbp.kernels.packed import (
    BIAS,
    FIRST_UNIT,
    FUNCTION,
    IN_END,
    IN_START,
    N_IN,
    N_OUT,
    N_UNITS,
    NONE,
    OUT_END,
    OUT_START,
    SOURCE,
    TARGET,
    WEIGHTS,
)  # fmt: skip


@entry(fastmath=SUM_FLAGS)
def forward(net, x, a, z):
    """Forward pass: a and z of every unit; the last of z are the outputs y."""
    for i in range(x.size):
        z[i] = x[i]
    for l in range(1, len(net.layers)):
        layer = net.layers[l]
        units = slice(layer[FIRST_UNIT], layer[FIRST_UNIT] + layer[N_UNITS])
        a_j = a[units]
        a_j[:] = 0.0
        if layer[BIAS] != NONE:
            b = net.params[layer[BIAS] : layer[BIAS] + layer[N_UNITS]]
            for j in range(b.size):
                a_j[j] = b[j]
        for c in range(layer[IN_START], layer[IN_END]):
            w, z_i = block_weights(net, c, net.params), block_sources(net, c, z)
            for j in range(w.shape[0]):
                w_j, total = w[j], a_j[j]
                for i in range(w_j.size):
                    total += w_j[i] * z_i[i]  # (5.48)  a_j = sum_i w_ji z_i
                a_j[j] = total
        if layer[FUNCTION] == SOFTMAX:
            softmax(a_j, z[units])
        else:
            activate_units(net, l, a, z)  # (5.49)  z_j = h(a_j)


@entry
def softmax(a, y):
    """y_k = exp(a_k) / sum_k exp(a_k); the largest a is subtracted from all, which changes nothing."""
    largest, total = a.max(), 0.0
    for k in range(a.size):
        y[k] = math.exp(a[k] - largest)
        total += y[k]
    for k in range(a.size):
        y[k] /= total


@entry
def log_sum_exp(a):
    """(largest a, ln sum_k exp(a_k - largest a))."""
    largest, total = a.max(), 0.0
    for k in range(a.size):
        total += math.exp(a[k] - largest)
    return largest, math.log(total)


@entry
def output_delta(net, t, a, z, delta):
    """Fill delta of the outputs, delta_k = dE_n/da_k; return E_n."""
    layer = net.layers[len(net.layers) - 1]
    outputs = slice(layer[FIRST_UNIT], layer[FIRST_UNIT] + layer[N_UNITS])
    a_k, y, delta_k = a[outputs], z[outputs], delta[outputs]
    error = 0.0
    if is_canonical(net.loss, layer[FUNCTION]):
        total = t.sum() if layer[FUNCTION] == SOFTMAX else 1.0
        largest, log_sum = log_sum_exp(a_k) if layer[FUNCTION] == SOFTMAX else (0.0, 0.0)
        for k in range(t.size):
            delta_k[k] = y[k] * total - t[k]  # (5.54)  delta_k = y_k - t_k
            error += unit_canonical_error(net.loss, a_k[k] - largest, y[k], t[k], log_sum)
        return error
    for k in range(t.size):
        delta_k[k] = unit_error_slope(net.loss, y[k], t[k])
        error += unit_error(net.loss, y[k], t[k])
    if layer[FUNCTION] == SOFTMAX:
        mean = 0.0
        for k in range(t.size):
            mean += delta_k[k] * y[k]
        for k in range(t.size):
            delta_k[k] = y[k] * (delta_k[k] - mean)  # dy_m/da_k = y_m ([m = k] - y_k)
    else:
        multiply_slope_of_units(net, len(net.layers) - 1, a, z, delta)  # dE_n/dy_k h'(a_k)
    return error


@entry(fastmath=SUM_FLAGS)
def backward(net, a, z, delta):
    """Delta recursion: from the outputs' delta to that of every hidden unit."""
    for l in range(len(net.layers) - 2, 0, -1):
        layer = net.layers[l]
        delta_j = delta[layer[FIRST_UNIT] : layer[FIRST_UNIT] + layer[N_UNITS]]
        delta_j[:] = 0.0
        for o in range(layer[OUT_START], layer[OUT_END]):
            w, delta_k = (
                block_weights(net, net.outgoing[o], net.params),
                block_targets(net, net.outgoing[o], delta),
            )
            for k in range(w.shape[0]):
                w_k, d = w[k], delta_k[k]
                for j in range(w_k.size):
                    delta_j[j] += w_k[j] * d  # (5.56)  delta_j = h'(a_j) sum_k w_kj delta_k
        multiply_slope_of_units(net, l, a, z, delta)


@entry(fastmath=SUM_FLAGS)
def add_gradient(net, z, delta, factor, grad):
    """grad += factor * dE_n/dparams. With factor = -learning_rate and grad = params: on-line learning."""
    for c in range(len(net.blocks)):
        dw, z_i, delta_j = block_weights(net, c, grad), block_sources(net, c, z), block_targets(net, c, delta)
        for j in range(dw.shape[0]):
            dw_j, d = dw[j], factor * delta_j[j]
            for i in range(dw_j.size):
                dw_j[i] += d * z_i[i]  # (5.53)  dE_n/dw_ji = delta_j z_i
    for l in range(1, len(net.layers)):
        layer = net.layers[l]
        if layer[BIAS] != NONE:
            db = grad[layer[BIAS] : layer[BIAS] + layer[N_UNITS]]
            delta_j = delta[layer[FIRST_UNIT] : layer[FIRST_UNIT] + layer[N_UNITS]]
            for j in range(db.size):
                db[j] += factor * delta_j[j]  # dE_n/db_j = delta_j


@entry
def block_weights(net, c, params):
    """Block c of `params`, or of anything of that layout, as a matrix (n_out, n_in): row j = what arrives at j."""
    block = net.blocks[c]
    start = block[WEIGHTS]
    return params[start : start + block[N_OUT] * block[N_IN]].reshape(block[N_OUT], block[N_IN])


@entry
def block_sources(net, c, z):
    """The numbers of `z` that belong to the units from which block c comes."""
    first = net.layers[net.blocks[c, SOURCE], FIRST_UNIT]
    return z[first : first + net.blocks[c, N_IN]]


@entry
def block_targets(net, c, delta):
    """The numbers of `delta` that belong to the units at which block c arrives."""
    first = net.layers[net.blocks[c, TARGET], FIRST_UNIT]
    return delta[first : first + net.blocks[c, N_OUT]]
