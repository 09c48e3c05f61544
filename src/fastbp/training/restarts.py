"""Several beginnings, of which the best is kept."""

from collections.abc import Callable

import numpy as np

from fastbp import checks
from fastbp.model.computing import ComputingNetwork
from fastbp.structure import initial
from fastbp.training.history import History
from fastbp.training.options import Options


def check_restarts(restarts: object, options: Options) -> int:
    """The argument `restarts` of `fit`, checked."""
    n_starts = checks.integer(restarts, "restarts", minimum=1)
    if n_starts > 1 and (options.warm or options.checkpoint is not None):
        which = "warm=True" if options.warm else "a checkpoint"
        raise ValueError(f"restarts must be 1 with {which}, which is of one training; got {n_starts}")
    return n_starts


def draw_anew(net: ComputingNetwork, draw: np.random.Generator) -> None:
    """Other first weights: as ``init="glorot_uniform"`` draws them, biases zero."""
    draw_weights = initial.resolve("glorot_uniform", net.dtype)
    net.params = np.zeros(net.n_params)
    if net.is_given_by_edges:
        net.edge_weights = initial.of_edges(draw_weights, draw, net.edges, net.n_units)
        return
    initial.of_blocks(draw_weights, draw, net.topology, net.params)


def best_of(net: ComputingNetwork, options: Options, n_starts: int, train: Callable[[], History]) -> History:
    """Train from so many beginnings, the first where the network is; keep the weights, and the history, of the best.

    The best has the lowest loss of validation, or else of training, that its weights have. None is tried after one that
    reaches the goal.
    """
    if n_starts == 1:
        return train()
    draw = np.random.default_rng(options.seed)
    options.seed = initial.some_seed(options.seed)  # all of them hold out the same samples
    best: tuple[float, History, np.ndarray] | None = None
    for start in range(n_starts):
        if start > 0:
            draw_anew(net, draw)
        history = train()
        loss = _reached(history, options)
        if best is None or loss < best[0]:
            best = loss, history, net.params.copy()
        if history.stopped_by in ("goal", "interrupt"):
            break
    assert best is not None
    net.params = best[2]
    return best[1]


def _reached(history: History, options: Options) -> float:
    """The loss of the weights that a training has left."""
    losses = np.array(history.monitored, np.float64)
    losses = losses[np.isfinite(losses)]
    if not losses.size:
        return np.inf
    return float(losses.min() if options.keeps_best else losses[-1])
