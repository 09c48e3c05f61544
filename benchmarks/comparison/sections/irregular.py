"""Networks of any connections: outputs and gradient of a batch, and what a connection costs beside a dense one."""

from itertools import pairwise
from time import perf_counter

import numpy as np

from ..ceilings import FmaPeak
from ..irregular_networks import EdgeNetwork, as_if_evolved, random_numbers, sparse_layers
from ..measure import Row, say
from ..peers.irregular import IRREGULAR
from ..tables import ARITHMETIC, Outcome, Table, compared, digits
from ..timing import DIRECT_TOLERANCE, agree, call_timer, in_turns

N_OF_NEAT = 50  # samples in a turn of neat-python, which takes them one by one; scaled up
DENSE_SIZES = (64, 256, 256, 10)


def run(setup, done):
    """The sparse network takes turns with the dense one of the same layers."""
    pairs = [(sparse_layers(DENSE_SIZES, activation=h), dense_layers(DENSE_SIZES, h)) for h in ("relu", "tanh")]
    rows = [
        row
        for dtype in setup.dtypes
        for network, dense in (*pairs, (as_if_evolved(), None))
        for row in _rows(setup, network, dense, dtype)
    ]
    tables = compared(
        f"Networks of any connections, {rows[0].details['samples']} samples", rows, "ms", 1e-3, ARITHMETIC
    )
    columns = ["", "dtype", "sparse, ps", "dense, ps", "sparse / dense", "whole network: dense / sparse"]
    title = f"A connection of fastbp, for each sample: the sparse network and {'-'.join(map(str, DENSE_SIZES))}"
    tables.append(Table(title, columns, [_connection_cells(row) for row in rows if "dense" in row.details]))
    return Outcome("irregular", rows, tables)


def dense_layers(sizes, activation, n_samples=2000):
    """All connections from each layer to the next, by edge."""
    starts = np.cumsum([0, *sizes])
    edges = [
        (i, j)
        for (first, middle), end in zip(pairwise(starts[:-1]), starts[2:], strict=True)
        for j in range(middle, end)
        for i in range(first, middle)
    ]
    return EdgeNetwork("dense", sizes[0], sizes[-1], np.array(edges), n_samples, activation)


def _rows(setup, network, dense, dtype):
    """Outputs, and gradient."""
    say(f"{network.title}, {dtype}")
    numbers = random_numbers(network, dtype)
    made = {name: IRREGULAR[name](network, *numbers) for name in IRREGULAR if name in setup.peers}
    deviations = validate(made, network, dtype)
    beside = {} if dense is None else {"dense": IRREGULAR["fastbp"](dense, *random_numbers(dense, dtype))}
    with_gradient = {name: peer for name, peer in made.items() if name != "neat"} | beside
    outputs = {name: call_timer(peer.outputs) for name, peer in (made | beside).items() if name != "neat"}
    if "neat" in made:
        outputs["neat"] = _by_sample(made["neat"], network.n_samples)
    gradients = {name: call_timer(peer.gradient) for name, peer in with_gradient.items()}
    kinds = {"outputs": (outputs, network.forward_flops), "gradient": (gradients, network.gradient_flops)}
    return [
        _row(setup, f"{network.title}, {kind}", network, dense, dtype, timers, flops, deviations[kind])
        for kind, (timers, flops) in kinds.items()
    ]


def _row(setup, title, network, dense, dtype, timers, flops, deviations):
    fma_peak = FmaPeak(dtype, setup.n_threads)
    seconds = in_turns(timers | {"peak": fma_peak.seconds}, setup.repeats)
    details = {"samples": network.n_samples, "connections": len(network.edges)}
    if dense is not None:
        details |= {"dense": seconds.pop("dense"), "dense connections": len(dense.edges)}
    is_gradient = title.endswith("gradient")
    return Row(
        title=title,
        dtype=dtype,
        peak=fma_peak.flops / seconds.pop("peak") / 1e9,
        seconds=seconds,
        deviations={dtype: deviations},
        absent={n: p for n, p in setup.problems.items() if n in IRREGULAR and not (n == "neat" and is_gradient)},
        flops=flops,
        details=details,
    )


def _by_sample(peer, n_samples):
    """A timer of all samples that takes some of them and scales up."""

    def seconds(n_calls):
        began = perf_counter()
        for _ in range(n_calls):
            for x in peer.samples[:N_OF_NEAT]:
                peer.net.activate(x)
        return (perf_counter() - began) * n_samples / N_OF_NEAT

    return seconds


def validate(made, network, dtype):
    """{"outputs": {peer: deviation}, "gradient": ...}; RuntimeError where peers compute something else."""
    outputs = {name: np.ravel(peer.output_array()).astype(np.float64) for name, peer in made.items()}
    gradients = {name: peer.gradient_parameters().flat() for name, peer in made.items() if name != "neat"}
    tolerance = DIRECT_TOLERANCE[dtype]
    return {
        "outputs": agree(outputs, f"{network.title}, {dtype}: outputs", tolerance),
        "gradient": agree(gradients, f"{network.title}, {dtype}: gradient", tolerance),
    }


def _connection_cells(row):
    n, sparse, dense = row.details["samples"], row.seconds["fastbp"], row.details["dense"]
    for_sparse = 1e12 * sparse / (n * row.details["connections"])
    for_dense = 1e12 * dense / (n * row.details["dense connections"])
    medians = [np.median(values) for values in (for_sparse, for_dense, for_sparse / for_dense, dense / sparse)]
    return [row.title, row.dtype, *(digits(value) for value in medians)]
