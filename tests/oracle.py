"""What fastbp must compute, written once more as plainly as possible, sharing no code with the package.

Three parts: a scalar automatic differentiation (`Value`), every activation and loss as the formula a
textbook prints, and the error of a whole network as loops over samples, layers and units. All of it runs
on Python floats, on `Value` and on mpmath's numbers alike, so one formula yields the error for central
differences, the exact gradient, and a reference to any number of digits.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import mpmath


class Value:
    """A number that remembers the numbers it was computed from, and d(itself)/d(each of them)."""

    __slots__ = ("data", "grad", "parents")

    def __init__(self, data, parents=()):
        self.data = data
        self.grad = 0.0
        self.parents = parents

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __truediv__(self, other):
        other = as_value(other)
        return Value(self.data / other.data, ((self, 1 / other.data), (other, -self.data / (other.data * other.data))))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -as_value(other)

    def __rsub__(self, other):
        return as_value(other) - self

    def __rtruediv__(self, other):
        return as_value(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __abs__(self):
        sign = (self.data > 0) - (self.data < 0)
        return Value(abs(self.data), ((self, sign),))

    def __gt__(self, other):
        return self.data > plain(other)

    def __le__(self, other):
        return self.data <= plain(other)

    def backward(self):
        """Set `grad` of everything this number depends on to d(this number)/d(it)."""
        order = self._parents_first()
        self.grad = 1.0
        for value in reversed(order):
            for parent, derivative in value.parents:
                parent.grad = parent.grad + value.grad * derivative

    def _parents_first(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            value, parents_done = stack.pop()
            if parents_done:
                order.append(value)
            elif id(value) not in seen:
                seen.add(id(value))
                stack.append((value, True))
                stack.extend((parent, False) for parent, _ in value.parents)
        return order


def as_value(x):
    return x if isinstance(x, Value) else Value(x)


def plain(x):
    return x.data if isinstance(x, Value) else x


def library(x):
    """Return the module whose functions take this kind of number."""
    return math if isinstance(x, (int, float)) else mpmath


def elementary(name, derivative):
    """Make a function of a plain number, or of a `Value` through derivative(x, y = the function of x)."""

    def function(x):
        if not isinstance(x, Value):
            return getattr(library(x), name)(x)
        y = function(x.data)
        return Value(y, ((x, derivative(x.data, y)),))

    return function


exp = elementary("exp", lambda x, y: y)
log = elementary("log", lambda x, y: 1 / x)
sin = elementary("sin", lambda x, y: library(x).cos(x))
tanh = elementary("tanh", lambda x, y: 1 - y * y)
erf = elementary("erf", lambda x, y: 2 / library(x).sqrt(library(x).pi) * library(x).exp(-x * x))


def gelu(a):
    root_2 = library(plain(a)).sqrt(2)
    return a * (1 + erf(a / root_2)) / 2


def leaky_relu(a):
    return a if a > 0 else a * (mpmath.mpf(1) / 100 if library(plain(a)) is mpmath else 0.01)


def selu(a):
    number = mpmath.mpf if library(plain(a)) is mpmath else float
    scale, alpha = number("1.0507009873554804934193349852946"), number("1.6732632423543772848170429916717")
    return a * scale if a > 0 else (exp(a) - 1) * (scale * alpha)


ACTIVATIONS = {
    "identity": lambda a: a * 1,
    "logistic": lambda a: 1 / (1 + exp(-a)),
    "tanh": tanh,
    "relu": lambda a: a if a > 0 else 0 * a,
    "leaky_relu": leaky_relu,
    "elu": lambda a: a if a > 0 else exp(a) - 1,
    "softplus": lambda a: log(1 + exp(a)),
    "softsign": lambda a: a / (1 + abs(a)),
    "gelu": gelu,
    "silu": lambda a: a / (1 + exp(-a)),
    "sin": sin,
    "gaussian": lambda a: exp(-a * a),
    "exp": exp,
    "selu": selu,
    "ramp": lambda a: a * 1 if a > 0 and 1 - a > 0 else 0 * a + (1 if a > 0 else 0),
    "mish": lambda a: a * tanh(log(1 + exp(a))),
}


def threshold(a):
    return 1.0 if a > 0 else 0.0


def softmax(a):
    exponentials = [exp(a_k) for a_k in a]
    total = sum(exponentials)
    return [e / total for e in exponentials]


def huber(y, t, threshold=1):
    d = abs(y - t)
    return d * d / 2 if d <= threshold else threshold * (d - threshold / 2)


def quantile_error(y, t, quantile=0.5):
    below, above = quantile * (t - y), (quantile - 1) * (t - y)
    return below if below > above else above


LOSSES = {
    "squared_error": lambda y, t: (y - t) * (y - t) / 2,
    "sse": lambda y, t: (y - t) * (y - t),
    "cross_entropy": lambda y, t: -t * log(y),
    "binary_cross_entropy": lambda y, t: -t * log(y) - (1 - t) * log(1 - y),
    "poisson": lambda y, t: y - t * log(y),
    "absolute_error": lambda y, t: abs(y - t),
    "huber": huber,
    "quantile": quantile_error,
}


class Layers(NamedTuple):
    """A layered network: nested lists of numbers and the names of its functions."""

    weights: dict  # (from layer, to layer), 0 = inputs: rows j of weights w_ji
    biases: list  # one list for each layer after the inputs; zeros in a network without biases
    functions: list  # names, one for each layer after the inputs
    loss: str
    loss_options: Mapping = MappingProxyType({})


def forward(net, x):
    """Return a and z of all layers for one sample; a[0] is None, z[0] the sample."""
    a, z = [None], [list(x)]
    for layer, function in enumerate(net.functions, start=1):
        a.append([])
        for j, b_j in enumerate(net.biases[layer - 1]):
            a_j = b_j
            for (sender, receiver), w in net.weights.items():
                if receiver == layer:
                    for w_ji, z_i in zip(w[j], z[sender], strict=True):
                        a_j = a_j + w_ji * z_i
            a[layer].append(a_j)
        z.append(softmax(a[layer]) if function == "softmax" else [ACTIVATIONS[function](a_j) for a_j in a[layer]])
    return a, z


def error(net, X, T, sample_weight=None):
    """Return E, the sum over samples of weight_n E_n."""
    total = 0.0
    for n, (x, t) in enumerate(zip(X, T, strict=True)):
        y = forward(net, x)[1][-1]
        error_n = sum(LOSSES[net.loss](y_k, t_k, **net.loss_options) for y_k, t_k in zip(y, t, strict=True))
        total = total + (error_n if sample_weight is None else error_n * sample_weight[n])
    return total


def gradient(net, X, T, sample_weight=None):
    """Return E and dE/dw, dE/db in the shapes of net.weights and net.biases, by automatic differentiation."""
    weights = {pair: [[Value(w_ji) for w_ji in row] for row in w] for pair, w in net.weights.items()}
    biases = [[Value(b_j) for b_j in b] for b in net.biases]
    total = error(net._replace(weights=weights, biases=biases), X, T, sample_weight)
    total.backward()
    d_weights = {pair: [[w_ji.grad for w_ji in row] for row in w] for pair, w in weights.items()}
    return total.data, d_weights, [[b_j.grad for b_j in b] for b in biases]


def derivative(function, x):
    """Return d function / dx at x, by automatic differentiation."""
    value = Value(x)
    function(value).backward()
    return value.grad


def central_difference(function, step):
    """Return d function(s) / ds at s = 0 from four points (its own error is of the order of step^4)."""
    near = function(step) - function(-step)
    far = function(2 * step) - function(-2 * step)
    return (8 * near - far) / (12 * step)
