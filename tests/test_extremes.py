"""Losses at extreme activations and targets, against 50 digits: by tiles, by single samples, by the naive loops.

Networks here have weights of 1 on the diagonal, so that an input is the activation a of its output.
"""

import itertools
import warnings
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
from cases import COMPILED
from refusals import refused
from test_sample import plain

import fastbp
from fastbp.kernels import derivation as sample

DIGITS = 50
both_formats = pytest.mark.parametrize("dtype", ["float64", "float32"])

SIZES = {  # of activations, and of differences from a target
    "float64": [0.0, 5e-324, 1e-300, 1e-17, 0.3, 1.0, 1.0000001, 40.0, 700.0, 1e4, 1e30, 1e160, 1.7e308],
    "float32": [0.0, 1e-45, 1e-38, 1e-8, 0.3, 1.0, 1.0001, 40.0, 85.0, 1e4, 1e30, 3.3e38],
}


class Exact(NamedTuple):
    """What a loss must be for one sample: E_n, the sum of the sizes of its terms, and the same of each delta."""

    error: mpmath.mpf
    error_size: mpmath.mpf
    delta: list
    delta_size: list


def signed(dtype):
    return sorted({sign * size for size in SIZES[dtype] for sign in (-1, 1)})


def power_of_e(x):
    """Return e**x, of x no further out than is beyond any format's numbers."""
    return mpmath.exp(max(min(x, 10_000), -10_000))


def exact_cross_entropy(a, t, _dtype):
    largest = max(a)
    powers = [power_of_e(a_k - largest) for a_k in a]
    total, t_sum = mpmath.fsum(powers), mpmath.fsum(t)
    log_sum = mpmath.log(total)
    terms = [t_k * (log_sum + (largest - a_k)) for a_k, t_k in zip(a, t, strict=True)]
    y = [power / total for power in powers]
    delta = [y_k * t_sum - t_k for y_k, t_k in zip(y, t, strict=True)]
    # The rounding of a_k - largest is a relative error of its power.
    delta_size = [y_k * t_sum * (1 + (largest - a_k)) + t_k for y_k, a_k, t_k in zip(y, a, t, strict=True)]
    return Exact(mpmath.fsum(terms), mpmath.fsum(terms) + t_sum, delta, delta_size)


def exact_binary_cross_entropy(a, t, _dtype):
    terms = [
        (1 - t_k) * max(a_k, 0) + t_k * max(-a_k, 0) + mpmath.log1p(power_of_e(-abs(a_k)))
        for a_k, t_k in zip(a, t, strict=True)
    ]
    y = [1 / (1 + power_of_e(-a_k)) for a_k in a]
    pairs = list(zip(y, t, strict=True))
    return Exact(mpmath.fsum(terms), mpmath.fsum(terms), [y_k - t_k for y_k, t_k in pairs], [1] * len(t))


def exact_poisson(a, t, _dtype):
    y = [power_of_e(a_k) for a_k in a]
    triples = list(zip(y, a, t, strict=True))
    sizes = [y_k + abs(t_k * a_k) for y_k, a_k, t_k in triples]
    error = mpmath.fsum(y_k - t_k * a_k for y_k, a_k, t_k in triples)
    return Exact(
        error, mpmath.fsum(sizes), [y_k - t_k for y_k, _, t_k in triples], [y_k + t_k for y_k, _, t_k in triples]
    )


def of_difference(error, slope):
    """Return the exact loss of y - t, for the identity."""

    def exact(a, t, _dtype):
        d = [a_k - t_k for a_k, t_k in zip(a, t, strict=True)]
        errors = [error(d_k) for d_k in d]
        return Exact(
            mpmath.fsum(errors), mpmath.fsum(errors), [slope(d_k) for d_k in d], [abs(slope(d_k)) for d_k in d]
        )

    return exact


def sign(d):
    return mpmath.mpf((d > 0) - (d < 0))


def exact_of_logarithm(error, slope):
    """Return the exact loss for the identity where ln y is taken of y at or above the smallest normal number."""

    def exact(a, t, dtype):
        tiny = mpmath.mpf(float(np.finfo(dtype).tiny))
        pairs = list(zip(a, t, strict=True))
        terms = [term for y_k, t_k in pairs for term in error(y_k, t_k, tiny)]
        slopes = [slope(y_k, t_k, tiny) for y_k, t_k in pairs]
        return Exact(
            mpmath.fsum(terms), mpmath.fsum(map(abs, terms)), [mpmath.fsum(s) for s in slopes],
            [mpmath.fsum(map(abs, s)) for s in slopes],
        )  # fmt: skip

    return exact


def log_terms(y, t, tiny):
    return [-t * mpmath.log(max(y, tiny))]


EXACT = {
    ("cross_entropy", "softmax"): exact_cross_entropy,
    ("binary_cross_entropy", "logistic"): exact_binary_cross_entropy,
    ("poisson", "exp"): exact_poisson,
    ("squared_error", "identity"): of_difference(lambda d: d * d / 2, lambda d: d),
    ("sse", "identity"): of_difference(lambda d: d * d, lambda d: 2 * d),
    ("absolute_error", "identity"): of_difference(abs, sign),
    ("huber", "identity"): of_difference(
        lambda d: d * d / 2 if abs(d) <= 1 else abs(d) - mpmath.mpf(1) / 2, lambda d: d if abs(d) <= 1 else sign(d)
    ),
    ("cross_entropy", "identity"): exact_of_logarithm(log_terms, lambda y, t, tiny: [-t / max(y, tiny)]),
    ("poisson", "identity"): exact_of_logarithm(
        lambda y, t, tiny: [y, *log_terms(y, t, tiny)], lambda y, t, tiny: [mpmath.mpf(1), -t / max(y, tiny)]
    ),
    ("binary_cross_entropy", "identity"): exact_of_logarithm(
        lambda y, t, tiny: [*log_terms(y, t, tiny), *log_terms(1 - y, 1 - t, tiny)],
        lambda y, t, tiny: [(1 - t) / max(1 - y, tiny), -t / max(y, tiny)],
    ),
}
TARGETS = {
    "cross_entropy": [(0, 1, 0), (0.25, 0.5, 0.25), (0, 0, 0)],
    "binary_cross_entropy": [(0, 1, 0), (1, 0, 1), (0.25, 0.75, 1e-9)],
    "poisson": [(0, 0, 0), (1, 7, 1e6)],
}
# Bounds, in units of the format's eps times the sum of the sizes of the terms: see docs/accuracy.md
ERROR_BOUND, DELTA_BOUND = 8, 8


def draw_rows(loss, dtype, n_each):
    """Return activations and targets, (n, 3): some of all triples of sizes and signs."""
    values = signed(dtype)
    triples = list(itertools.product(values, repeat=3))
    a = [(value, *triples[(97 * k) % len(triples)][1:]) for k, value in enumerate(values * n_each)]
    targets = TARGETS.get(loss) or [(0.0, -1.0, 1.0), (1e30, -1e-30, 0.3), (-3e38, 3e38, 1e38)]
    rows = list(itertools.product(a, targets))
    return tuple(np.array(part, dtype) for part in zip(*rows, strict=True))


def network(loss, output, dtype):
    net = fastbp.Network((3, 3), output=output, loss=loss, init="zeros", dtype=dtype)
    net.weights[0][:] = np.eye(3)
    return net


def by_tiles(net, X, T):
    """Return E_n of each sample, and delta of the outputs of all of them at once."""
    return [net.loss(x, t) for x, t in zip(X[:, None], T[:, None], strict=True)], net.deltas(X, T)[-1]


def by_loops(net, X, T):
    """Return the same by the loops of derivation.py."""
    packed, errors, deltas = net.packed, [], []
    a, z, delta = np.zeros((3, 6), net.dtype)
    with np.errstate(all="ignore"):
        for x, t in zip(X, T, strict=True):
            plain(sample.forward)(packed, x, a, z)
            errors.append(plain(sample.output_delta)(packed, t, a, z, delta))
            deltas.append(delta[3:].copy())
    return errors, deltas


def by_steps(net, X, T):
    """Return the same from steps of on-line learning: the biases go from 0 to -delta."""
    errors, deltas = [], []
    for x, t in zip(X[:, None], T[:, None], strict=True):
        learner = network(net.loss_name, net.layer_functions[0], net.dtype)
        history = learner.fit(x, t, solver="sgd", learning_rate=1.0, batch_size=1, epochs=1)
        stopped = history.stopped_by == "not finite"
        errors.append(np.nan if stopped else history.loss[0])
        deltas.append(np.full(3, np.nan) if stopped else -learner.biases[0])
    return errors, deltas


def check_close(result, exact, size, bound, dtype):
    """Compare with the exact number; infinity stands for anything near the end of the format, and beyond it."""
    info = np.finfo(dtype)
    largest, eps = mpmath.mpf(float(info.max)), mpmath.mpf(float(info.eps))
    if size >= largest / 4 and np.isinf(result):
        return
    assert np.isfinite(result)
    assert abs(mpmath.mpf(float(result)) - exact) <= bound * (eps * size + mpmath.mpf(float(info.tiny)))


@both_formats
@pytest.mark.parametrize(("loss", "output"), EXACT)
@pytest.mark.parametrize("way", [by_tiles, by_loops, by_steps])
def test_losses_at_extremes(loss, output, way, dtype):
    X, T = draw_rows(loss, dtype, n_each=3 if way is by_tiles and COMPILED else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of infinities, which are right or wrong by check_close
        errors, deltas = way(network(loss, output, dtype), X, T)
    with mpmath.workdps(DIGITS):
        for x, t, error, delta in zip(X, T, errors, deltas, strict=True):
            exact = EXACT[loss, output](*([mpmath.mpf(float(v)) for v in row] for row in (x, t)), dtype)
            if way is by_steps and np.isnan(error):  # not finite: the run has stopped
                step = max(exact.delta_size) * max(1, *map(abs, x.tolist()))
                assert max(exact.error_size, step) >= float(np.finfo(dtype).max) / 4, (x, t)
                continue
            check_close(error, exact.error, exact.error_size, ERROR_BOUND, dtype)
            for k in range(3):
                check_close(delta[k], exact.delta[k], exact.delta_size[k], DELTA_BOUND, dtype)


# ---------------------------------------------------------------- whole networks


MAGNITUDES = {"float64": (1e300, 1.0, 1e-300, 5e-324, 0.0), "float32": (1e37, 1.0, 1e-37, 1e-45, 0.0)}
USES = {
    "forward": lambda net, X, T, weight: [net.forward(X)],
    "activations": lambda net, X, T, weight: net.activations(X),
    "deltas": lambda net, X, T, weight: net.deltas(X, T),
    "loss": lambda net, X, T, weight: [net.loss(X, T, weight)],
    "gradient": lambda net, X, T, weight: net.gradient(X, T, weight),
    "fit": lambda net, X, T, weight: train(net, X, T, weight, batch_size=2),
    "fit on-line": lambda net, X, T, weight: train(net, X, T, weight, batch_size=1),
}


def train(net, X, T, weight, batch_size):
    if weight is not None and not weight.any():
        refused(lambda: net.fit(X, T, sample_weight=weight), "sample_weight", kind=ValueError)
        return []
    history = net.fit(X, T, sample_weight=weight, epochs=2, batch_size=batch_size, seed=0)
    assert np.all(np.isfinite(net.params))
    return [history.loss]


def magnitudes_of(dtype):
    sizes = MAGNITUDES[dtype]
    drawn = list(itertools.product(sizes, sizes[:4], (None, 0.0, *sizes[:4])))
    return drawn[::3] if COMPILED else drawn[::23]


@both_formats
@pytest.mark.parametrize("activation", ["tanh", "exp", "relu", "sin"])
@pytest.mark.parametrize("use", USES)
def test_no_nan_or_infinity_in_silence(use, activation, dtype):
    """Inputs, weights and sample weights of any size: a result is finite, or a warning says that it is not."""
    for (loss, output), (x, w, sample_weight) in itertools.product(EXACT, magnitudes_of(dtype)):
        net = fastbp.Network((2, 3, 2), activation=activation, output=output, loss=loss, seed=1, dtype=dtype)
        net.params *= net.dtype.type(w)
        X, T = np.array([[1, -1], [0.5, 2], [1, 1]]) * x, np.array([[0, 1], [1, 0], [0.5, 0.5]])
        weight = None if sample_weight is None else np.full(3, sample_weight)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results = USES[use](net, X, T, weight)
        finite = all(np.all(np.isfinite(result)) for result in results)
        assert finite or caught
        assert all("finite" in str(warning.message) for warning in caught)
        if use in ("loss", "gradient") and sample_weight == 0 and finite:
            assert all(np.all(np.asarray(result) == 0) for result in results)


@both_formats
def test_warnings_point_at_the_call(dtype):
    net = network("poisson", "exp", dtype)
    for call in (lambda: net.forward(np.full((1, 3), 1e4)), lambda: net.loss(np.full((1, 3), 1e4), np.ones((1, 3))),
                 lambda: net.gradient(np.full((1, 3), 1e4), np.ones((1, 3)))):  # fmt: skip
        with pytest.warns(RuntimeWarning, match=f"not finite everywhere: {dtype}") as caught:
            call()
        assert {warning.filename for warning in caught} == {__file__}


@both_formats
def test_a_validation_loss_that_is_not_finite_is_warned_of_once(dtype):
    net = network("poisson", "exp", dtype)
    X, T = np.zeros((4, 3)), np.ones((4, 3))
    with pytest.warns(RuntimeWarning, match="validation loss is inf after epoch 1") as caught:
        history = net.fit(X, T, epochs=3, validation=(X + 1e4, T), patience=10)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert history.stopped_by == "epochs"
    assert history.validation_loss == [np.inf] * 3


@both_formats
def test_constant_columns_and_a_single_sample(dtype):
    rng = np.random.default_rng(0)
    X, T = np.full((20, 3), 0.25), rng.normal(size=(20, 2))
    for n in (1, 20):
        net = fastbp.Network((3, 4, 2), seed=0, dtype=dtype)
        history = net.fit(X[:n], T[:n], epochs=300, learning_rate=0.02)
        expected = T[:n].mean(axis=0)
        assert history.stopped_by == "epochs"
        assert np.allclose(net.forward(X[:1])[0], expected, atol=0.05)


@both_formats
def test_weights_of_zero_train_nothing(dtype):
    for solver, batch_size in itertools.product(("sgd", "adam", "rmsprop", "rprop"), (1, 3, None)):
        if solver == "rprop" and batch_size is not None:
            continue
        net = fastbp.Network((3, 4, 2), seed=0, dtype=dtype)
        before = net.params.tobytes()
        with pytest.raises(ValueError, match="sample_weight must have a number that is not 0"):
            net.fit(np.ones((6, 3)), np.ones((6, 2)), sample_weight=np.zeros(6), solver=solver,
                    batch_size=batch_size, epochs=2)  # fmt: skip
        assert net.params.tobytes() == before


def test_numbers_whose_sum_overflows_are_no_warning():
    net = fastbp.Network((3, 1), output="identity", seed=0)
    net.params[:] = 0
    _, gradient = net.gradient(np.full((1, 3), 1e154), np.full((1, 1), -1.1e154))
    with np.errstate(over="ignore"):
        assert np.isfinite(gradient).all()
        assert np.isinf(gradient.sum())
