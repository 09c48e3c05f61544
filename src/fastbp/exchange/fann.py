"""From FANN: its `.net` files, of floats or fixed-point numbers, layered, with shortcuts, or sparse."""

import math
import re
from array import array
from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exchange.building import read_bytes
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

MAX_BYTES = 1 << 27
# Neurons take some hundred times as much in memory as in the file; each is fed by a connection, of a bias at least.
MAX_NEURONS, NEURONS_PER_CONNECTION, NEURONS_OF_ANY = 500_000, 2, 1024
MAX_NUMBER = 10**9
MAGIC = re.compile(r"FANN_(FLO|FIX|DOU)_2\.[01]")
TUPLE = re.compile(r"\(([^()]{0,200})\)")
# fann_run cuts sums times steepness s off at 150 / s. A curve that is as good as flat by then does not show it; sums of
# others must not get there for inputs of up to 1 in size.
CUT = 150.0
FLAT_FROM = {"tanh": 19.0, "logistic": 37.0, "gaussian": 6.2, "threshold": 0.0}


class Function(NamedTuple):
    """A function of FANN's as one of ours: factor * h(gain * s * sum + angle) + offset, s the steepness."""

    name: str
    gain: float = 1.0
    angle: float = 0.0
    factor: float = 1.0
    offset: float = 0.0


IDENTITY = Function("identity")
FUNCTIONS = {
    0: IDENTITY,
    1: Function("threshold"),
    2: Function("threshold", factor=2.0, offset=-1.0),
    3: Function("logistic", gain=2.0),
    5: Function("tanh"),
    7: Function("gaussian"),
    8: Function("gaussian", factor=2.0, offset=-1.0),
    10: Function("softsign", factor=0.5, offset=0.5),
    11: Function("softsign"),
    12: Function("ramp"),
    14: Function("sin"),
    15: Function("sin", angle=math.pi / 2),
    16: Function("sin", factor=0.5, offset=0.5),
    17: Function("sin", angle=math.pi / 2, factor=0.5, offset=0.5),
}
REFUSED = {
    4: "FANN_SIGMOID_STEPWISE", 6: "FANN_SIGMOID_SYMMETRIC_STEPWISE", 9: "FANN_GAUSSIAN_STEPWISE",
    13: "FANN_LINEAR_PIECE_SYMMETRIC",
}  # fmt: skip


class _Neurons(NamedTuple):
    """Of each neuron: how many connections arrive, its function, its steepness."""

    n_arriving: Array
    codes: Array
    steepness: Array


class _Net(NamedTuple):
    """What a file says: layer sizes with bias neurons, neurons, where their connections come from, and the weights."""

    layer_sizes: list[int]
    is_shortcut: bool
    neurons: _Neurons
    sources: Array
    weights: Array


def from_fann(path: StrPath, *, dtype: Any = "float64") -> Network:
    """The network of a `.net` file that FANN saved.

    Parameters
    ----------
    path : str or path
    dtype : "float32" or "float64"

    Returns
    -------
    Network
        One that is given by its edges; outputs are those of ``fann_run``. Steepness is folded into the weights,
        tanh(s x) and 1 / (1 + exp(-2 s x)). An output whose function needs a factor (symmetric gaussian, elliot, cos)
        becomes a hidden unit and an identity output.

    Raises
    ------
    ValueError
        For a file that is damaged, or has one of FANN's stepwise functions or linear pieces, by name; for a
        steepness at which FANN cuts a curve off while it still rises, from 8 on (gaussian: 24).

    Notes
    -----
    ``fann_run`` takes no sum, times its steepness s, for more than 150 / s in size: linear, elliot, sine and cosine
    neurons give the same for all sums beyond. Ours go on: a network whose sums may get there for inputs of up to 1 in
    size is refused, of larger ones it is for the user to know. The scaling that a file may hold is left out, as
    ``fann_run`` leaves it out. FANN's thresholds give 1 at 0, ours 0.
    A fixed-point file is read as the network that it rounds; FANN's own fixed-point run rounds each sum too, and
    replaces the functions by pieces of lines.
    """
    checked_dtype, checked = checks.float_dtype(dtype), checks.file_path(path)
    content = read_bytes(checked, MAX_BYTES)
    try:
        return _network(_parse(content.decode("ascii")), checked_dtype)
    except KeyError as error:
        raise FileError(f"{checked}: it has no {error}") from None
    except (ValueError, OverflowError) as error:
        raise FileError(f"{checked}: {str(error)[:500]}") from None


def _parse(text: str) -> _Net:
    first, _, rest = text.partition("\n")
    kind = MAGIC.fullmatch(first.strip())
    if not kind:
        raise ValueError("not a .net file of FANN 2")
    entries = dict(line.split("=", 1) for line in rest.split("\n") if "=" in line)
    unit = 1.0
    if kind.group(1) == "FIX":
        unit = 0.5 ** checks.integer(int(entries["decimal_point"]), "decimal_point", minimum=0, maximum=30)
    sizes = [
        checks.integer(int(n), "layer_sizes", minimum=1, maximum=MAX_NUMBER) for n in entries["layer_sizes"].split()
    ]
    of_neurons, of_connections = _entry(entries, "neurons"), _entry(entries, "connections")
    _check_count(of_neurons.count("("), of_connections.count("("))
    n_arriving, codes, steepness = _columns(of_neurons, "neurons", "qqd")
    sources, weights = _columns(of_connections, "connections", "qd")
    if len(sizes) < 2 or sum(sizes) != len(codes):
        raise ValueError(f"layer_sizes must add up to its {len(codes)} neurons; got {sizes[:20]}")
    if n_arriving.min() < 0 or sum(n_arriving.tolist()) != len(sources):
        raise ValueError(f"its neurons must have {len(sources)} inputs together, one for each connection")
    neurons = _Neurons(n_arriving, codes, steepness * unit)
    return _Net(sizes, int(entries["network_type"]) == 1, neurons, sources, weights * unit)


def _entry(entries: dict[str, str], start: str) -> str:
    """The entry whose name begins so."""
    (text,) = [value for key, value in entries.items() if key.startswith(f"{start} (")] or [""]
    return text


def _check_count(n_neurons: int, n_connections: int) -> None:
    """Raise a ValueError, before they are read, for more neurons than the connections could feed."""
    most = min(NEURONS_PER_CONNECTION * n_connections + NEURONS_OF_ANY, MAX_NEURONS)
    if n_neurons > most:
        raise ValueError(f"with {n_connections:,} connections it may have {most:,} neurons; it has {n_neurons:,}")


def _columns(text: str, start: str, types: str) -> list[Array]:
    """The "(a, b, c) (a, b, c)" of an entry, as an array of each of a, b and c; `start` says in messages which."""
    columns: list[array[Any]] = [array(code) for code in types]
    kinds = [int if code == "q" else float for code in types]
    for found in TUPLE.finditer(text):
        parts = found.group(1).split(",")
        if len(parts) != len(columns):
            break
        for column, kind, part in zip(columns, kinds, parts, strict=True):
            column.append(kind(part))
    else:
        if len(columns[0]):
            return [checks.finite(a, f"a number of its {start}", a.dtype) for a in map(np.array, columns)]
    raise ValueError(f"its {start} must be tuples of {len(types)} numbers")


class _Units:
    """The units that neurons become: inputs, hidden ones, outputs whose function has a factor, outputs.

    `number` of a neuron is that of its unit, of a scaled output that of its function; -1 of a bias.
    """

    def __init__(self, net: _Net) -> None:
        first = np.concatenate([[0], np.cumsum(net.layer_sizes)]).tolist()
        self.layer_of = np.repeat(np.arange(len(net.layer_sizes)), net.layer_sizes)
        with_bias = [0] if net.is_shortcut else range(len(net.layer_sizes))
        self.is_bias = np.zeros(first[-1], bool)
        self.is_bias[[first[layer + 1] - 1 for layer in with_bias]] = True
        self.n_inputs = net.layer_sizes[0] - 1
        computed = np.flatnonzero((self.layer_of > 0) & ~self.is_bias)
        self.functions = _functions(net, computed)
        outputs = computed[computed >= first[-2]]
        if self.n_inputs < 1 or not len(outputs):
            raise ValueError("it must have inputs and outputs besides its bias neurons")
        is_scaled = (self.functions.factor[outputs] != 1) | (self.functions.offset[outputs] != 0)
        self.scaled = outputs[is_scaled]
        inside = np.concatenate([computed[computed < first[-2]], self.scaled])
        self.n_units, self.n_outputs = self.n_inputs + len(inside) + len(outputs), len(outputs)
        self.number = np.full(first[-1], -1)
        self.number[: self.n_inputs] = np.arange(self.n_inputs)
        self.number[outputs] = np.arange(self.n_units - len(outputs), self.n_units)
        self.scaled_outputs = self.number[self.scaled]
        self.number[inside] = np.arange(self.n_inputs, self.n_inputs + len(inside))
        self.names = {int(self.number[k]): FUNCTIONS[int(net.neurons.codes[k])].name for k in computed}


class _Functions(NamedTuple):
    """Of all neurons what `Function` has, the gain times the steepness; inputs and biases pass their number on."""

    gain: Array
    angle: Array
    factor: Array
    offset: Array


def _functions(net: _Net, computed: Array) -> _Functions:
    gain, factor = np.ones((2, len(net.neurons.codes)))
    angle, offset = np.zeros((2, len(net.neurons.codes)))
    for code in np.unique(net.neurons.codes[computed]).tolist():
        neurons = computed[net.neurons.codes[computed] == code]
        function = _function(code, int(neurons[0]))
        steepness = net.neurons.steepness[neurons]
        _check_steepness(function, neurons, steepness)
        gain[neurons], angle[neurons] = function.gain * steepness, function.angle
        factor[neurons], offset[neurons] = function.factor, function.offset
    return _Functions(gain, angle, factor, offset)


def _check_steepness(function: Function, neurons: Array, steepness: Array) -> None:
    """Raise a ValueError for a curve that FANN cuts off where it is not flat."""
    flat_from = FLAT_FROM.get(function.name, 0.0) / function.gain
    for k in np.flatnonzero(flat_from * np.abs(steepness) > CUT)[:1]:
        raise ValueError(
            f"neuron {neurons[k]} must have a steepness of up to {CUT / flat_from:.3g}, as FANN cuts sums off at 150 "
            f"divided by it; got {steepness[k]:.6g}"
        )


def _network(net: _Net, dtype: np.dtype) -> Network:
    """Neurons to units, bias neurons to biases, steepness and factors into the weights."""
    units = _Units(net)
    functions, number = units.functions, units.number
    targets = _targets(net, units)
    _check_sums(net, units, targets)
    w = functions.gain[targets] * net.weights
    bias, from_bias = np.zeros(units.n_units), units.is_bias[net.sources]
    computed = np.flatnonzero((units.layer_of > 0) & ~units.is_bias)
    bias[number[computed]] = functions.angle[computed]
    np.add.at(bias, number[targets], w * np.where(from_bias, 1.0, functions.offset[net.sources]))
    edges = np.stack([number[net.sources], number[targets]], axis=1)[~from_bias]
    edges, weights = _together(edges, (w * functions.factor[net.sources])[~from_bias], units.n_units)
    bias[units.scaled_outputs] = functions.offset[units.scaled]
    built = Network.from_edges(
        units.n_inputs, units.n_outputs,
        np.concatenate([edges, np.stack([number[units.scaled], units.scaled_outputs], axis=1)]),
        init="zeros", dtype=dtype, n_units=units.n_units, activation=units.names,
    )  # fmt: skip
    built.edge_weights = np.concatenate([weights, functions.factor[units.scaled]])
    built.unit_biases = bias
    return built


def _targets(net: _Net, units: _Units) -> Array:
    """The neuron at which each connection arrives; checked, that it comes from an earlier layer."""
    has_none = (units.layer_of == 0) | units.is_bias
    for k in np.flatnonzero(has_none & (net.neurons.n_arriving > 0))[:1]:
        raise ValueError(
            f"neuron {k}, an input or a bias, must have no connections; it has {net.neurons.n_arriving[k]}"
        )
    targets: Array = np.repeat(np.arange(len(units.layer_of)), net.neurons.n_arriving)
    inside = (net.sources >= 0) & (net.sources < len(units.layer_of))
    fed = units.layer_of[np.where(inside, net.sources, 0)]
    for at in np.flatnonzero(~inside | (fed >= units.layer_of[targets]))[:1]:
        raise ValueError(
            f"neuron {targets[at]} must be fed by earlier layers; it has a connection from neuron {net.sources[at]}"
        )
    return targets


def _check_sums(net: _Net, units: _Units, targets: Array) -> None:
    """Raise a ValueError for a curve that is not flat where FANN cuts it off, if sums get there for inputs up to 1."""
    steepness, codes = np.abs(net.neurons.steepness), net.neurons.codes
    is_linear = codes == 0
    is_cut = is_linear | np.isin(codes, [code for code, f in FUNCTIONS.items() if f.name in ("softsign", "sin")])
    most, starts = np.ones(len(codes)), np.searchsorted(units.layer_of[targets], np.arange(len(net.layer_sizes) + 1))
    with np.errstate(divide="ignore", over="ignore"):
        limit = CUT / steepness
    for layer in range(1, len(net.layer_sizes)):
        at = slice(starts[layer], starts[layer + 1])
        terms = np.abs(net.weights[at]) * most[net.sources[at]]
        sums = steepness * np.bincount(targets[at], terms, len(codes))
        here = (units.layer_of == layer) & ~units.is_bias
        for k in np.flatnonzero(here & is_cut & (sums > limit))[:1]:
            raise ValueError(
                f"neuron {k} must have sums, times its steepness, of up to {limit[k]:.3g} for inputs of up to 1, as "
                f"FANN cuts them off there; they may be {sums[k]:.3g}"
            )
        most[here & is_linear] = sums[here & is_linear]


def _together(edges: Array, weights: Array, n_units: int) -> tuple[Array, Array]:
    """(edges, weights), with those from one unit to another added up."""
    codes, first, which = np.unique(edges[:, 0] * n_units + edges[:, 1], return_index=True, return_inverse=True)
    if len(codes) == len(edges):
        return edges, weights
    return edges[first], np.bincount(which.reshape(-1), weights, len(codes))


def _function(code: int, neuron: int) -> Function:
    if code not in FUNCTIONS:
        name = REFUSED.get(code, f"number {code}")
        raise ValueError(f"neuron {neuron} has the activation function {name}, which fastbp has not")
    return FUNCTIONS[code]
