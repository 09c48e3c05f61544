"""Loss and gradient of layered networks in NumPy's matrices, as one writes them down by hand, in float64.

A third oracle, for networks too large for the scalar one of `oracle.py`; it shares no code with the package, and needs
NumPy alone. As a program it compares the networks of its table, in both dtypes: for machines without a test runner.
"""

from typing import NamedTuple

import numpy as np
from cases import Case, assert_gradients_equal, bias_views, blocks, draw, flatten, weight_views

# h and h', by a and z
FUNCTIONS = {
    "identity": (lambda a: a, lambda a, z: np.ones_like(a)),
    "relu": (lambda a: np.maximum(a, 0.0), lambda a, z: np.where(a > 0.0, 1.0, 0.0)),
    "tanh": (np.tanh, lambda a, z: 1.0 - z * z),
    "logistic": (lambda a: 1.0 / (1.0 + np.exp(-a)), lambda a, z: z * (1.0 - z)),
    "softplus": (lambda a: np.logaddexp(0.0, a), lambda a, z: 1.0 / (1.0 + np.exp(-a))),
}

# Of the largest derivative of a block. Wrong kernels are wrong by a thousandth at the very least, mostly by all of it.
TOLERANCES = {"float64": 1e-10, "float32": 1e-4}


class Parts(NamedTuple):
    """A network as matrices of float64, whatever its dtype."""

    weights: dict  # {(from layer, to layer): (n_out, n_in)}
    biases: list  # (n_out,) of each layer after the inputs, or 0
    functions: tuple
    is_softmax: bool


def parts_of(net):
    """Return a network as the functions here take it."""
    by_name = blocks(net, np.asarray(net.params, np.float64))
    n_layers = len(net.sizes)
    return Parts(
        {pair: by_name[pair] for pair in weight_views(net)},
        [by_name.get(layer, 0.0) if bias_views(net) else 0.0 for layer in range(1, n_layers)],
        net.layer_functions,
        net.layer_functions[-1] == "softmax",
    )


def forward(parts, X):
    """Return a of the layers after the inputs, and z of all layers."""
    z, a = [X], []
    for layer, (bias, function) in enumerate(zip(parts.biases, parts.functions, strict=True), start=1):
        a.append(sum(z[sender] @ w.T for (sender, receiver), w in parts.weights.items() if receiver == layer) + bias)
        if function == "softmax":
            power = np.exp(a[-1] - a[-1].max(axis=1, keepdims=True))
            z.append(power / power.sum(axis=1, keepdims=True))
        else:
            z.append(FUNCTIONS[function][0](a[-1]))
    return a, z


def gradient(net, X, T, sample_weight=None):
    """Return E and its gradient in the order of net.params: squared error, or cross-entropy of softmax."""
    parts, X, T = parts_of(net), np.asarray(X, np.float64), np.asarray(T, np.float64)
    weight = np.ones((len(X), 1)) if sample_weight is None else np.asarray(sample_weight, np.float64)[:, None]
    a, z = forward(parts, X)
    if parts.is_softmax:
        log_y = a[-1] - a[-1].max(axis=1, keepdims=True)
        log_y -= np.log(np.exp(log_y).sum(axis=1, keepdims=True))
        E, delta = -(weight * T * log_y).sum(), weight * (z[-1] * T.sum(axis=1, keepdims=True) - T)
    else:
        E = 0.5 * (weight * (z[-1] - T) ** 2).sum()
        delta = weight * (z[-1] - T) * FUNCTIONS[parts.functions[-1]][1](a[-1], z[-1])
    deltas, d_weights, last = {len(z) - 1: delta}, {}, len(z) - 1
    for layer in range(last, 0, -1):
        if layer < last:
            fed = [deltas[k] @ w for (j, k), w in parts.weights.items() if j == layer]
            deltas[layer] = sum(fed) * FUNCTIONS[parts.functions[layer - 1]][1](a[layer - 1], z[layer])
        for sender, receiver in parts.weights:
            if receiver == layer:
                d_weights[sender, receiver] = deltas[layer].T @ z[sender]
    return float(E), flatten(net, d_weights, [deltas[layer].sum(axis=0) for layer in range(1, last + 1)])


class NoSamplesError(AssertionError):
    """A network has a unit near its kink for each sample: another one is to be drawn."""


def near_kinks(parts, X, distance=1e-4):
    """Return whether a unit of each sample is so close to the kink of relu that rounding decides on its slope.

    Close for a sum of these very terms: the root of the sum of their squares is what it would be by chance. So one
    small weight makes no unit close, nor does a relu before it that gives 0.
    """
    a, z = forward(parts, X)
    close = np.zeros(len(X), bool)
    for layer, (bias, function) in enumerate(zip(parts.biases, parts.functions, strict=True), start=1):
        if function == "relu":
            fed = [z[sender] ** 2 @ (w**2).T for (sender, receiver), w in parts.weights.items() if receiver == layer]
            close |= (np.abs(a[layer - 1]) < distance * np.sqrt(sum(fed) + np.square(bias))).any(axis=1)
    return close


def away_from_kinks(net, X, rng):
    """Return X with other rows for those that are near a kink; `NoSamplesError` if 200 draws find none for a row."""
    parts, X = parts_of(net), np.array(X, dtype=net.dtype)
    for _attempt in range(200):
        close = near_kinks(parts, X.astype(np.float64))
        if not close.any():
            return X
        X[close] = rng.standard_normal((int(close.sum()), X.shape[1]))
    raise NoSamplesError("no samples keep away from the kinks")


def compare(net, X, T, sample_weight=None):
    """Compare E and the gradient of a network with those by hand."""
    E, grad = net.gradient(X, T, sample_weight=sample_weight)
    ref_E, ref = gradient(net, X, T, sample_weight)
    tolerance = TOLERANCES[net.dtype.name]
    assert abs(E - ref_E) <= tolerance * abs(ref_E), f"E is {E}, by hand {ref_E}"
    assert_gradients_equal(net, grad.astype(np.float64), ref, rtol=tolerance)


# Small ones; relu that feeds one unit; layers for which columns of weights are packed
TABLE = [
    Case((4, 10, 3), "tanh", n_samples=32),
    Case((64, 100, 10), "tanh", "softmax", "cross_entropy", n_samples=200),
    Case((13, 50, 1), "relu", n_samples=33, weighted=True),
    Case((512, 512, 16, 10), "relu", n_samples=40),
]


def main():
    """Compare the networks of the table."""
    from fastbp.kernels.registers import machine

    print(machine.INSTRUCTIONS, machine.REGISTER_BYTES, "bytes,", machine.TILE_REGISTERS, "registers in a tile")
    for case in TABLE:
        for dtype in ("float32", "float64"):
            net, X, T, weight = draw(case, dtype)
            compare(net, away_from_kinks(net, X, np.random.default_rng(0)), T.astype(net.dtype), weight)
            print("right:", "-".join(map(str, case.sizes)), dtype, flush=True)


if __name__ == "__main__":
    main()
