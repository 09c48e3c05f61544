"""Training: an epoch of the workloads, with its roofline; on-line learning; batch learning."""

import numpy as np

from ..machine import blas
from ..measure import EPOCH, measure
from ..naive_loops import epoch_seconds
from ..tables import ARITHMETIC, Outcome, Table, compared, digits, gflops_cell, peak_cell, percent
from ..workloads import BATCH, ON_LINE, WORKLOADS, bytes_per_epoch, flops_per_epoch


def training(setup, done):
    """One epoch of the workloads W1 to W8."""
    rows = [row for name in setup.workloads for row in _epochs(setup, WORKLOADS[name])]
    return Outcome("training", rows, compared("One epoch, shuffled", rows, "ms", 1e-3, ARITHMETIC))


def on_line(setup, done):
    """One update of plain gradient descent with one sample."""
    rows = []
    for workload in ON_LINE.values():
        (row,) = _epochs(setup, workload, setup.dtypes[:1])
        seconds = {name: epoch / workload.n_updates for name, epoch in row.seconds.items()}
        flops = row.flops // workload.n_updates
        rows.append(row._replace(title=f"{workload.shape}, {workload.activation}", seconds=seconds, flops=flops))
    return Outcome("on-line", rows, compared("On-line learning, one update", rows, "µs", 1e-6, ARITHMETIC[:1]))


def batch(setup, done):
    """One step of plain gradient descent with all samples: what FANN does too."""
    rows = [row._replace(title=f"{BATCH.shape}, {BATCH.n_samples}, tanh") for row in measure(setup, EPOCH, BATCH)]
    return Outcome("batch", rows, compared("Batch learning, one epoch", rows, "ms", 1e-3, ARITHMETIC))


def _epochs(setup, workload, dtypes=None):
    """A row for each dtype; naive loops in the first one only: they take the same time in both."""
    first, *others = measure(setup, EPOCH, workload, dtypes=dtypes)
    if setup.naive:
        first.seconds["naive"] = np.array([epoch_seconds(workload, first.dtype)])
    return [first, *others]


def roofline(setup, done):
    """The arithmetic and the bytes of the epochs that `training` has timed, or of fastbp's alone."""
    if "training" in done:
        timed = done["training"].rows
    else:
        own = setup.only("fastbp")
        timed = [row for name in setup.workloads for row in measure(setup, EPOCH, WORKLOADS[name], peers=own)]
    by_title = {w.title: w for w in WORKLOADS.values()}
    rows = [_with_roof(row, by_title[row.title], setup) for row in timed]
    columns = ["", "dtype", "GFLOP/s", "of the peak", "MB to move", "flop/byte", "roof, GFLOP/s", "of the roof"]
    columns += ["fastbp, ms", f"products alone, {blas()}, ms", "their time / fastbp"]
    return Outcome("roofline", rows, [Table("Roofline of one epoch", columns, [_cells(row) for row in rows])])


def _with_roof(row, workload, setup):
    n_bytes = bytes_per_epoch(workload, row.dtype)
    intensity = flops_per_epoch(workload) / n_bytes
    roof = np.minimum(row.peak, intensity * setup.bandwidth * setup.n_threads / 1e9)
    seconds = {"fastbp": row.seconds["fastbp"]}
    return row._replace(seconds=seconds, absent={}, details={"bytes": n_bytes, "intensity": intensity, "roof": roof})


def _cells(row):
    roof = row.details["roof"]
    return [
        row.title,
        row.dtype,
        gflops_cell(row),
        peak_cell(row),
        digits(row.details["bytes"] / 1e6),
        digits(row.details["intensity"]),
        digits(np.median(roof)),
        percent(np.median(row.gflops() / roof)),
        digits(1e3 * np.median(row.seconds["fastbp"])),
        digits(1e3 * np.median(row.products)),
        digits(np.median(row.products / row.seconds["fastbp"])),
    ]
