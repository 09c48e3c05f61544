"""From FANN: its `.net` files, of floats or fixed-point numbers, layered, with shortcuts, or sparse."""

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.exchange.building import read_bytes
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

MAX_BYTES = 1 << 28
MAX_NUMBER = 10**9
MAGIC = re.compile(r"FANN_(FLO|FIX|DOU)_2\.[01]")


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
    14: Function("sin"),
    15: Function("sin", angle=math.pi / 2),
    16: Function("sin", factor=0.5, offset=0.5),
    17: Function("sin", angle=math.pi / 2, factor=0.5, offset=0.5),
}
REFUSED = {
    4: "FANN_SIGMOID_STEPWISE", 6: "FANN_SIGMOID_SYMMETRIC_STEPWISE", 9: "FANN_GAUSSIAN_STEPWISE",
    12: "FANN_LINEAR_PIECE", 13: "FANN_LINEAR_PIECE_SYMMETRIC",
}  # fmt: skip


@dataclass(frozen=True)
class _Net:
    """What a file says: layer sizes with bias neurons, (inputs, function, steepness) of neurons, their connections."""

    layer_sizes: list[int]
    is_shortcut: bool
    neurons: list[tuple[int, int, float]]
    connections: list[tuple[int, float]]


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
        For a file that is damaged, or has one of FANN's stepwise functions or linear pieces, by name.

    Notes
    -----
    The scaling that a file may hold is left out, as ``fann_run`` leaves it out. FANN's thresholds give 1 at 0, ours 0.
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
    first, *rest = text.split("\n")
    kind = MAGIC.fullmatch(first.strip())
    if not kind:
        raise ValueError("not a .net file of FANN 2")
    entries = dict(line.split("=", 1) for line in rest if "=" in line)
    unit = 1.0
    if kind.group(1) == "FIX":
        unit = 0.5 ** checks.integer(int(entries["decimal_point"]), "decimal_point", minimum=0, maximum=30)
    sizes = [
        checks.integer(int(n), "layer_sizes", minimum=1, maximum=MAX_NUMBER) for n in entries["layer_sizes"].split()
    ]
    neurons = [(int(n), int(f), _number(s) * unit) for n, f, s in _tuples(entries, "neurons", 3)]
    connections = [(int(i), _number(w) * unit) for i, w in _tuples(entries, "connections", 2)]
    if len(sizes) < 2 or sum(sizes) != len(neurons):
        raise ValueError(f"layer_sizes must add up to its {len(neurons)} neurons; got {sizes[:20]}")
    if any(n < 0 for n, _f, _s in neurons) or sum(n for n, _f, _s in neurons) != len(connections):
        raise ValueError(f"its neurons must have {len(connections)} inputs together, one for each connection")
    return _Net(sizes, int(entries["network_type"]) == 1, neurons, connections)


def _tuples(entries: dict[str, str], start: str, n: int) -> list[list[str]]:
    """The "(a, b, c)" of the entry whose name begins so."""
    (text,) = [value for key, value in entries.items() if key.startswith(f"{start} (")] or [""]
    found = [part.split(",") for part in re.findall(r"\(([^()]*)\)", text)]
    if not found or any(len(part) != n for part in found):
        raise ValueError(f"its {start} must be tuples of {n} numbers")
    return found


def _number(text: str) -> float:
    return checks.number(float(text), "a number", low=-np.finfo(float).max)


class _Units:
    """The units that neurons become: inputs, hidden ones, outputs whose function has a factor, outputs."""

    def __init__(self, net: _Net) -> None:
        first = np.concatenate([[0], np.cumsum(net.layer_sizes)]).tolist()
        self.layer_of = np.repeat(np.arange(len(net.layer_sizes)), net.layer_sizes)
        with_bias = [0] if net.is_shortcut else range(len(net.layer_sizes))
        self.bias_neurons = {first[layer + 1] - 1 for layer in with_bias}
        self.n_inputs = net.layer_sizes[0] - 1
        outputs = [k for k in range(first[-2], first[-1]) if k not in self.bias_neurons]
        hidden = [k for k in range(first[1], first[-2]) if k not in self.bias_neurons]
        if self.n_inputs < 1 or not outputs:
            raise ValueError("it must have inputs and outputs besides its bias neurons")
        self.functions = {k: _function(net.neurons[k][1], k) for k in [*hidden, *outputs]}
        self.scaled = [k for k in outputs if (self.functions[k].factor, self.functions[k].offset) != (1.0, 0.0)]
        inside = [*hidden, *self.scaled]
        self.n_units, self.n_outputs = self.n_inputs + len(inside) + len(outputs), len(outputs)
        self.output = {k: self.n_units - len(outputs) + at for at, k in enumerate(outputs)}
        computed = {k: self.n_inputs + at for at, k in enumerate(inside)}
        self.number = {k: k for k in range(self.n_inputs)} | self.output | computed


def _network(net: _Net, dtype: np.dtype) -> Network:
    """Neurons to units, bias neurons to biases, steepness and factors into the weights."""
    units, at = _Units(net), 0
    weights: dict[tuple[int, int], float] = {}
    bias = np.zeros(units.n_units)
    for k, (n, _code, steepness) in enumerate(net.neurons):
        arriving, at = net.connections[at : at + n], at + n
        if k in units.functions:
            _connect(units, k, steepness, arriving, (weights, bias))
        elif n:
            raise ValueError(f"neuron {k}, an input or a bias, must have no connections; it has {n}")
    for k in units.scaled:
        weights[units.number[k], units.output[k]] = units.functions[k].factor
        bias[units.output[k]] = units.functions[k].offset
    built = Network.from_edges(
        units.n_inputs, units.n_outputs, list(weights), init="zeros", dtype=dtype, n_units=units.n_units,
        activation={units.number[k]: function.name for k, function in units.functions.items()},
    )  # fmt: skip
    built.edge_weights, built.unit_biases = np.array(list(weights.values())), bias
    return built


def _connect(
    units: _Units, k: int, steepness: float, arriving: list[tuple[int, float]], sums: tuple[dict[Any, float], Any]
) -> None:
    """Add what arrives at neuron k to the weights and biases `sums`."""
    weights, bias = sums
    target, gain = units.number[k], units.functions[k].gain * steepness
    bias[target] += units.functions[k].angle
    for source, w in arriving:
        if not 0 <= source < len(units.layer_of) or units.layer_of[source] >= units.layer_of[k]:
            raise ValueError(f"neuron {k} must be fed by earlier layers; it has a connection from neuron {source}")
        if source in units.bias_neurons:
            bias[target] += gain * w
            continue
        sending, edge = units.functions.get(source, IDENTITY), (units.number[source], target)
        weights[edge] = weights.get(edge, 0.0) + gain * w * sending.factor
        bias[target] += gain * w * sending.offset


def _function(code: int, neuron: int) -> Function:
    if code not in FUNCTIONS:
        name = REFUSED.get(code, f"number {code}")
        raise ValueError(f"neuron {neuron} has the activation function {name}, which fastbp has not")
    return FUNCTIONS[code]
