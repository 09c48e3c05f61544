"""The gradient of a network of any edges as plain loops on complex numbers, and from it an exact Hessian.

Shares no code with the package: each function and each loss is the formula that a textbook prints, with its first
derivative. f(x + ih) = f(x) + ih f'(x) + O(h**2), with h = 1e-30: the imaginary part of a gradient is a column of the
Hessian, without a difference of near numbers.
"""

import numpy as np
from scipy import special

STEP = 1e-30


def _real(a):
    return np.real(a) > 0


def _normal_cdf(a):
    """Of a complex number with a tiny imaginary part: the first two terms of Taylor's series."""
    x, h = np.real(a), np.imag(a)
    return special.ndtr(x) + 1j * h * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _logistic(a):
    return 1 / (1 + np.exp(-a))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

FUNCTIONS = {
    "identity": (lambda a: a, lambda a: a * 0 + 1),
    "logistic": (_logistic, lambda a: _logistic(a) * (1 - _logistic(a))),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "relu": (lambda a: np.where(_real(a), a, 0), lambda a: np.where(_real(a), 1.0, 0)),
    "leaky_relu": (lambda a: np.where(_real(a), a, a / 100), lambda a: np.where(_real(a), 1.0, 0.01)),
    "elu": (lambda a: np.where(_real(a), a, np.exp(a) - 1), lambda a: np.where(_real(a), 1.0, np.exp(a))),
    "softplus": (lambda a: np.log(1 + np.exp(a)), _logistic),
    "softsign": (
        lambda a: np.where(_real(a), a / (1 + a), a / (1 - a)),
        lambda a: np.where(_real(a), (1 + a) ** -2, (1 - a) ** -2),
    ),
    "gelu": (
        lambda a: a * _normal_cdf(a),
        lambda a: _normal_cdf(a) + a * np.exp(-a * a / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (lambda a: a * _logistic(a), lambda a: _logistic(a) * (1 + a * (1 - _logistic(a)))),
    "sin": (np.sin, np.cos),
    "gaussian": (lambda a: np.exp(-a * a), lambda a: -2 * a * np.exp(-a * a)),
    "exp": (np.exp, np.exp),
    "ramp": (
        lambda a: np.where(_real(a), np.where(_real(1 - a), a, 1.0), 0.0),
        lambda a: np.where(_real(a) & _real(1 - a), 1.0, 0.0),
    ),
    "selu": (
        lambda a: SELU_SCALE * np.where(_real(a), a, SELU_ALPHA * (np.exp(a) - 1)),
        lambda a: SELU_SCALE * np.where(_real(a), 1.0, SELU_ALPHA * np.exp(a)),
    ),
    "mish": (
        lambda a: a * np.tanh(np.log(1 + np.exp(a))),
        lambda a: np.tanh(np.log(1 + np.exp(a))) + a * _logistic(a) / np.cosh(np.log(1 + np.exp(a))) ** 2,
    ),
}


def _huber_slope(y, t, threshold=1.0):
    d = y - t
    return np.where(abs(np.real(d)) <= threshold, d, threshold * np.sign(np.real(d)))


LOSSES = {  # dE/dy
    "squared_error": lambda y, t: y - t,
    "sse": lambda y, t: 2 * (y - t),
    "cross_entropy": lambda y, t: -t / y,
    "binary_cross_entropy": lambda y, t: (1 - t) / (1 - y) - t / y,
    "poisson": lambda y, t: 1 - t / y,
    "huber": _huber_slope,
    "absolute_error": lambda y, t: np.sign(np.real(y - t)),
    "quantile": lambda y, t: np.where(np.real(y < t), -0.5, 0.5),
}


class ComplexNetwork:
    """The edges of a network, and their weights as complex numbers in the order of its parameters."""

    def __init__(self, net):
        self.net, self.edges = net, [tuple(edge) for edge in net.edges.tolist()]
        self.places = {edge: int(place) for edge, place in zip(self.edges, net.wiring.places, strict=True)}
        units, places = net._bias_places()
        self.biases = dict(zip(units.tolist(), places.tolist(), strict=True))
        self.names = dict(enumerate(net.unit_functions, net.n_inputs))
        self.order = [unit for layer in net.layer_units for unit in layer.tolist()]
        self.outputs = list(range(net.n_units - net.n_outputs, net.n_units))
        self.params = net.params.astype(complex)

    def forward(self, x):
        a, z = {}, dict(enumerate(x.astype(complex)))
        for j in self.order[self.net.n_inputs :]:
            a[j] = self.params[self.biases[j]] if j in self.biases else 0j
            a[j] += sum(self.params[place] * z[i] for (i, k), place in self.places.items() if k == j)
            if self.names[j] != "softmax":
                z[j] = FUNCTIONS[self.names[j]][0](a[j])
        if self.names[self.outputs[0]] == "softmax":
            powers = np.exp(np.array([a[k] for k in self.outputs]))
            z |= dict(zip(self.outputs, powers / powers.sum(), strict=True))
        return a, z

    def gradient(self, x, t):
        """dE_n/dparams of one sample: (5.56) and (5.53)."""
        a, z = self.forward(x)
        y = np.array([z[k] for k in self.outputs])
        e = dict(zip(self.outputs, LOSSES[self.net.loss_name](y, t), strict=True))
        return self._backward(a, z, e)

    def _backward(self, a, z, e):
        delta, grad = {}, np.zeros(len(self.params), complex)
        for j in reversed(self.order[self.net.n_inputs :]):
            eps = e.get(j, 0) + sum(self.params[place] * delta[k] for (i, k), place in self.places.items() if i == j)
            if self.names[j] == "softmax":
                delta[j] = z[j] * (eps - sum(e[k] * z[k] for k in self.outputs))
            else:
                delta[j] = eps * FUNCTIONS[self.names[j]][1](a[j])
        for (i, j), place in self.places.items():
            grad[place] = delta[j] * z[i]
        for j, place in self.biases.items():
            grad[place] = delta[j]
        return grad

    def hessian(self, X, T, weight):
        """sum_n weight_n d2E_n/dparams2."""
        columns = []
        for p in range(len(self.params)):
            self.params[p] += 1j * STEP
            columns.append(sum(w * self.gradient(x, t).imag / STEP for x, t, w in zip(X, T, weight, strict=True)))
            self.params[p] -= 1j * STEP
        return np.array(columns)

    def jacobian(self, X):
        """dy_k/dparams, (n_samples, n_outputs, n_params)."""
        J = np.zeros((len(X), len(self.outputs), len(self.params)))
        for p in range(len(self.params)):
            self.params[p] += 1j * STEP
            for n, x in enumerate(X):
                z = self.forward(x)[1]
                J[n, :, p] = [z[k].imag / STEP for k in self.outputs]
            self.params[p] -= 1j * STEP
        return J
