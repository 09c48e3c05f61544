"""A layer of 4096 x 4096 connections, beside the three matrix products that BLAS would do for it."""

import numpy as np

from ..ceilings import FmaPeak
from ..machine import blas
from ..measure import Row, say
from ..peers import PEERS
from ..products import Products
from ..tables import Outcome, Table, digits, gflops_cell, peak_cell
from ..timing import call_timer, in_turns, make_peers, validate_call
from ..workloads import LARGE_LAYER, flops_per_epoch

WIDTH = LARGE_LAYER.sizes[1]
PRODUCT_FLOPS = 3 * 2 * LARGE_LAYER.n_samples * WIDTH**2


def run(setup, done):
    """fastbp's whole gradient, and the products alone."""
    rows = [_row(setup, dtype) for dtype in setup.dtypes]
    title = f"Gradient of {LARGE_LAYER.shape}, {LARGE_LAYER.n_samples} samples, and the products of its large layer"
    columns = ["dtype", "fastbp, ms", "GFLOP/s", "of the peak", f"{blas()}, ms", "GFLOP/s", "of the peak"]
    columns += ["GFLOP/s of fastbp / BLAS"]
    return Outcome("large-layer", rows, [Table(title, columns, [_cells(row) for row in rows])])


def _row(setup, dtype):
    say(f"{LARGE_LAYER.shape}, {dtype}")
    made = make_peers({name: PEERS[name] for name in ("fastbp", "numpy")}, LARGE_LAYER, dtype)
    deviations = validate_call(made, lambda peer: peer.gradient_parameters().flat(), LARGE_LAYER, dtype)
    fma_peak = FmaPeak(dtype, setup.n_threads)
    products = Products(LARGE_LAYER.n_samples, [(WIDTH, WIDTH)], dtype, backs_into_first=True)
    timers = {"fastbp": call_timer(made["fastbp"].gradient), "BLAS": call_timer(products)}
    seconds = in_turns(timers | {"peak": fma_peak.seconds}, setup.repeats)
    return Row(
        title=LARGE_LAYER.shape,
        dtype=dtype,
        peak=fma_peak.flops / seconds.pop("peak") / 1e9,
        seconds=seconds,
        deviations={dtype: deviations},
        flops=flops_per_epoch(LARGE_LAYER),
        details={"BLAS flops": PRODUCT_FLOPS},
    )


def _cells(row):
    products = row._replace(seconds={"fastbp": row.seconds["BLAS"]}, flops=PRODUCT_FLOPS)
    cells = [row.dtype]
    for part in (row, products):
        cells += [digits(1e3 * np.median(part.seconds["fastbp"])), gflops_cell(part), peak_cell(part)]
    return [*cells, digits(np.median(row.gflops() / products.gflops()))]
