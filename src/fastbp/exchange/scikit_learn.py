"""From scikit-learn: `MLPClassifier` and `MLPRegressor`, alone or at the end of a pipeline of scalers."""

from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exchange.building import Dense, affine, dense, network_of
from fastbp.exchange.probing import same_outputs
from fastbp.network import Network

PERCEPTRONS = ("MLPClassifier", "MLPRegressor")


def from_sklearn(model: Any, *, dtype: Any = None) -> Network:
    """The network of a fitted estimator of scikit-learn.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, Pipeline or TransformedTargetRegressor
        A pipeline may have StandardScaler, MinMaxScaler (without `clip`), MaxAbsScaler and "passthrough" before the
        perceptron: they are folded into its first layer. So is the scaler of targets into the last one.
    dtype : "float32" or "float64", optional
        By default that of the weights.

    Returns
    -------
    Network
        `forward` gives what `predict` of a regressor gives, and `predict_proba` of
        a classifier: with two classes, one output, the probability of the second.

    Raises
    ------
    ValueError, TypeError
        For a model that is not fitted, or has a step of another kind. For one whose predictions for some random samples
        are not the outputs of the network. For a scaler whose means are so large against its scales that weights of the
        dtype lose digits when it is folded in.

    Notes
    -----
    Without a scaler, weights are taken as they are. With one, they are rounded anew: outputs differ by the rounding of
    the scaled sums, a few units in the last place of the largest term.
    """
    wanted = None if dtype is None else checks.float_dtype(dtype)
    steps, perceptron, target = _steps(model)
    if type(perceptron).__name__ not in PERCEPTRONS:
        raise TypeError(f"model must end in an MLPClassifier or MLPRegressor; got {type(perceptron).__name__}")
    for name in ("coefs_", "intercepts_"):
        if not isinstance(getattr(perceptron, name, None), list | tuple):
            raise ValueError(f"model must be fitted; its {name} is {type(getattr(perceptron, name, None)).__name__}")
    layers = [
        dense(np.asarray(w).T, b, f"layer {k}")
        for k, (w, b) in enumerate(zip(perceptron.coefs_, perceptron.intercepts_, strict=True), 1)
    ]
    for layer in layers[:-1]:
        layer.function = str(perceptron.activation)
    layers[-1].function = str(perceptron.out_activation_)
    for step in reversed(steps):
        layers[0].after(*_scaling(step, layers[0].weights.shape[1]), type(step).__name__)
    if target is not None:
        _unscale(layers[-1], target)
    own = np.dtype(perceptron.coefs_[0].dtype)
    net = network_of(layers, own if wanted is None else wanted, "model")
    same_outputs(net.astype(own), lambda x: _run(model, x, net.n_outputs), "model", layers[0].of_inputs)
    return net


def _run(model: Any, x: Array, n_outputs: int) -> Array:
    """What a model makes of a batch: of two classes, the probability of the second."""
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(x))
    probabilities = np.asarray(model.predict_proba(x))
    return probabilities[:, -1:] if n_outputs == 1 else probabilities


def _steps(model: Any) -> tuple[list[Any], Any, Any]:
    """(what comes before the perceptron, the perceptron, the scaler of targets or None)."""
    target = None
    if type(model).__name__ == "TransformedTargetRegressor":
        if not hasattr(model, "regressor_"):
            raise ValueError("model must be fitted; it has no regressor_")
        model, target = model.regressor_, model.transformer_
    if type(model).__name__ != "Pipeline":
        return [], model, target
    steps = [step for _name, step in model.steps if step is not None and step != "passthrough"]
    if not steps:
        raise TypeError("model must end in an MLPClassifier or MLPRegressor; its pipeline is empty")
    return steps[:-1], steps[-1], target


def _scaling(step: Any, n: int) -> tuple[Array, Array]:
    """(scale, shift) with step(x) = scale * x + shift."""
    kind = type(step).__name__
    if kind == "StandardScaler":
        scale = 1.0 / step.scale_ if step.scale_ is not None else np.ones(n)
        mean = step.mean_ if step.with_mean else np.zeros(n)
        return affine(scale, -mean * scale, n, kind)
    if kind == "MinMaxScaler" and not step.clip:
        return affine(step.scale_, step.min_, n, kind)
    if kind == "MaxAbsScaler" and not getattr(step, "clip", False):
        return affine(1.0 / step.scale_, np.zeros(n), n, kind)
    clipped = " with clip=True" if kind in ("MinMaxScaler", "MaxAbsScaler") else ""
    raise ValueError(
        f"model must have StandardScaler, MinMaxScaler or MaxAbsScaler before its perceptron; got {kind}{clipped}"
    )


def _unscale(layer: Dense, transformer: Any) -> None:
    """Let the output layer give targets in their own unit."""
    scale, shift = _scaling(transformer, len(layer.weights))
    if layer.function != "identity":
        raise ValueError(f"model must have identity outputs for its targets to be scaled; got {layer.function}")
    layer.then(1.0 / scale, -shift / scale)
