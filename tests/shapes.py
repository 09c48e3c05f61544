"""Networks that cover numbers of samples, widths, depths, skips: drawn once, the same in every run."""

import itertools

import numpy as np
from cases import Case

# Sizes next to the edges of registers and tiles, for layers and for samples: each at least twice.
SAMPLES = (1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 128, 129, 200)
WIDTHS = (1, 2, 3, 5, 6, 7, 12, 13, 15, 16, 17, 31, 33, 64, 100, 130)


def covering_cases():
    """Each number of samples, width, depth, bias, skip and weighting, in combinations drawn once."""
    rng = np.random.default_rng(11)
    samples = itertools.cycle(SAMPLES)
    widths = itertools.cycle(rng.permutation(np.tile(WIDTHS, 4)).tolist())
    functions = itertools.cycle(["relu", "tanh", "softplus", "elu", "gelu"])
    outputs = [
        ("identity", "squared_error"),
        ("softmax", "cross_entropy"),
        ("logistic", "binary_cross_entropy"),
    ]
    for number in range(28):
        n_layers = number % 4 + 1
        sizes = tuple(next(widths) for _ in range(n_layers + 1))
        output, loss = outputs[number % 3] if sizes[-1] > 1 else outputs[0]
        yield Case(
            sizes,
            next(functions),
            output,
            loss,
            bias=number % 5 != 0,
            skip="all" if number % 3 == 1 and n_layers > 1 else (),
            n_samples=next(samples),
            weighted=number % 2 == 0,
            seed=number,
        )


COVERING = list(covering_cases())


SKIPS = [
    Case((3, 4, 2), skip=((0, 2),)),
    Case((3, 4, 5, 2), "logistic", skip="all", weighted=True),
    Case((2, 3, 4, 2, 3), "gelu", "softmax", "cross_entropy", skip=((0, 3), (1, 3), (2, 4))),
    Case((2, 3, 4, 2, 3), "sin", "exp", "poisson", bias=False, skip=((1, 4),), n_samples=3),
]


# Several tiles and several chunks, the last of each only partly filled.
LARGE = [
    Case((3, 5, 2), n_samples=5000, weighted=True),
    Case((7, 30, 30, 3), "gelu", "softmax", "cross_entropy", n_samples=2049),
    Case((20, 70, 1), "relu", n_samples=1025, skip="all"),
    Case((33, 17), "elu", "logistic", "binary_cross_entropy", n_samples=4097),
    Case((130, 400, 300, 5), "tanh", n_samples=1500),
    Case((784, 300, 10), "relu", "softmax", "cross_entropy", n_samples=513),
    Case((1, 1, 1), "silu", n_samples=30_000),
    Case((5, 1500, 20, 3), "gelu", "tanh", n_samples=150),  # sums of several parts, both ways
    Case((3, 40, 1100, 1), "relu", n_samples=33, skip="all"),  # weights in parts, read where they stand
    Case((3, 120, 1100, 1), "relu", n_samples=33),  # packed in parts
    Case((9, 30, 520, 26, 2), "elu", n_samples=514),  # z by sample: several columns, the last of half a tile
    Case((5, 900, 30, 1), "tanh", "logistic", skip="all", n_samples=270, weighted=True),
    # The gradient along with the delta recursion, narrow blocks from either layer
    Case((10, 100, 3), "relu", "softmax", "cross_entropy", n_samples=200, weighted=True),
    Case((26, 60, 41, 2), "tanh", skip="all", n_samples=700),
    Case((4, 50, 2, 30, 1), "relu", skip=((1, 3), (1, 4)), n_samples=150),
    # Units that feed one unit alone, 8, 2 and 1 at a time: in two tiles (of float32); with delta over z; in the middle
    Case((13, 51, 1), "relu", n_samples=1000, weighted=True),
    Case((13, 51, 1), "relu", n_samples=32, weighted=True),
    Case((13, 50, 1), "relu", n_samples=16),
    Case((6, 26, 1, 29, 1), "relu", "logistic", "binary_cross_entropy", n_samples=170),
    Case((13, 51, 1), "relu", n_samples=200, bias=False),  # not without biases
]
