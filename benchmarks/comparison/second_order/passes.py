"""One pass over the samples: J^T J, the exact Hessian, H v; each validated against JAX's first."""

from itertools import pairwise
from time import process_time
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

import fastbp

from ..ceilings import FmaPeak
from ..timing import agree, in_turns
from .jax_functions import Functions, called
from .problems import random_samples

SHAPES = [
    ((1, 5, 1), 41),
    ((1, 20, 1), 200),
    ((7, 7, 1), 128),
    ((2, 30, 2), 1_200),
    ((10, 20, 1), 500),
    ((10, 20, 1), 5_000),
    ((9, 5, 5, 2), 699),
    ((8, 15, 15, 2), 768),
    ((4, 20, 20, 1), 2_000),
    ((64, 20, 10), 1_000),
]
HESSIANS = [((2, 30, 2), 1_200), ((10, 20, 1), 500)]
PRODUCTS = [*HESSIANS, ((13, 50, 50, 1), 2_000), ((64, 100, 10), 2_000)]
TOLERANCE = 1e-10


class PassRow(NamedTuple):
    """Times of one pass."""

    title: str
    seconds: dict[str, np.ndarray]  # in each round
    flops: int
    peak: float  # flops a second


def cpu_timer(function):
    """A function of a number of calls: makes that many and returns the processor time it took, of one core."""

    def seconds(n_calls):
        began = process_time()
        for _ in range(n_calls):
            function()
        return process_time() - began

    return seconds


def sums_of(sizes):
    """Multiply-adds of a sample's share of J^T J that are needed: layers are the groups of units.

    Double symmetry is used, and that all outputs share the products of one with the layer below, and with themselves.
    """
    groups = [(n_out, n_in + 1) for n_in, n_out in pairwise(sizes)]
    last, total = len(groups) - 1, 0
    for g, (n_units, n_sources) in enumerate(groups):
        of_units = n_units * (n_units + 1) // 2 if g < last else 1
        total += of_units * (n_sources * (n_sources + 1) // 2)
        for h in range(g + 1, last + 1):
            others, sources = groups[h]
            total += n_units * n_sources * sources * (1 if g == last - 1 else others)
    return total


def _made(sizes, n_samples):
    X, T = random_samples(sizes, n_samples)
    net = fastbp.Network(sizes, seed=0)
    net.params = net.params + np.random.default_rng(1).uniform(-0.2, 0.2, net.n_params)
    functions, w = Functions(sizes, "identity", X, T), jnp.asarray(net.params)
    agree({"fastbp": net.forward(X), "jax": np.asarray(functions.outputs(w))}, f"outputs of {sizes}", TOLERANCE)
    return net, X, T, functions, w


def _title(sizes, n_samples):
    return f"{'-'.join(map(str, sizes))} x {n_samples:,}"


def gauss_newton(repeats):
    """E, gradient and J^T J; beside NumPy's product of a J that is given."""
    rows, peak = [], FmaPeak("float64")
    for sizes, n_samples in SHAPES:
        net, X, T, functions, w = _made(sizes, n_samples)
        ours, theirs = net.hessian(X, T, kind="gauss_newton"), functions.gauss_newton(w)
        for k, what in enumerate(("E", "gradient", "J^T J")):
            agree({"fastbp": np.ravel(ours[k]), "jax": np.ravel(theirs[k])}, f"{what} of {sizes}", TOLERANCE)
        J = np.asarray(functions.jacobian(w))
        timers = {
            "fastbp": cpu_timer(lambda n=net, x=X, t=T: n.hessian(x, t, kind="gauss_newton", n_threads=1)),
            "jax": cpu_timer(called(functions.gauss_newton, w)),
            "numpy": cpu_timer(lambda J=J: J.T @ J),
            "gradient": cpu_timer(lambda n=net, x=X, t=T: n.gradient(x, t, n_threads=1)),
            "peak": cpu_timer(lambda: peak.seconds(1)),
        }
        seconds = in_turns(timers, repeats, most=10_000)
        at_peak = float(np.median(peak.flops / seconds.pop("peak")))
        rows.append(PassRow(_title(sizes, n_samples), seconds, 2 * n_samples * sums_of(sizes), at_peak))
    return rows


def hessians(repeats):
    """The exact Hessian."""
    rows = []
    for sizes, n_samples in HESSIANS:
        net, X, T, functions, w = _made(sizes, n_samples)
        results = {"fastbp": net.hessian(X, T)[2].ravel(), "jax": np.asarray(functions.hessian(w)).ravel()}
        agree(results, f"Hessian of {sizes}", TOLERANCE)
        timers = {
            "fastbp": cpu_timer(lambda n=net, x=X, t=T: n.hessian(x, t, n_threads=1)),
            "jax": cpu_timer(called(functions.hessian, w)),
        }
        rows.append(PassRow(_title(sizes, n_samples), in_turns(timers, repeats, most=10_000), 0, 0.0))
    return rows


def products(repeats):
    """H v, exact and Gauss-Newton, beside the gradient that each library takes."""
    rows = []
    for sizes, n_samples in PRODUCTS:
        net, X, T, functions, w = _made(sizes, n_samples)
        v = np.random.default_rng(2).normal(size=net.n_params)
        direction = jnp.asarray(v)
        results = {"fastbp": net.hessian_product(X, T, v), "jax": np.asarray(functions.product(w, direction))}
        agree(results, f"H v of {sizes}", TOLERANCE)
        kinds = {"fastbp": "exact", "fastbp G v": "gauss_newton"}
        timers = {
            name: cpu_timer(lambda n=net, x=X, t=T, v=v, k=kind: n.hessian_product(x, t, v, kind=k, n_threads=1))
            for name, kind in kinds.items()
        }
        timers["gradient"] = cpu_timer(lambda n=net, x=X, t=T: n.gradient(x, t, n_threads=1))
        timers["jax"] = cpu_timer(called(functions.product, w, direction))
        timers["jax gradient"] = cpu_timer(called(functions.value_and_gradient, w))
        rows.append(PassRow(_title(sizes, n_samples), in_turns(timers, repeats, most=10_000), 0, 0.0))
    return rows
