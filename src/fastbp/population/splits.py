"""Which rows each network learns from, which are held out for it, and with which weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.network import Network
from fastbp.population.dropouts import Dropouts
from fastbp.population.plan import Plan
from fastbp.population.seeding import first_bits
from fastbp.population.wishes import rows_of
from fastbp.training.options import Options
from fastbp.training.validation import n_held_out, own_validation

NO_ROWS = np.zeros(0, np.int64)


class Asked(NamedTuple):
    """The arguments of `Population.fit` that say who learns from what; the first two are checked."""

    samples: CheckedSamples
    seeds: list[int]
    rows: Any
    validation: Any
    sample_weight: Any
    rates: list[Array]  # of dropout, for each layer of each network


class Held(NamedTuple):
    """What is held out: samples, the rows of each network, weights (n or 1, n_rows) or none."""

    samples: CheckedSamples
    rows: list[Array]
    weights: Array


def plan_of(net: Network, options: list[Options], asked: Asked) -> Plan:
    """Who learns from what.

    Parameters
    ----------
    net : Network
        One of the networks.
    options : list of Options
        Of each network.
    asked : Asked

    Raises
    ------
    ValueError, TypeError
        For rows, weights or a validation that make no sense.
    """
    n, samples = len(asked.seeds), asked.samples
    rows = [np.arange(len(samples))] * n if asked.rows is None else rows_of(asked.rows, "samples", n, len(samples))
    weights = _weights(asked.sample_weight, n, samples)
    dropout = Dropouts(asked.rates)
    if isinstance(asked.validation, tuple | list | np.ndarray) or asked.validation is None:
        held = _held(net, asked, weights)
        if asked.rows is None and not isinstance(asked.validation, tuple):
            rows = _without(rows[0], held.rows)
        random = first_bits(asked.seeds)
        for k in np.flatnonzero(dropout.any).tolist():
            dropout.keys[k] = np.random.PCG64(asked.seeds[k]).random_raw(2)[1]
    else:
        held = Held(samples, [], weights)
        rows, random = list(rows), np.empty(n, np.uint64)
        for k, seed in enumerate(asked.seeds):
            draw = np.random.default_rng(seed)
            n_held = n_held_out(asked.validation, len(rows[k]))
            places = draw.permutation(len(rows[k]))
            held.rows.append(rows[k][np.sort(places[:n_held])])
            rows[k] = rows[k][np.sort(places[n_held:])]
            random[k], dropout.keys[k] = draw.integers(0, 2**64, 2, np.uint64)
    _check_weighted(weights, rows, "sample_weight")
    _check_weighted(held.weights, held.rows, "sample_weight of the rows that are held out")
    return Plan(samples, held.samples, options, rows, held.rows, random, weights, held.weights, dropout)


def _held(net: Network, asked: Asked, weights: Array) -> Held:
    """What is held out: nothing, a set of its own for all networks, or rows for each."""
    n, samples, validation = len(asked.seeds), asked.samples, asked.validation
    if validation is None:
        return Held(samples, [NO_ROWS] * n, weights[:0])
    if isinstance(validation, tuple):
        own = own_validation(net, validation)
        assert isinstance(own, CheckedSamples)
        return Held(own, [np.arange(len(own))] * n, own.weight.reshape(1, -1) if own.weight.size else weights[:0])
    return Held(samples, rows_of(validation, "validation", n, len(samples)), weights)


def _without(all_rows: Array, held: list[Array]) -> list[Array]:
    """The rows that are left for each network; the same array where the same ones are held out."""
    left = {id(rows): np.setdiff1d(all_rows, rows) if rows.size else all_rows for rows in held}
    for k, rows in enumerate(held):
        if not left[id(rows)].size:
            raise ValueError(f"validation[{k}] must leave a row of X for training; all {len(all_rows)} are held out")
    return [left[id(rows)] for rows in held]


def _weights(sample_weight: Any, n: int, samples: CheckedSamples) -> Array:
    """Weights of the samples for all networks, (1, n_samples), or for each, (n, n_samples); or an empty array."""
    dtype = samples.x.dtype
    if sample_weight is None:
        return np.zeros((0, 0), dtype)
    array = checks.numeric(sample_weight, "sample_weight")
    if array.ndim == 2 and len(array) == n:
        given = [checks.sample_weights(row, f"sample_weight[{k}]", len(samples), dtype) for k, row in enumerate(array)]
        return np.ascontiguousarray(given)
    return checks.sample_weights(array, "sample_weight", len(samples), dtype).reshape(1, -1)


def _check_weighted(weights: Array, rows: Sequence[Array], name: str) -> None:
    """Refuse rows whose weights are all 0."""
    for k, of_network in enumerate(rows if weights.size else ()):
        if of_network.size and not weights[k % len(weights)][of_network].any():
            raise ValueError(f"{name} must have a number that is not 0 for each network: all of network {k} are 0")
