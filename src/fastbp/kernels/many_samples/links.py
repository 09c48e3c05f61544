"""Sums along links: connections that are no part of a dense block, one by one.

A unit's sum stays in registers over all that arrives at it, or leaves it: a link costs a load of some
registers of samples, and as many products. The delta recursion goes along the outgoing links of the unit
whose delta it is, so no two units write to one place. These functions are compiled when a network has
links, and called by address.
"""

from functools import cache
from typing import NamedTuple

from fastbp.kernels.compiling.addresses import Slot, for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.many_samples.epilogue import Epilogue, epilogue_from
from fastbp.kernels.many_samples.weighted_sums import Rows
from fastbp.kernels.registers.lanes import (
    Numbers,
    Shape,
    fma,
    get,
    inlined,
    lanes,
    load,
    maximum,
    number,
    put,
    shift,
    splat,
    store,
    sum_tile,
    tile,
)  # fmt: skip
from fastbp.kernels.tables import LINK_COLUMNS, UNIT, WEIGHT, Net
from fastbp.kernels.tuning import MAX_REGISTERS

REGISTERS = tuple(Shape(1, n + 1) for n in range(MAX_REGISTERS))
LINKS_8, LINKS_4, LINKS_1 = Shape(2, 4), Shape(1, 4), Shape(1, 1)


class UnitRange(NamedTuple):
    """Some units: links[starts[first + q] : starts[first + q + 1]] are those of the q-th one."""

    first: int
    n_units: int
    width: int  # numbers in a row


# What is called through an address: `sums_of_links`, `products_of_links`
LINK_SUMS = Slot(Net, Rows, Rows, Epilogue, UnitRange)
LINK_PRODUCTS = Slot(Net, Numbers, Rows, Rows, bool, UnitRange)


@kernel
def linked_row(net, rows, link):
    """The row of the unit at the other end of a link."""
    return shift(rows.data, number(net.links, link * LINK_COLUMNS + UNIT) * rows.stride)


@kernel
def registers_of_links(left):
    """Registers of the next part of a row: at most 8, and the parts as even as can be. A few wait for each other."""
    inlined()
    if left <= MAX_REGISTERS:
        return left
    return min(MAX_REGISTERS, (left + 1) // 2)


@kernel
def link_sum(shape, net, out, rows, epilogue, links):
    """out[s] = begin + sum over the links of w z[s], for some registers of s."""
    inlined()
    n, step = shape.registers, lanes(out)
    first, stop = links
    sums = tile(shape, out)
    for r in range(n):
        put(sums, r, load(out, r * step) if epilogue.adds else splat(out, number(epilogue.numbers, 0)))
    for link in range(first, stop):
        row = linked_row(net, rows, link)
        w = number(net.params, number(net.links, link * LINK_COLUMNS + WEIGHT))
        for r in range(n):
            put(sums, r, fma(load(row, r * step), w, get(sums, r)))
    for r in range(n):
        store(out, r * step, maximum(epilogue.floor, get(sums, r)))


def sums_of_links(net, out, rows, epilogue, units):
    """out[q, s] = begin[q, s] + sum of w row[s] over the links of unit q and the rows at their other ends.

    Forward:  (5.48)  a_j = b_j + sum_i w_ji z_i, over the links that arrive. Backward:  (5.56)  sum_k w_kj
    delta_k, over those that leave.
    """
    step = lanes(out.data)
    for q in range(units.n_units):
        links = number(net.starts, units.first + q), number(net.starts, units.first + q + 1)
        epilogue_q = epilogue_from(epilogue, q, q * out.stride)
        left, out_q, rows_s = units.width // step, shift(out.data, q * out.stride), rows
        while left > 0:
            n = registers_of_links(left)
            if n == 8:
                link_sum(REGISTERS[7], net, out_q, rows_s, epilogue_q, links)
            elif n == 7:
                link_sum(REGISTERS[6], net, out_q, rows_s, epilogue_q, links)
            elif n == 6:
                link_sum(REGISTERS[5], net, out_q, rows_s, epilogue_q, links)
            elif n == 5:
                link_sum(REGISTERS[4], net, out_q, rows_s, epilogue_q, links)
            elif n == 4:
                link_sum(REGISTERS[3], net, out_q, rows_s, epilogue_q, links)
            elif n == 3:
                link_sum(REGISTERS[2], net, out_q, rows_s, epilogue_q, links)
            elif n == 2:
                link_sum(REGISTERS[1], net, out_q, rows_s, epilogue_q, links)
            else:
                link_sum(REGISTERS[0], net, out_q, rows_s, epilogue_q, links)
            left, out_q, rows_s = left - n, shift(out_q, n * step), Rows(shift(rows_s.data, n * step), rows.stride)


sums_of_links = entry(sums_of_links)


@kernel
def link_products(shape, net, dw, delta_j, rows, first, units, adds):
    """dw[m] = begin + sum_s delta_j[s] z_i[s] for as many links as the shape has registers, from `first` on."""
    inlined()
    n, step = shape.units * shape.registers, lanes(delta_j)
    sums = tile(shape, delta_j)
    for m in range(n):
        put(sums, m, splat(delta_j, 0.0))
    for s in range(0, units.width, step):
        d = load(delta_j, s)
        for m in range(n):
            put(sums, m, fma(load(linked_row(net, rows, first + m), s), d, get(sums, m)))
    sum_tile(shape, sums, dw, shape.registers, adds)
    return n


def products_of_links(net, grad, deltas, rows, adds, units):
    """(5.57)  dE/dw_ji = sum_s delta_j z_i for the links that arrive at some units; their weights are neighbours."""
    for q in range(units.n_units):
        delta_j = shift(deltas.data, q * deltas.stride)
        link, stop = number(net.starts, units.first + q), number(net.starts, units.first + q + 1)
        while link < stop:
            dw = shift(grad, number(net.links, link * LINK_COLUMNS + WEIGHT))
            if stop - link >= LINKS_8.units * LINKS_8.registers:
                link += link_products(LINKS_8, net, dw, delta_j, rows, link, units, adds)
            elif stop - link >= LINKS_4.registers:
                link += link_products(LINKS_4, net, dw, delta_j, rows, link, units, adds)
            else:
                link += link_products(LINKS_1, net, dw, delta_j, rows, link, units, adds)


products_of_links = entry(products_of_links)


@for_warm_up()
@cache
def address_of_sums(dtype):
    """Address of `sums_of_links` for numbers of `dtype`."""
    return LINK_SUMS.address(sums_of_links, dtype)


@for_warm_up()
@cache
def address_of_products(dtype):
    """Address of `products_of_links` for numbers of `dtype`."""
    return LINK_PRODUCTS.address(products_of_links, dtype)
