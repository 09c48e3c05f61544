"""From Keras: `Sequential` models of Dense layers. Keras itself is not imported."""

from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exchange.building import Chain, dense
from fastbp.exchange.probing import same_outputs
from fastbp.network import Network

ACTIVATIONS = {
    "linear": "identity", "relu": "relu", "sigmoid": "logistic", "tanh": "tanh", "softmax": "softmax", "elu": "elu",
    "softplus": "softplus", "softsign": "softsign", "gelu": "gelu", "silu": "silu", "swish": "silu",
    "selu": "selu", "mish": "mish",
    "exponential": "exp",
}  # fmt: skip
# Layers that are a function: its name here, and the options that they must have.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.01}),
    "ELU": ("elu", {"alpha": 1.0}),
    "Softmax": ("softmax", {"axis": -1}),
}
SMALLEST_DEVIATION = 1e-7  # by which Normalization divides
IGNORED = ("InputLayer", "Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization")


def from_keras(model: Any, *, dtype: Any = None) -> Network:
    """The network of a Sequential model of Keras, as `predict` computes it.

    Parameters
    ----------
    model : keras.Sequential
        Of Dense, Activation, ReLU, LeakyReLU, ELU, Softmax, BatchNormalization, Rescaling, Normalization and dropout.
    dtype : "float32" or "float64", optional
        By default that of the weights, float32 as a rule.

    Returns
    -------
    Network
        Normalisation is folded into the layers beside it.

    Raises
    ------
    ValueError, TypeError
        For a layer of another kind, or with an option that fastbp has not; the message names it. For a model whose
        outputs for some random samples are not those of the network. For a normalisation whose means are so large
        against its deviations that weights of the dtype lose digits when it is folded in.
    """
    if not hasattr(model, "layers"):
        raise TypeError(f"model must be a Sequential of Keras; got {type(model).__name__}")
    if type(model).__name__ != "Sequential":
        raise ValueError(f"model must be a Sequential of Keras; got {type(model).__name__}")
    wanted = None if dtype is None else checks.float_dtype(dtype)
    chain, own = Chain(), None
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in IGNORED:
            continue
        if kind in ("BatchNormalization", "Rescaling", "Normalization"):
            chain.scaling(*_scaling(layer), layer.name)
            continue
        if kind == "Dense":
            kernel, *bias = _weights(layer)
            chain.layer(dense(kernel.T, bias[0] if bias else None, layer.name))
            own = own or (np.float64 if kernel.dtype == np.float64 else np.float32)
        chain.function(_function_of(layer), layer.name)
    own = own or np.float32
    net = chain.network(own if wanted is None else wanted)
    same_outputs(net.astype(own), model.predict_on_batch, "model", chain.of_inputs)
    return net


def _weights(layer: Any) -> list[Array]:
    """The weights of a layer, which it has once it knows its inputs."""
    weights = [np.asarray(w) for w in layer.get_weights()]
    if not weights:
        raise ValueError(
            f"model must be built; {layer.name} has no weights yet: call the model once, or give it an Input"
        )
    return weights


def _scaling(layer: Any) -> tuple[Any, Any]:
    """(scale, shift) of a normalisation in evaluation."""
    kind = type(layer).__name__
    if kind == "Rescaling":
        return np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    if kind == "Normalization":
        mean, variance = (np.asarray(values, float).reshape(-1) for values in (layer.mean, layer.variance))
        deviation = np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)
        return (np.sqrt(variance), mean) if layer.invert else (1.0 / deviation, -mean / deviation)
    weights = [w.astype(float) for w in _weights(layer)]
    mean, variance = weights[-2:]
    gamma = weights[0] if layer.scale else np.ones(len(mean))
    beta = weights[int(layer.scale)] if layer.center else np.zeros(len(mean))
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale


def _function_of(layer: Any) -> str:
    """Our name of the function of a Dense or Activation layer, or of a layer that is one."""
    kind = type(layer).__name__
    if kind in LAYERS:
        name, options = LAYERS[kind]
        for option, expected in options.items():
            value = getattr(layer, option, expected)
            value = None if value is None else float(np.asarray(value))
            if value != expected:
                raise ValueError(f"{layer.name}: {kind} must have {option}={expected}; got {value}")
        return name
    if kind not in ("Dense", "Activation"):
        known = ", ".join(
            ["Dense", "Activation", *LAYERS, "BatchNormalization", "Rescaling", "Normalization", *IGNORED]
        )
        raise ValueError(f"model must be made of {known}; {layer.name} is {kind}")
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name not in ACTIVATIONS:
        raise ValueError(f"{layer.name} must have one of {', '.join(ACTIVATIONS)}; got {name!r}")
    return ACTIVATIONS[name]
