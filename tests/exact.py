"""Outputs with more digits than a network has, in NumPy's long double: a reference that shares no kernel."""

import numpy as np
from scipy.special import log_ndtr

LONG = np.longdouble
SELU_SCALE, SELU_ALPHA = LONG("1.0507009873554804934193349852946"), LONG("1.6732632423543772848170429916717")


def _logistic(a):
    return 1 / (1 + np.exp(-a))


def _softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def _softmax(a):
    e = np.exp(a - a.max(axis=0))
    return e / e.sum(axis=0)


FUNCTIONS = {
    "identity": lambda a: a,
    "logistic": _logistic,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.where(a > 0, a, LONG("0.01") * a),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "softplus": _softplus,
    "softsign": lambda a: a / (1 + np.abs(a)),
    "gelu": lambda a: a * np.exp(LONG(1) * log_ndtr(a.astype(np.float64))),  # to the digits of float64
    "silu": lambda a: a * _logistic(a),
    "sin": np.sin,
    "gaussian": lambda a: np.exp(-a * a),
    "exp": np.exp,
    "ramp": lambda a: np.clip(a, 0, 1),
    "selu": lambda a: SELU_SCALE * np.where(a > 0, a, SELU_ALPHA * np.expm1(np.minimum(a, 0))),
    "mish": lambda a: a * np.tanh(_softplus(a)),
    "threshold": lambda a: (a > 0).astype(LONG),
    "softmax": _softmax,
}


def outputs(net, X):
    """Return (n_samples, n_outputs) of long doubles, by edges and units as the user numbers them."""
    z, names = np.zeros((net.n_units, len(X)), LONG), net.unit_functions
    z[: net.n_inputs] = np.asarray(X, LONG).T
    biases = np.nan_to_num(net.unit_biases).astype(LONG)
    weights = np.zeros((net.n_units, net.n_units), LONG)
    weights[net.edges[:, 1], net.edges[:, 0]] = net.edge_weights
    for units in net.layer_units[1:]:
        a = weights[units] @ z + biases[units, None]
        z[units] = FUNCTIONS[names[units[0] - net.n_inputs]](a)
    return z[net.n_units - net.n_outputs :].T
