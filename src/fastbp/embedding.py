"""Networks whose first hidden layer spreads each input over several units of its own: numerical embeddings.

Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning" (2022). What is made is
a plain network: the embedding is a layer of single connections, and is trained, saved and exported as all others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.activations import Activation, resolve_hidden
from fastbp.checks import Array
from fastbp.losses import Loss
from fastbp.network import Network
from fastbp.structure.initial import Seed, generator

N_BINS, N_FREQUENCIES, SIGMA = 8, 8, 0.1
NARROWEST = 1024  # roundings of its ends, that a bin must be wide
MOST_NAMED = 5  # columns that an error names
ROUNDING = 8  # units of the last place, by which numbers of a column differ that are meant to be one


@dataclass(frozen=True)
class Embedding:
    """The first layer: of each unit the input that it is fed by, the weight and the bias; and its function."""

    sources: Array
    weights: Array
    biases: Array
    function: str


def embedded(
    sizes: Sequence[int],
    X: Array,
    *,
    embedding: str = "piecewise",
    n_bins: int | None = None,
    n_frequencies: int | None = None,
    sigma: float | None = None,
    keep_inputs: bool = False,
    activation: str | Activation | Sequence[str | Activation] = "relu",
    output: str | Activation = "identity",
    loss: str | Loss = "squared_error",
    init: str | float = "glorot_uniform",
    dtype: Any = "float64",
    seed: Seed = None,
) -> Network:
    """Make a network that spreads each input over several units before the first hidden layer.

    "piecewise": each input x becomes the ramps min(1, max(0, (x - b_k) / (b_k+1 - b_k))) between quantiles b_0 < b_1 <
    ... of its column of X: those of the bins below x are 1, of the bins above it 0. "periodic": each input becomes
    sin(2 pi c_k x') and cos(2 pi c_k x'), with x' = (x - mean) / deviation of its column, and frequencies c_k drawn
    from a normal distribution.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of units in each hidden layer, of outputs. Without hidden layers the outputs are sums of
        functions of one input each.
    X : array (n_samples, n_inputs)
        The training samples: bins, means and deviations are theirs.
    embedding : "piecewise" or "periodic"
        What each input becomes.
    n_bins : int, optional
        Of "piecewise": bins of each input, 8 if left out; fewer where quantiles are equal.
    n_frequencies : int, optional
        Of "periodic": frequencies of each input, 8 if left out, each of them two units.
    sigma : float, optional
        Of "periodic": standard deviation of the frequencies, 0.1 if left out. The larger it is, the more a prediction
        may change between neighbouring values.
    keep_inputs : bool
        Whether the inputs themselves feed the first hidden layer, too.
    activation : str, Activation, or a sequence of them
        Activation function of the hidden layers after the embedding: one for all or one for each.
    output, loss, init, dtype, seed
        See `Network`.

    Returns
    -------
    Network
        One that is given by its edges, as `Network.from_edges` makes them, the units of the embedding first among the
        hidden ones. An input that is the same in all of X feeds nothing, unless `keep_inputs`.

    Raises
    ------
    ValueError, TypeError
        For an argument that makes no sense, or that belongs to another embedding; the message names it. So does that
        for columns of X whose numbers differ by too little for `dtype`, beside how large they are, or are too large or
        too small for it.

    Notes
    -----
    Bins and frequencies are where training begins: it moves them as all other parameters, unless the first layer has
    the factor 0 in `rate_factors` of `fit`. Two things differ from the paper. Its first and last bins go on beyond the
    training data, these ramps are constant there; and its sine and cosine of a frequency share it for ever, these share
    it at the beginning.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.random.default_rng(0).uniform(0, 1, (500, 2))
    >>> T = np.floor(4 * X[:, 0]) % 2 + X[:, 1]
    >>> net = fastbp.embedded((2, 16, 1), X, n_bins=16, seed=0)
    >>> history = net.fit(X, T, epochs=100, seed=0)
    """
    given = checks.items(sizes, "sizes", "a sequence of integers")
    checked = [checks.integer(size, f"sizes[{k}]", minimum=1) for k, size in enumerate(given)]
    if len(checked) < 2:
        raise ValueError(f"sizes must have at least two numbers, inputs and outputs; got {tuple(checked)}")
    samples = checks.matrix(X, "X", checked[0], np.dtype(np.float64), "inputs")
    held_in = checks.float_dtype(dtype)
    varying = _varying(samples)
    if not varying.size:
        raise ValueError("X must have a column that is not the same in all samples: no input can be spread")
    draw, keep = generator(seed), checks.flag(keep_inputs, "keep_inputs")
    options = {"n_bins": n_bins, "n_frequencies": n_frequencies, "sigma": sigma}
    if checks.name_of(embedding, ("piecewise", "periodic"), "embedding") == "piecewise":
        _refuse_others(options, ("n_bins",), embedding)
        bins = checks.integer(N_BINS if n_bins is None else n_bins, "n_bins", minimum=1)
        first = _piecewise(samples, varying, bins, held_in)
    else:
        _refuse_others(options, ("n_frequencies", "sigma"), embedding)
        frequencies = checks.integer(
            N_FREQUENCIES if n_frequencies is None else n_frequencies, "n_frequencies", minimum=1
        )
        spread = checks.number(SIGMA if sigma is None else sigma, "sigma", low_open=True)
        first = _periodic(samples, varying, frequencies, (spread, draw), held_in)
    return _network(
        checked, first, keep, resolve_hidden(activation, len(checked) - 2),
        output=output, loss=loss, init=init, dtype=dtype, seed=draw,
    )  # fmt: skip


def _refuse_others(options: dict[str, Any], own: tuple[str, ...], embedding: str) -> None:
    for name, value in options.items():
        if value is not None and name not in own:
            raise ValueError(f"{name} must be left out for embedding {embedding!r}; got {value!r}")


def _varying(X: Array) -> Array:
    """Numbers of the columns that are not one number, but for rounding."""
    with np.errstate(over="ignore"):
        widths = np.ptp(X, axis=0)
    varying: Array = np.flatnonzero(widths > ROUNDING * np.finfo(float).eps * np.abs(X).max(axis=0))
    return varying


def _sizes(X: Array, widths: Array) -> list[tuple[float, float]]:
    """(width, largest absolute number) of each column."""
    return list(zip(widths.tolist(), np.abs(X).max(axis=0).tolist(), strict=True))


def _is_wide(width: float, centre: float, largest: float, dtype: np.dtype) -> bool:
    """Whether x / width and centre / width can be computed in `dtype`, for x up to the `largest`."""
    numbers = np.finfo(dtype)
    smallest = NARROWEST * float(numbers.tiny)
    narrowest = max(smallest, NARROWEST * float(numbers.eps) * abs(centre))
    return narrowest < width < np.inf and largest < 1 / smallest


def _check_wide(X: Array, wide: Array, varying: Array, dtype: np.dtype) -> None:
    """Refuse columns that vary, but not in the numbers that the network computes with."""
    narrow = varying[~wide[varying]]
    if narrow.size:
        named = ", ".join(
            f"{k} (from {X[:, k].min():.12g} to {X[:, k].max():.12g})" for k in narrow[:MOST_NAMED].tolist()
        )
        more = f" and {narrow.size - MOST_NAMED} more" if narrow.size > MOST_NAMED else ""
        raise ValueError(
            f"X must have columns whose differences {dtype} can hold beside their size; got columns {named}{more}: "
            "standardise them, subtract the mean and divide by the deviation"
        )


def quantile_bins(column: Array, n_bins: int, dtype: np.dtype) -> Array:
    """Ends of the bins of a column, ascending: each bin is wide enough for its ramp to be computed in `dtype`."""
    quantiles = np.quantile(column, np.linspace(0, 1, n_bins + 1))
    ends = quantiles[:1]
    for q in quantiles[1:]:
        largest = max(abs(q), abs(ends[-1]))
        if _is_wide(q - ends[-1], largest, largest, dtype):
            ends = np.append(ends, q)
    return ends


def _piecewise(X: Array, varying: Array, n_bins: int, dtype: np.dtype) -> Embedding:
    """(x - b_k) / (b_k+1 - b_k), of which the ramp cuts off what is below 0 or above 1."""
    with np.errstate(over="ignore"):
        sizes = _sizes(X, np.ptp(X, axis=0))
    _check_wide(X, np.array([_is_wide(width, most, most, dtype) for width, most in sizes]), varying, dtype)
    ends = [quantile_bins(column, n_bins, dtype) for column in X.T[varying]]
    sources = np.repeat(varying, [len(e) - 1 for e in ends])
    low, width = (np.concatenate(parts) for parts in zip(*((e[:-1], np.diff(e)) for e in ends), strict=True))
    return Embedding(sources, 1 / width, -low / width, "ramp")


def _periodic(
    X: Array, varying: Array, n_frequencies: int, drawn: tuple[float, np.random.Generator], dtype: np.dtype
) -> Embedding:
    """2 pi c x' for the sines, with pi / 2 added for the cosines; `drawn`: the deviation of c, and what draws."""
    with np.errstate(over="ignore", invalid="ignore"):  # of what is refused
        means, deviations = X.mean(axis=0), X.std(axis=0)
    sizes = zip(_sizes(X, deviations), means.tolist(), strict=True)
    _check_wide(X, np.array([_is_wide(width, mean, most, dtype) for (width, most), mean in sizes]), varying, dtype)
    sigma, draw = drawn
    angles = 2 * np.pi * draw.normal(0, sigma, (len(varying), n_frequencies)) / deviations[varying, np.newaxis]
    shifts = -angles * means[varying, np.newaxis]
    weights = np.concatenate([angles, angles], axis=1).ravel()
    biases = np.concatenate([shifts, shifts + np.pi / 2], axis=1).ravel()
    return Embedding(np.repeat(varying, 2 * n_frequencies), weights, biases, "sin")


def _network(
    sizes: list[int], first: Embedding, keep_inputs: bool, hidden: list[Activation], **options: Any
) -> Network:
    """Connect the embedding, and if wanted the inputs, with dense layers."""
    n_inputs, n_first = sizes[0], len(first.sources)
    starts = np.cumsum([0, n_inputs, n_first, *sizes[1:]])
    layers = [np.arange(a, b) for a, b in pairwise(starts)]
    pairs = list(pairwise(layers[1:])) + [(layers[0], layers[2])] * keep_inputs
    dense = [np.stack(np.meshgrid(*pair, indexing="ij"), axis=-1).reshape(-1, 2) for pair in pairs]
    edges = np.concatenate([np.column_stack([first.sources, layers[1]]), *dense])
    functions: dict[int, str | Activation] = dict.fromkeys(layers[1].tolist(), first.function)
    for units, function in zip(layers[2:-1], hidden, strict=True):
        functions |= dict.fromkeys(units.tolist(), function)
    net = Network.from_edges(n_inputs, sizes[-1], edges, activation=functions, n_units=int(starts[-1]), **options)
    weights, biases = net.edge_weights.copy(), net.unit_biases.copy()
    weights[:n_first], biases[layers[1]] = first.weights, first.biases
    net.edge_weights, net.unit_biases = weights, biases
    return net
