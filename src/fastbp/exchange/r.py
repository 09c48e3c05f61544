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
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exchange.building import dense, network_of, read_bytes
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

MAX_BYTES = 1 << 25
MAX_DEPTH = 50
MAX_RANGE = 100_000  # numbers that a:b stands for: what few characters may take in memory
MAX_VALUES = 1 << 17  # in lists, and in vectors of anything but numbers: each takes some 100 bytes
# Up to 1,000 numbers of a vector, all with their commas: read at once, in a tenth of the time.
RUN = re.compile(r"(?:\s*-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?L?\s*,){1,1000}")
NUMBER = re.compile(r"(-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)L?")
RANGE = re.compile(r"(-?\d+)L?\s*:\s*(-?\d+)L?")
STRING = re.compile(r'"((?:[^"\\]|\\.){0,1000})"')
WORD = re.compile(r"[A-Za-z.][A-Za-z0-9._]{0,1000}")
KEY = re.compile(r'(?:([A-Za-z.][A-Za-z0-9._]{0,1000})|"([^"\\]{0,1000})"|`([^`]{0,1000})`)\s*=')
SPACE = re.compile(r"\s*")
WORDS: dict[str, bool | None] = {"TRUE": True, "FALSE": False, "NULL": None}


class _Reader:
    """Reads the part of R that `dput` writes of lists, vectors and matrices of numbers, flags and strings.

    Vectors of numbers are arrays, other vectors and lists without names are lists.
    """

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._most_in_ranges, self._most_values = MAX_RANGE + len(text), MAX_VALUES

    def read(self) -> Any:
        """All of the text as one value."""
        value = self._value(0)
        self._match(SPACE)
        if self._at < len(self._text):
            raise ValueError(f"it must be one object; {self._next()!r} follows")
        return value

    def _match(self, form: re.Pattern[str]) -> re.Match[str] | None:
        """Pass over a form, if it comes."""
        found = form.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _comes(self, sign: str) -> bool:
        """Pass over a sign, if it comes."""
        self._match(SPACE)
        comes = self._text.startswith(sign, self._at)
        self._at += comes
        return comes

    def _expect(self, sign: str) -> None:
        if not self._comes(sign):
            raise ValueError(f"{sign!r} must come where {self._next()!r} is" if self._next() else "it is not whole")

    def _next(self) -> str:
        return self._text[self._at : self._at + 30]

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"it must not be nested deeper than {MAX_DEPTH}")
        self._match(SPACE)
        if found := self._match(RANGE):
            return self._range(int(found.group(1)), int(found.group(2)))
        if found := self._match(NUMBER):
            return float(found.group(1))
        if found := self._match(STRING):
            return found.group(1)
        start = self._next()
        if not start:
            raise ValueError("it is not whole")
        if found := self._match(WORD):
            if found.group() in WORDS:
                return WORDS[found.group()]
            return self._call(found.group(), depth)
        raise ValueError(f"{start!r} must be a number, a string, TRUE, FALSE, NULL, list, c or structure")

    def _count(self) -> None:
        self._most_values -= 1
        if self._most_values < 0:
            raise ValueError(f"lists may have up to {MAX_VALUES:,} values")

    def _range(self, first: int, last: int) -> Array:
        n = abs(last - first) + 1
        self._most_in_ranges -= n
        if n > MAX_RANGE + 1 or self._most_in_ranges < 0:
            raise ValueError(f"a range must have up to {MAX_RANGE:,} numbers; got {str(first)[:30]}:{str(last)[:30]}")
        return np.linspace(first, last, n)

    def _items(self, depth: int, numbers: "array[float] | None" = None) -> Iterator[tuple[str, Any]]:
        """(name or "", value) of each item between brackets; runs of numbers go into `numbers`, if that is given."""
        self._expect("(")
        while not self._comes(")"):
            if numbers is not None and (found := self._match(RUN)):
                numbers.extend(map(float, found.group().replace("L", "").split(",")[:-1]))
                continue
            self._match(SPACE)
            key = self._match(KEY)
            yield next(filter(None, key.groups()), "") if key else "", self._value(depth + 1)
            if self._comes(")"):
                return
            self._expect(",")

    def _call(self, name: str, depth: int) -> Any:
        """list(...), c(...), or structure(...), whose attributes but dim and names are left out."""
        if name == "c":
            return self._vector(depth)
        if name not in ("list", "structure"):
            raise ValueError(f"{name[:30]!r} must be list, c or structure")
        items = []
        for item in self._items(depth):
            self._count()
            items.append(item)
        names = [key for key, _value in items]
        if name == "structure":
            if not items:
                raise ValueError("structure must be of something")
            return self._structure(items[0][1], dict(items[1:]))
        return dict(items) if all(names) and len(set(names)) == len(names) else [value for _key, value in items]

    def _vector(self, depth: int) -> Any:
        """What c(...) puts together: numbers as an array, all else as a list."""
        numbers = array("d")
        others: list[Any] = []
        for _key, value in self._items(depth, numbers):
            if isinstance(value, float):
                numbers.append(value)
            elif isinstance(value, np.ndarray):
                numbers.frombytes(value.tobytes())
            else:
                self._count()
                others += value if isinstance(value, list) else [value]
        if numbers and others:
            raise ValueError("c must be of numbers, or have none")
        return others or np.array(numbers)

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


def _counts(values: Any, what: str, most: int) -> Array:
    numbers = np.atleast_1d(np.asarray(values))
    if numbers.dtype != np.float64 or not ((numbers >= 0) & (numbers <= most) & (numbers == np.floor(numbers))).all():
        raise ValueError(f"{what} must be whole numbers up to {most:,}")
    return numbers.astype(np.int64)


def _nnet(net: dict[str, Any], dtype: np.dtype) -> Network:
    """Units of nnet: 0 is the bias, then inputs, hidden units and outputs; those from `nsunits` on are linear."""
    weights = np.array(net["wts"], float).reshape(-1)
    sources = _counts(net["conn"], "conn", 10**9)
    sizes = _counts(net["n"], "n", len(weights) + 1).tolist()
    if len(sizes) != 3 or sizes[0] < 1 or sizes[2] < 1 or len(sources) != len(weights):
        raise ValueError("n must be inputs, hidden units and outputs, and wts and conn of one length")
    n_units = sum(sizes) + 1
    (n_sigmoid,) = _counts(net["nsunits"], "nsunits", n_units).tolist()
    starts = _counts(net["nconn"], "nconn", len(weights))
    if len(starts) != n_units + 1 or (np.diff(starts) < 0).any() or starts[-1] != len(weights) or starts[sizes[0] + 1]:
        raise ValueError(f"nconn must be {n_units + 1} ascending numbers up to {len(weights)}, 0 for the inputs")
    target, source = np.repeat(np.arange(n_units), np.diff(starts)) - 1, sources - 1
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
