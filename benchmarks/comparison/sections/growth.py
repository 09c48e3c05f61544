"""How an epoch grows: with the number of samples, in memory and in a file, and with the width of a layer."""

from tempfile import TemporaryDirectory

import numpy as np

from ..ceilings import FmaPeak
from ..measure import Row, say
from ..peers import PEERS
from ..peers.base import Orders
from ..tables import ARITHMETIC, Outcome, Table, digits
from ..timing import epoch_timer, in_turns, make_peers, validate
from ..workloads import flops_per_epoch, many_samples, random_data, start_parameters, wide

N_SAMPLES = (1_000, 10_000, 100_000, 1_000_000)
N_IN_FILE, N_IN_LARGE_FILE = 1_000_000, 10_000_000
N_DRAWN = 100_000  # samples; the others repeat them
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
N_SAMPLES_WIDE = 1000
CHECKED = {name: PEERS[name] for name in ("fastbp", "numpy")}


def run(setup, done):
    """fastbp's own epochs; all sizes take turns in the same rounds."""
    with TemporaryDirectory() as folder:
        samples = _together(setup, *_by_samples(setup, folder))
    widths = _together(setup, *_by_width(setup))
    shape = many_samples(1).shape
    tables = [
        _table(f"One epoch of {shape} over the number of samples", samples),
        _table(f"One epoch of 16-w-w-1 over the width w, {N_SAMPLES_WIDE} samples", widths),
    ]
    return Outcome("growth", samples + widths, tables)


def _by_samples(setup, folder):
    """{title: (peer, workload)}, and the deviations from NumPy's parameters."""
    n_in_file = N_IN_LARGE_FILE if setup.large else N_IN_FILE
    say(f"growth: writing {n_in_file:,} samples")
    mapped = _write(folder, n_in_file, setup.dtype)
    in_memory = [np.array(array[: N_SAMPLES[-1]]) for array in mapped]
    work = {}
    for n in N_SAMPLES:
        work[f"{n:,}"] = _fastbp(n, *(array[:n] for array in in_memory))
    for n in {N_IN_FILE, n_in_file}:
        work[f"{n:,} from a file (np.memmap)"] = _fastbp(n, *(array[:n] for array in mapped))
    _check_same_bits(*(_fastbp(N_DRAWN, *(a[:N_DRAWN] for a in arrays)) for arrays in (in_memory, mapped)), setup.dtype)
    _, deviations = _validated(many_samples(N_SAMPLES[1]), setup.dtype)
    return work, {f"{N_SAMPLES[1]:,}": deviations}


def _validated(workload, dtype):
    """The peers with the workload's data, and how far they are apart: {dtype: {peer: deviation}}."""
    deviations = {}
    for each in dict.fromkeys(("float64", dtype)):
        made = make_peers(CHECKED, workload, each)
        deviations[each] = validate(made, workload, each)
    return made, deviations


def _fastbp(n_samples, X, T):
    workload = many_samples(n_samples)
    return PEERS["fastbp"](workload, X, T), workload


def _write(folder, n_samples, dtype):
    """Inputs and targets in files of NumPy's, mapped into memory."""
    mapped = []
    for name, drawn in zip("XT", random_data(many_samples(N_DRAWN), dtype), strict=True):
        path = f"{folder}/{name}.npy"
        file = np.lib.format.open_memmap(path, "w+", dtype, (n_samples, drawn.shape[1]))
        for start in range(0, n_samples, N_DRAWN):
            file[start : start + N_DRAWN] = drawn
        file.flush()
        mapped.append(np.load(path, mmap_mode="r"))
    return mapped


def _check_same_bits(in_memory, mapped, dtype):
    """The same samples from memory and from a file must give the same parameters."""
    ends = []
    for peer, workload in (in_memory, mapped):
        peer.load(start_parameters(workload, dtype))
        peer.train(Orders.as_given(workload.n_samples))
        ends.append(peer.parameters().flat())
    if not np.array_equal(*ends):
        raise RuntimeError("growth: samples from a file give other parameters than the same samples in memory")


def _by_width(setup):
    """{title: (peer, workload)}, and the deviations from NumPy's parameters."""
    work, deviations = {}, {}
    for width in WIDTHS:
        workload = wide(width, N_SAMPLES_WIDE)
        say(f"growth: width {width}")
        made, deviations[str(width)] = _validated(workload, setup.dtype)
        work[str(width)] = made["fastbp"], workload
    return work, deviations


def _together(setup, work, deviations):
    """A row for each title; all take turns."""
    fma_peak = FmaPeak(setup.dtype, setup.n_threads)
    timers = {title: epoch_timer(peer, workload, setup.dtype) for title, (peer, workload) in work.items()}
    seconds = in_turns(timers | {"peak": fma_peak.seconds}, setup.repeats)
    peak = fma_peak.flops / seconds.pop("peak") / 1e9
    return [
        Row(
            title=title,
            dtype=setup.dtype,
            seconds={"fastbp": seconds[title]},
            deviations=deviations.get(title, {}),
            flops=flops_per_epoch(workload),
            peak=peak,
            details={"samples x connections": workload.n_samples * workload.n_connections},
        )
        for title, (_, workload) in work.items()
    ]


def _table(title, rows):
    columns = ["", "epoch, ms", "ps for a sample and connection", *(heading for heading, _ in ARITHMETIC)]
    return Table(f"{title}, {rows[0].dtype}", columns, [_cells(row) for row in rows])


def _cells(row):
    seconds = np.median(row.seconds["fastbp"])
    for_each = 1e12 * seconds / row.details["samples x connections"]
    return [row.title, digits(1e3 * seconds), digits(for_each), *(cell(row) for _, cell in ARITHMETIC)]
