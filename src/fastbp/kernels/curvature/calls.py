"""The sums of the passes over a tile, each compiled once and called through its address.

The register tiles behind them are large; with a copy of them in every entry the room would take minutes to compile.
"""

from functools import cache

import numpy as np

from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.many_samples.epilogue import Epilogue
from fastbp.kernels.many_samples.sums_across import row_products
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Terms, Weights, weighted_sums

FLOAT64 = np.dtype(np.float64)

SUMS = Slot(Rows, Weights, Terms, Epilogue, Size)
PRODUCTS = Slot(Rows, Rows, Rows, Epilogue, Size)


@entry
def sums(out, weights, terms, epilogue, size):
    """out[q, s] = begin[q] + sum_k weights[q, k] terms[k, s]."""
    weighted_sums(out, weights, terms, epilogue, size)


@entry
def products(out, left, right, epilogue, size):
    """out[q, p] = begin + sum_s left[q, s] right[p, s]."""
    row_products(out, left, right, epilogue, size)


@cache
def address_of_sums():
    """Address of `sums`."""
    return SUMS.address(sums, FLOAT64)


@cache
def address_of_products():
    """Address of `products`."""
    return PRODUCTS.address(products, FLOAT64)
