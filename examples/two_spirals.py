"""The two spirals: 194 points that plain gradient descent took 20,000 epochs for in 1988.

    python examples/two_spirals.py              # one network
    python examples/two_spirals.py --compare    # ten, by several solvers

Points of two spirals that wind around each other three times are told apart by a network of 2-5-5-5-1 units,
each layer connected to all later ones (Lang and Witbrock, "Learning to tell two spirals apart", Proceedings of the
1988 Connectionist Models Summer School). They report 20,000 epochs of backpropagation with momentum, and 8,000 of
Quickprop. All points are right here when every output is within 0.4 of its target.

What differs: the activation functions are tanh, the loss is the cross-entropy and the initial weights are up to 0.3;
"adam" scales the step of each weight. An epoch is the same everywhere: one step with the gradient of all points.
"""

import sys
from typing import Any, NamedTuple

import numpy as np

import fastbp

PUBLISHED = {"backpropagation": 20_000, "Quickprop": 8_000}
MAX_EPOCHS = 20_000
MARGIN = 0.4


class Solver(NamedTuple):
    """How a network is trained."""

    loss: str
    options: dict[str, Any]


SOLVERS = {
    "adam": Solver("binary_cross_entropy", {"solver": "adam", "learning_rate": 0.01, "beta_2": 0.99}),
    "rprop": Solver("binary_cross_entropy", {"solver": "rprop", "learning_rate": 0.001, "step_max": 0.1}),
    "momentum": Solver(
        "binary_cross_entropy", {"solver": "sgd", "learning_rate": 0.0005, "momentum": 0.95, "reduction": "sum"}
    ),
    "momentum, squared error": Solver(
        "squared_error", {"solver": "sgd", "learning_rate": 0.001, "momentum": 0.95, "reduction": "sum"}
    ),
}


def two_spirals():
    """The 97 points of each spiral, (194, 2), and which one they are on: 1 or 0."""
    i = np.arange(97)
    radius, angle = 6.5 * (104 - i) / 104, i * np.pi / 16
    spiral = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return np.concatenate([spiral, -spiral]), np.repeat([1.0, 0.0], 97)


def solve(seed, solver=SOLVERS["adam"], max_epochs=MAX_EPOCHS):
    """(network, epochs until all points are right, or None)."""
    X, t = two_spirals()
    net = fastbp.Network((2, 5, 5, 5, 1), skip="all", output="logistic", loss=solver.loss, init=0.3, seed=seed)

    def all_right(net, history):
        return bool(np.all(np.abs(net.forward(X)[:, 0] - t) < MARGIN))

    history = net.fit(X, t, batch_size=None, epochs=max_epochs, callback=all_right, **solver.options)
    return net, history.n_epochs if history.stopped_by == "callback" else None


def compare(n_seeds=10):
    """Print the median of the epochs over some seeds, for each solver."""
    for name, solver in SOLVERS.items():
        epochs = [solve(seed, solver)[1] for seed in range(n_seeds)]
        solved = [count for count in epochs if count is not None]
        median = np.median([np.inf if count is None else count for count in epochs])
        print(f"{name}: {len(solved)} of {n_seeds} within {MAX_EPOCHS:,} epochs, median {median:,.0f}", flush=True)


def main():
    """Train one network, or compare solvers."""
    if "--compare" in sys.argv[1:]:
        compare()
        return
    net, epochs = solve(seed=0)
    X, t = two_spirals()
    right = np.sum((net.forward(X)[:, 0] > 0.5) == (t == 1))
    print(f"{right} of {len(X)} points right after {epochs:,} epochs; {net.n_params} parameters")
    for method, count in PUBLISHED.items():
        print(f"{method}, as published: {count:,} epochs")


if __name__ == "__main__":
    main()
