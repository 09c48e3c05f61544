"""From R: networks of the packages nnet and neuralnet, from text that `dput` writes.

In R, with full digits:

    # nnet
    dput(unclass(net)[c("n", "nsunits", "nunits", "nconn", "conn", "wts", "softmax")], "net.txt",
         c("showAttributes", "digits17"))
    # neuralnet
    dput(list(weights = net$weights[[1]], type = attr(net$act.fct, "type"), linear.output = net$linear.output),
         "net.txt", c("showAttributes", "digits17"))
"""

import re
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exchange.building import dense, network_of, read_bytes
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

MAX_BYTES = 1 << 26  # Python objects take some 30 times the room of the text
MAX_DEPTH = 50
MAX_RANGE = 100_000  # numbers that a:b stands for: what few characters may take in memory
TOKEN = re.compile(
    r'\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)L?|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<word>[A-Za-z.][A-Za-z0-9._]*|`[^`]*`)|(?P<sign>[(),=:]))"
)
WORDS = {"TRUE": True, "FALSE": False, "NULL": None}


class _Reader:
    """Reads the part of R that `dput` writes of lists, vectors and matrices of numbers, flags and strings."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at, text = 0, text.strip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise ValueError(f"it is not what dput writes, at {text[at : at + 30]!r}")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found.group(kind)))
            at = found.end()
        self._at = 0

    def read(self) -> Any:
        """All of the text as one value."""
        value = self._value(0)
        if self._at < len(self._tokens):
            raise ValueError(f"it must be one object; {self._tokens[self._at][1]!r} follows")
        return value

    def _next(self, expected: str = "") -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise ValueError("it is not whole")
        token = self._tokens[self._at]
        if expected and token[1] != expected:
            raise ValueError(f"{expected!r} must come where {token[1][:30]!r} is")
        self._at += 1
        return token

    def _comes(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"it must not be nested deeper than {MAX_DEPTH}")
        kind, text = self._next()
        if kind == "number":
            if not self._comes(":"):
                return float(text)
            self._next(":")
            stop = self._next()[1]
            return self._range(text, stop)
        if kind == "string":
            return text[1:-1]
        if kind == "word" and text in WORDS:
            return WORDS[text]
        if kind == "word" and self._comes("("):
            return self._call(text, depth)
        raise ValueError(f"{text[:30]!r} must be a number, a string, TRUE, FALSE, NULL, list, c or structure")

    def _range(self, start: str, stop: str) -> list[float]:
        first, last = int(start), int(stop)
        if abs(last - first) > MAX_RANGE:
            raise ValueError(f"a range must have up to {MAX_RANGE:,} numbers; got {start[:30]}:{stop[:30]}")
        step = 1 if first <= last else -1
        return [float(n) for n in range(first, last + step, step)]

    def _call(self, name: str, depth: int) -> Any:
        """list(...), c(...), or structure(...), whose attributes but dim are left out."""
        self._next("(")
        names: list[str] = []
        values: list[Any] = []
        while not self._comes(")"):
            key = ""
            if self._at + 1 < len(self._tokens) and self._tokens[self._at + 1] == ("sign", "="):
                key = self._next()[1].strip('"`')
                self._next("=")
            names.append(key)
            values.append(self._value(depth + 1))
            if not self._comes(")"):
                self._next(",")
        self._next(")")
        if name == "list":
            return dict(zip(names, values, strict=True)) if all(names) and len(set(names)) == len(names) else values
        if name == "c":
            return [item for value in values for item in (value if isinstance(value, list) else [value])]
        if name == "structure" and values:
            return self._structure(values[0], dict(zip(names, values, strict=True)))
        raise ValueError(f"{name[:30]!r} must be list, c or structure")

    def _structure(self, value: Any, attributes: dict[str, Any]) -> Any:
        dim = attributes.get("dim", attributes.get(".Dim"))
        if dim is None:
            names = attributes.get("names", attributes.get(".Names"))
            if isinstance(value, list) and isinstance(names, list) and len(names) == len(value) and all(names):
                return dict(zip(map(str, names), value, strict=True))
            return value
        n_rows, n_columns = (int(n) for n in dim)
        if n_rows * n_columns != len(value):
            raise ValueError(f"a matrix of {n_rows} x {n_columns} must have as many numbers; got {len(value)}")
        return np.array(value, float).reshape(n_columns, n_rows).T


def _read(path: str) -> dict[str, Any]:
    contents = _Reader(read_bytes(path, MAX_BYTES).decode()).read()
    if not isinstance(contents, dict):
        raise ValueError("it must be a list with names")
    return contents


def _loaded(path: StrPath, dtype: Any, make: Any) -> Network:
    """What `make` makes of a file; its mistakes are the file's fault, and say its name."""
    checked, checked_dtype = checks.file_path(path), checks.float_dtype(dtype)
    try:
        return make(_read(checked), checked_dtype)  # type: ignore[no-any-return]
    except KeyError as error:
        raise FileError(f"{checked}: {error} is not there; fastbp.exchange.r says what to write in R") from None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FileError(f"{checked}: {str(error)[:500]}") from None


def from_nnet(path: StrPath, *, dtype: Any = "float64") -> Network:
    """The network of R's `nnet`, from a file that `dput` wrote.

    Parameters
    ----------
    path : str or path
        Written by ``dput(unclass(net)[c("n", "nsunits", "nunits", "nconn", "conn", "wts", "softmax")], path,
        c("showAttributes", "digits17"))``.
    dtype : "float32" or "float64"

    Returns
    -------
    Network
        Given by its edges, as nnet may have connections that skip the hidden layer, or lack some; outputs are those of
        ``predict(net, x)``, or of ``type = "raw"``.

    Raises
    ------
    ValueError
        For a file that is damaged, or says something else.

    Notes
    -----
    nnet takes the logistic function for 0 below -15 and for 1 above 15; ours goes on. There, a unit differs by up to
    3.1e-7.
    """
    return _loaded(path, dtype, _nnet)


def _counts(values: Any, what: str, most: int) -> list[int]:
    items = values if isinstance(values, list) else [values]
    if any(not isinstance(n, float) or n != int(n) or not 0 <= n <= most for n in items):
        raise ValueError(f"{what} must be whole numbers up to {most:,}")
    return [int(n) for n in items]


def _nnet(net: dict[str, Any], dtype: np.dtype) -> Network:
    """Units of nnet: 0 is the bias, then inputs, hidden units and outputs; those from `nsunits` on are linear."""
    weights = np.array(net["wts"], float).reshape(-1)
    sources = _counts(net["conn"], "conn", 10**9)
    sizes = _counts(net["n"], "n", len(weights) + 1)
    if len(sizes) != 3 or sizes[0] < 1 or sizes[2] < 1 or len(sources) != len(weights):
        raise ValueError("n must be inputs, hidden units and outputs, and wts and conn of one length")
    n_units = sum(sizes) + 1
    (n_sigmoid,) = _counts(net["nsunits"], "nsunits", n_units)
    starts = _counts(net["nconn"], "nconn", len(weights))
    if len(starts) != n_units + 1 or starts != sorted(starts) or starts[-1] != len(weights) or starts[sizes[0] + 1]:
        raise ValueError(f"nconn must be {n_units + 1} ascending numbers up to {len(weights)}, 0 for the inputs")
    target = np.repeat(np.arange(n_units), np.diff(starts)) - 1
    source = np.array(sources, np.int64) - 1
    is_bias, bias = source < 0, np.zeros(n_units - 1)
    np.add.at(bias, target[is_bias], weights[is_bias])
    edges = np.stack([source[~is_bias], target[~is_bias]], axis=1)
    softmax = net.get("softmax") is True
    functions = {u: "logistic" if u + 1 < n_sigmoid else "identity" for u in range(sizes[0], n_units - 1)}
    if softmax:
        functions = {u: name for u, name in functions.items() if u < n_units - 1 - sizes[2]}
    built = Network.from_edges(
        sizes[0], sizes[2], edges, activation=functions, output="softmax" if softmax else "identity", init="zeros",
        loss="cross_entropy" if softmax else "squared_error", dtype=dtype, n_units=n_units - 1,
    )  # fmt: skip
    built.edge_weights, built.unit_biases = weights[~is_bias], bias
    return built


def from_neuralnet(path: StrPath, *, dtype: Any = "float64") -> Network:
    """The network of R's `neuralnet`, from a file that `dput` wrote.

    Parameters
    ----------
    path : str or path
        Written by ``dput(list(weights = net$weights[[1]], type = attr(net$act.fct, "type"), linear.output =
        net$linear.output), path, c("showAttributes", "digits17"))``.
    dtype : "float32" or "float64"

    Returns
    -------
    Network
        Outputs are those of ``predict(net, x)``.

    Raises
    ------
    ValueError
        For a file that is damaged, or an activation function other than "logistic" and "tanh".
    """
    return _loaded(path, dtype, _neuralnet)


def _neuralnet(net: dict[str, Any], dtype: np.dtype) -> Network:
    """Matrices (1 + n_in, n_out), the biases first; what was excluded is NA in R, and 0 here by choice of its user."""
    names = {"logistic": "logistic", "tanh": "tanh"}
    function = names[checks.name_of(net["type"], names, "type")]
    matrices = [_matrix(w, k) for k, w in enumerate(net["weights"], 1)]
    layers = [dense(w[1:].T, w[0], f"layer {k}") for k, w in enumerate(matrices, 1)]
    for layer in layers[: None if net["linear.output"] is False else -1]:
        layer.function = function
    return network_of(layers, dtype, "weights")


def _matrix(values: Any, k: int) -> Array:
    array = np.asarray(values, float)
    if array.ndim != 2 or len(array) < 2:
        raise ValueError(f"weights of layer {k} must be a matrix with the biases in its first row")
    return array
