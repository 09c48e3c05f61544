"""Outputs for a few samples of a network with links: connections that are no part of a dense block, one by one.

    a_j = b_j + sum_i w_ji z_i    (5.48)   blocks as in `passes.py`, then the links that arrive at unit j
    z_j = h(a_j)                  (5.49)   a register of units at a time

The weights of a unit's links are neighbours, and what they are multiplied by stands anywhere: a number at a time, in
four sums. To gather registers takes twice as long, on a Zen 5.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from fastbp.kernels.codes import IDENTITY, RELU, SOFTMAX
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.compiling.plan_table import PLAN_SIZE
from fastbp.kernels.formulas import activations as fn
from fastbp.kernels.one_sample.called import array_at, net_of_call, table_at, units_of_call
from fastbp.kernels.one_sample.few import call_without_types, in_rows
from fastbp.kernels.one_sample.passes import inputs_of, outputs_of, place, set_inputs, softmax
from fastbp.kernels.one_sample.plan import LAYERS, LINK_WEIGHTS, LINKS, MEMORY, N_COMPUTED, PARAMS, STARTS, Call
from fastbp.kernels.registers.lanes import (
    Integers,
    Numbers,
    first,
    inlined,
    lanes,
    load,
    number,
    set_number,
    shift,
    size_of,
    splat,
    store,
    view,
    view_at,
)
from fastbp.kernels.tables import layer_of

AT_A_TIME = 4  # sums of a unit: an addition waits for the one before


class Sources(NamedTuple):
    """Where links come from, see `LinkedUnits` in `engine/few_samples.py`."""

    weights: Numbers
    ranges: Integers  # of unit u: number 2 u is its first link, 2 u + 1 the one behind its last
    places: Integers  # in z, of each link's source; behind them those of the outputs


@kernel
def sum_of_links(sources, z, unit):
    """sum_i w_ji z_i over the links that arrive at a unit."""
    inlined()
    w, places = sources.weights, sources.places
    link, stop = number(sources.ranges, 2 * unit), number(sources.ranges, 2 * unit + 1)
    zero = first(splat(z, 0.0))
    s0, s1, s2, s3 = zero, zero, zero, zero
    while link + AT_A_TIME <= stop:
        s0 += number(w, link) * number(z, number(places, link))  # (5.48)  a_j = sum_i w_ji z_i
        s1 += number(w, link + 1) * number(z, number(places, link + 1))
        s2 += number(w, link + 2) * number(z, number(places, link + 2))
        s3 += number(w, link + 3) * number(z, number(places, link + 3))
        link += AT_A_TIME
    while link < stop:
        s0 += number(w, link) * number(z, number(places, link))
        link += 1
    return (s0 + s1) + (s2 + s3)


@kernel
def forward_links(net, units, sources, n_computed):
    """a and z of every unit; those of the inputs are there. `n_computed`: of the rows, those that are layers."""
    for l in range(1, n_computed):
        layer = layer_of(net, l)
        a, z = place(layer, l, units.a), place(layer, l, units.z)
        for j in range(0, layer.n_units, lanes(a)):
            store(a, j, inputs_of(net, units, layer, j))
        for j in range(layer.n_units):
            set_number(a, j, number(a, j) + sum_of_links(sources, units.z, layer.first_unit + j))
        if layer.function == SOFTMAX:
            softmax(a, z, layer.n_units)
        elif layer.function not in (RELU, IDENTITY):
            outputs_of(layer, a, z)
        else:
            for j in range(0, layer.n_units, lanes(a)):
                a_j = load(a, j)
                store(z, j, fn.relu(a_j) if layer.function == RELU else a_j)


@entry(nogil=False)
def forward_few_links(address, x, out):
    """Outputs for the rows of x; False if x is not C-contiguous or as wide as the inputs, or a number is not finite."""
    plan = view_at(np.int64, address, PLAN_SIZE)
    params, memory = array_at(plan, PARAMS, x.dtype), array_at(plan, MEMORY, x.dtype)
    call = Call(plan, memory, params, view(x), view(x), view(x), view(out))
    net, units = net_of_call(call, LAYERS), units_of_call(call)
    places = table_at(plan, LINKS)
    sources = Sources(shift(params, number(plan, LINK_WEIGHTS)), table_at(plan, STARTS), places)
    n_inputs, n_outputs = layer_of(net, 0).n_units, out.shape[1]
    of_outputs = shift(places, size_of(places) - n_outputs)
    if not in_rows(x, n_inputs):
        return False
    bad = first(splat(units.z, 0.0))
    for n in range(len(x)):
        if not set_inputs(units, shift(view(x), n * n_inputs), n_inputs):
            return False
        forward_links(net, units, sources, number(plan, N_COMPUTED))
        for k in range(n_outputs):
            y_k = number(units.z, number(of_outputs, k))
            set_number(view(out), n * n_outputs + k, y_k)
            bad += y_k * 0
    return bad == 0


@cache
def forward_links_call(dtype):
    """`forward_few_links` for arrays of one dtype, see `call_without_types`."""
    return call_without_types(forward_few_links, dtype)
