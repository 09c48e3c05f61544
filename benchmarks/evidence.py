"""Weight decay found from the data beside early stopping and a decay that is tuned: Friedman's first function.

    python benchmarks/evidence.py [--sets 12] [--markdown table.md]

Ten inputs, of which five say nothing; 500 samples with noise of deviation 1, so that no root of the mean squared error
can be below 1; a network of 10-20-1 for all. Each row is the mean over the data sets, with the error of that mean.
"""

import argparse
import sys
from collections.abc import Callable
from time import process_time
from typing import NamedTuple

import numpy as np

import fastbp

SIZES, N_SAMPLES, N_TEST, N_IRRELEVANT = (10, 20, 1), 500, 5_000, 5
DECAYS = tuple(10.0**k for k in np.arange(-4.0, 0.01, 0.5))


class Samples(NamedTuple):
    """Standardised by the training samples."""

    X: np.ndarray
    t: np.ndarray
    X_test: np.ndarray
    t_test: np.ndarray  # in units of the noise
    centre: float
    scale: float

    def predicted(self, y):
        return y * self.scale + self.centre


class Found(NamedTuple):
    """What a method predicts for the test samples; deviations and relevance, if it knows them."""

    y: np.ndarray
    std: np.ndarray | None = None
    relevance: np.ndarray | None = None


def draw(seed):
    """A data set (Friedman 1991)."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (N_SAMPLES + N_TEST, 10))
    t = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    t += rng.normal(size=len(X))
    own = slice(0, N_SAMPLES)
    mean, deviation, centre, scale = X[own].mean(axis=0), X[own].std(axis=0), t[own].mean(), t[own].std()
    X = (X - mean) / deviation
    return Samples(X[own], (t[own] - centre) / scale, X[N_SAMPLES:], t[N_SAMPLES:], centre, scale)


def evidence(groups) -> Callable[[Samples, int], Found]:
    """`Network.fit_evidence`."""

    def fit(samples, seed):
        net = fastbp.Network(SIZES, seed=seed)
        found = net.fit_evidence(samples.X, samples.t, groups=groups, seed=seed)
        y, std = found.predict(samples.X_test, return_std=True)
        return Found(samples.predicted(y[:, 0]), samples.scale * std[:, 0], found.relevance[0])

    return fit


def early_stopping(solver, **options) -> Callable[[Samples, int], Found]:
    """A fifth held out, and back to the weights that were best on it."""

    def fit(samples, seed):
        net = fastbp.Network(SIZES, seed=seed)
        net.fit(samples.X, samples.t, solver=solver, validation=0.2, seed=seed, **options)
        return Found(samples.predicted(net.forward(samples.X_test)[:, 0]))

    return fit


def tuned_decay(samples, seed) -> Found:
    """The l2 that is best on a fifth held out, then all samples with it."""
    order = np.random.default_rng(seed).permutation(N_SAMPLES)
    held, rest = order[: N_SAMPLES // 5], order[N_SAMPLES // 5 :]

    def fitted(rows, l2):
        net = fastbp.Network(SIZES, seed=seed)
        net.fit(samples.X[rows], samples.t[rows], solver="lm", epochs=200, l2=l2)
        return net

    losses = [fitted(rest, l2).loss(samples.X[held], samples.t[held]) for l2 in DECAYS]
    net = fitted(order, DECAYS[int(np.argmin(losses))])
    return Found(samples.predicted(net.forward(samples.X_test)[:, 0]))


METHODS = {
    "evidence, a decay for each input": evidence("inputs"),
    "evidence, a decay for each layer": evidence("layers"),
    "evidence, one decay (MATLAB's trainbr)": evidence("one"),
    "lm, l2 tuned on held-out samples": tuned_decay,
    "lm, early stopping (patience 6)": early_stopping("lm", epochs=500, patience=6),
    "adam, early stopping (patience 30)": early_stopping("adam", epochs=3_000, patience=30),
}


def row_of(name, method, n_sets):
    """A row of the table."""
    errors, covered, last, seconds = [], [], 0, []
    for seed in range(n_sets):
        samples, began = draw(seed), process_time()
        found = method(samples, seed)
        seconds.append(process_time() - began)
        errors.append(np.sqrt(np.mean((found.y - samples.t_test) ** 2)))
        if found.std is not None:
            covered.append(np.mean(abs(found.y - samples.t_test) < 1.96 * found.std))
            last += set(np.argsort(found.relevance)[:N_IRRELEVANT]) == set(range(10 - N_IRRELEVANT, 10))
        print(f"{name}, set {seed}: {errors[-1]:.3f}", file=sys.stderr)
    spread = np.std(errors, ddof=1) / np.sqrt(n_sets)
    known = [f"{np.mean(covered):.3f}", f"{last} of {n_sets}"] if covered else ["", ""]
    return [name, f"{np.mean(errors):.3f} +- {spread:.3f}", *known, f"{np.mean(seconds):.2f}"]


def main():
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=12, help="data sets (12)")
    parser.add_argument("--markdown", type=argparse.FileType("w"), default=sys.stdout, help="file for the table")
    options = parser.parse_args()
    columns = ["method", "test RMSE", "coverage of 95 % intervals", "the five inputs last", "s of processor time"]
    lines = [columns, ["---", *["---:"] * 4], *(row_of(name, m, options.sets) for name, m in METHODS.items())]
    options.markdown.write("".join(f"| {' | '.join(line)} |\n" for line in lines))


if __name__ == "__main__":
    main()
