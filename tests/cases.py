"""Networks and data for the tests: drawn from a seed, described for the oracle, compared block by block."""

from typing import NamedTuple

import numba
import numpy as np
import oracle

import fastbp

COMPILED = not numba.config.DISABLE_JIT

# Losses that take a logarithm of y want 0 < y < 1, or y > 0 (the same networks serve). Activations a
# between these two numbers give such a y; logistic and softmax always do.
INSIDE_UNIT_INTERVAL = {
    "identity": (0.2, 0.8),
    "tanh": (0.2, 1.2),
    "relu": (0.2, 0.8),
    "leaky_relu": (0.2, 0.8),
    "elu": (0.2, 0.8),
    "softplus": (-1.5, 0.0),
    "softsign": (0.3, 2.0),
    "gelu": (0.4, 0.9),
    "silu": (0.4, 1.1),
    "sin": (0.3, 1.0),
    "gaussian": (0.5, 1.1),
    "exp": (-1.5, -0.3),
    "selu": (0.2, 0.8),
    "mish": (0.4, 1.0),
    "ramp": (0.3, 0.7),
}
LOG_LOSSES = ("cross_entropy", "binary_cross_entropy", "poisson")
ALWAYS_POSITIVE = ("softplus", "gaussian", "exp")


class Case(NamedTuple):
    """What a test draws a network and its data from."""

    sizes: tuple = (3, 5, 2)
    activation: str | list = "tanh"
    output: str = "identity"
    loss: str | fastbp.Loss = "squared_error"
    bias: bool = True
    skip: tuple | str = ()
    n_samples: int = 7
    weighted: bool = False
    seed: int = 0

    def __str__(self):
        return "-".join(str(value).replace(" ", "") for value in self)


class Problem(NamedTuple):
    """A network with the data for one gradient."""

    net: fastbp.Network
    X: np.ndarray
    T: np.ndarray
    sample_weight: np.ndarray | None

    @property
    def data(self):
        return self.X, self.T, self.sample_weight


def draw(case, dtype="float64"):
    """Return the `Problem` of a case; its numbers depend on the case alone, not on the dtype."""
    rng = np.random.default_rng([case.seed, case.n_samples, *case.sizes])
    net = fastbp.Network(
        case.sizes,
        activation=case.activation,
        output=case.output,
        loss=case.loss,
        bias=case.bias,
        skip=case.skip,
        dtype="float64",
    )
    net.params = draw_params(net, rng)
    X = rng.normal(size=(case.n_samples, case.sizes[0]))
    T = draw_targets(case.loss, rng, (case.n_samples, case.sizes[-1]))
    weight = rng.uniform(0.2, 3.0, size=case.n_samples) if case.weighted else None
    if must_move(case):
        move_outputs(net, X, *INSIDE_UNIT_INTERVAL[case.output])
    if dtype == "float64":
        return Problem(net, X, T, weight)
    single = fastbp.Network(
        case.sizes,
        activation=case.activation,
        output=case.output,
        loss=case.loss,
        bias=case.bias,
        skip=case.skip,
        dtype=dtype,
    )
    single.params = net.params
    return Problem(single, X, T, weight)


def draw_params(net, rng):
    """Return parameters that keep the activations of every layer at about 1: small, and none of them zero."""
    params = np.empty(net.n_params)
    n_incoming = dict.fromkeys(range(1, len(net.sizes)), 0)
    for (sender, receiver), _ in weight_views(net).items():
        n_incoming[receiver] += net.sizes[sender]
    for (_, receiver), view in weight_views(net).items():
        bound = 1.2 / np.sqrt(n_incoming[receiver])
        params[place(net, view)] = rng.uniform(-bound, bound, size=view.size)
    for view in bias_views(net):
        params[place(net, view)] = rng.uniform(-0.5, 0.5, size=view.size)
    return params


def draw_targets(loss, rng, shape):
    if loss == "cross_entropy":
        T = rng.dirichlet(np.ones(shape[1]), size=shape[0])
        T[::2] = np.eye(shape[1])[rng.integers(shape[1], size=len(T[::2]))]
        return T
    if loss == "binary_cross_entropy":
        T = rng.uniform(size=shape)
        T[::2] = T[::2] > 0.5
        return T
    if loss == "poisson":
        return rng.poisson(2.0, size=shape).astype(float)
    return rng.normal(scale=1.5, size=shape)


def must_move(case):
    """Return whether the loss takes a logarithm that the outputs, as they come, are no argument for."""
    if case.loss == "binary_cross_entropy":
        return case.output in INSIDE_UNIT_INTERVAL
    return case.loss in LOG_LOSSES and case.output in INSIDE_UNIT_INTERVAL and case.output not in ALWAYS_POSITIVE


def move_outputs(net, X, low, high):
    """Scale the weights into the output layer, and set its biases, so that low < a < high there."""
    views = {pair: view for pair, view in weight_views(net).items() if pair[1] == len(net.sizes) - 1}
    z = net.activations(X)
    a = sum(z[sender] @ view.T for (sender, _), view in views.items())
    for view in views.values():
        view[:] = view * ((high - low) / 2 / np.abs(a).max())
    bias_views(net)[-1][:] = (low + high) / 2


def sine(n_samples, seed=0):
    X = np.random.default_rng(seed).uniform(-3, 3, size=(n_samples, 1))
    return X, np.sin(X)


def blobs(n_samples, seed=0):
    """Return three clouds in the plane and their one-hot classes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(3, size=n_samples)
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return centres[classes] + rng.normal(scale=0.5, size=(n_samples, 2)), np.eye(3)[classes]


# ---------------------------------------------------------------- parameters by name


def weight_views(net):
    """Return {(from layer, to layer): weights} with the skip connections among them."""
    return {(l, l + 1): w for l, w in enumerate(net.weights)} | dict(net.skip_weights)


def bias_views(net):
    """Return one view for each layer after the inputs, or an empty list in a network without biases."""
    return [b for b in net.biases if b is not None and b.size]


def place(net, view):
    """Return the slice of net.params that a view covers."""
    assert np.shares_memory(net.params, view)
    start = (view.ctypes.data - net.params.ctypes.data) // net.params.itemsize
    return slice(start, start + view.size)


def blocks(net, flat):
    """Return the parts of an array in the order of net.params, by name: (from, to) or the layer of a bias."""
    parts = {pair: flat[place(net, view)].reshape(view.shape) for pair, view in weight_views(net).items()}
    return parts | {layer: flat[place(net, view)] for layer, view in enumerate(bias_views(net), start=1)}


def describe(net, params=None):
    """Return the network as the oracle takes it, with other parameters if they are given."""
    parts = blocks(net, np.asarray(net.params if params is None else params, dtype=np.float64))
    return oracle.Layers(
        weights={pair: parts[pair].tolist() for pair in weight_views(net)},
        biases=[list(map(float, parts.get(layer, [0.0] * n))) for layer, n in enumerate(net.sizes[1:], start=1)],
        functions=list(net.layer_functions),
        loss=net.loss_name,
        loss_options=net.loss_function.options,
    )


def flatten(net, d_weights, d_biases):
    """Return derivatives as the oracle and its peers give them in the order of net.params."""
    flat = np.full(net.n_params, np.nan)
    for pair, view in weight_views(net).items():
        flat[place(net, view)] = np.ravel(d_weights[pair])
    for view, d_bias in zip(bias_views(net), d_biases, strict=False):
        flat[place(net, view)] = d_bias
    assert not np.isnan(flat).any()
    return flat


# ---------------------------------------------------------------- comparing


def assert_gradients_equal(net, gradient, reference, rtol):
    """Compare block by block, relative to the largest derivative of the block; neither may be all zeros."""
    assert gradient.shape == (net.n_params,)
    assert np.any(gradient != 0), "the gradient is all zero: nothing is shown"
    assert np.all(np.isfinite(reference)), "the reference is no number"
    parts, refs = blocks(net, gradient), blocks(net, reference)
    for name, ref in refs.items():
        scale = max(np.abs(ref).max(), 1e-3 * np.abs(reference).max())
        difference = np.abs(parts[name] - ref).max() / scale
        assert difference <= rtol, f"{name} is off by {difference:.2g} of its largest derivative {scale:.2g}"


def numeric_gradient(error, params, step):
    """Return the central differences of error(params) for every parameter."""
    result = np.empty(params.size)
    for i in range(params.size):
        direction = np.zeros(params.size)
        direction[i] = 1.0
        result[i] = oracle.central_difference(lambda s, d=direction: error(params + s * d), step)
    return result
