"""Traps of training that can be seen: each named once, with its cause and its remedy.

`Network.fit` warns of them, and `Network.diagnose` lists them. What a look at the data shows is seen before a training;
dead and saturated layers after one, of 256 samples, and they are named if it got nowhere.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from fastbp.checks import Array
from fastbp.explaining.formulas import BOUNDS, HIGHEST_SLOPE, RANGES
from fastbp.kernels.formulas.losses import unit_error

if TYPE_CHECKING:
    from fastbp.engine.gate import CheckedSamples
    from fastbp.model.computing import ComputingNetwork

SCALES = 1e3  # between the widest and the narrowest column: beyond, one learning rate does not suit both
SATURATED = 0.05  # part of the highest slope, below which a unit hardly learns
MOSTLY = 0.9  # share of dead or saturated units, over all samples, from which on a layer is named
CHECKED = {"cross_entropy", "binary_cross_entropy", "softmax", "logistic"}  # targets from 0 to 1, as the losses demand
ROUNDING = 1e-6  # by which a target may be beyond a bound
ROWS = 256  # of samples that are looked at, for what would take a pass over all of them
KEEPS_ALIVE = {"relu": "init='he_uniform', or leaky_relu in place of relu"}  # others are flat where |a| is large
FEWEST_EPOCHS = 5  # of a training that is warned of what its data show
STALLED_EPOCHS, STALLED = 10, 1e-3  # a training that got nowhere: the loss fell by no more than that part,
LITTLE_BETTER = 0.5  # and is more than that part of the loss of constant outputs;
HARDLY_BETTER = 0.9  # or, if it still falls, more than this part


class TrainingWarning(UserWarning):
    """What will keep a network from learning, or has kept it: what is wrong, and what to do."""


class Finding(NamedTuple):
    """A trap.

    Attributes
    ----------
    name : str
        What it is.
    cause : str
        What was seen, with numbers.
    remedy : str
        What to do.
    """

    name: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.cause}. {self.remedy}"


def of_data(net: "ComputingNetwork", X: Array, T: Array) -> list[Finding]:
    """What network, inputs and targets show without any computation by the network."""
    return [*_of_outputs(net), *_of_targets(net, T), *_of_scales(X)]


def of_layers(net: "ComputingNetwork", X: Array) -> list[Finding]:
    """Hidden layers that are dead or saturated for nearly all of a few samples."""
    found = []
    values = net.activations(every_few(X))
    for layer, (function, z) in enumerate(zip(net.layer_functions, values[1:], strict=True), 1):
        if layer in net.topology.outputs:
            continue
        dead, saturated = flat(function, z)
        if dead.all():
            found.append(_dead(layer, function, z))
        elif saturated.mean() >= MOSTLY:
            found.append(_saturated(layer, function, float(saturated.mean())))
    return found


def warn_before(net: "ComputingNetwork", samples: "CheckedSamples | None", epochs: int) -> None:
    """Warn the caller of `fit` of what the data show; not for a few epochs, which are steps of something larger."""
    if samples is not None and epochs >= FEWEST_EPOCHS:
        _warn(net, of_data(net, samples.x, samples.t))


def warn_after(net: "ComputingNetwork", samples: "CheckedSamples | None", losses: Sequence[float]) -> None:
    """Warn the caller of `fit` of layers that do not learn, if the training got nowhere.

    Where the outputs' biases still learn, the loss falls for a while, but not below that of constant outputs. Of edges
    a layer may be a single unit, that others go around: nothing is said unasked.
    """
    if samples is None or not net.topology.is_layered or len(losses) <= STALLED_EPOCHS or not np.isfinite(losses[-1]):
        return
    stalled = losses[-1] >= (1 - STALLED) * losses[-1 - STALLED_EPOCHS] > 0
    part = LITTLE_BETTER if stalled else HARDLY_BETTER
    found = of_layers(net, samples.x)  # first: it takes a tenth of the time of the other look
    if found and losses[-1] > part * loss_of_constants(net, samples):
        _warn(net, found)


def loss_of_constants(net: "ComputingNetwork", samples: "CheckedSamples") -> float:
    """Mean loss of outputs that are the mean of the targets for every sample, over a few samples."""
    loss, t = net.loss_function, every_few(samples.t).astype(float)
    weight = every_few(samples.weight) if samples.weight.size else np.ones(len(t))
    y = np.average(t, axis=0, weights=weight if weight.any() else None)
    errors = [[unit_error(loss.code, loss.number, y_k, t_k) for y_k, t_k in zip(y, row, strict=True)] for row in t]
    return float(weight @ np.sum(errors, axis=1)) / len(t)


_SAID: "WeakKeyDictionary[ComputingNetwork, set[str]]" = WeakKeyDictionary()


def _warn(net: "ComputingNetwork", findings: list[Finding]) -> None:
    said = _SAID.setdefault(net, set()) if findings else set()
    for finding in findings:
        if finding.name not in said:
            said.add(finding.name)
            warnings.warn(str(finding), TrainingWarning, stacklevel=4)


def every_few(X: Array) -> Array:
    """At most `ROWS` rows, from all over the array."""
    return X if len(X) <= ROWS else np.ascontiguousarray(X[:: -(-len(X) // ROWS)])


def flat(function: str, z: Array) -> tuple[Array, Array]:
    """(dead, saturated) for each z: where h' is 0, and where it is below a twentieth of its highest, or 0."""
    if function == "relu":
        return z <= 0, np.zeros(z.shape, bool)
    if function not in HIGHEST_SLOPE:
        return np.zeros(z.shape, bool), np.zeros(z.shape, bool)
    low, high = BOUNDS[function]
    span = (2 * z - low - high) / (high - low)  # z on a scale from -1 to 1
    slope = (1 - np.abs(span)) ** 2 if function == "softsign" else 1 - span**2
    return slope == 0, slope < SATURATED


def _dead(layer: int, function: str, z: Array) -> Finding:
    also = KEEPS_ALIVE.get(function, "or smaller initial weights")
    return Finding(
        f"hidden layer {layer} is dead",
        f"h' = 0 for each of its {z.shape[1]} {function} units in each of {len(z)} samples, so that nothing arrives at "
        "the layers before it",
        f"Inputs of about 1, a smaller learning_rate, {also} keep it alive; train anew",
    )


def _saturated(layer: int, function: str, share: float) -> Finding:
    return Finding(
        f"hidden layer {layer} is saturated",
        f"{share:.0%} of its {function} units, over the samples, have h' below a twentieth of its highest, so that "
        "hardly anything arrives at the layers before it",
        "Inputs of about 1, smaller initial weights, a smaller learning_rate or l2 keep a where h' is not flat",
    )


def _of_outputs(net: "ComputingNetwork") -> Iterator[Finding]:
    output, loss = net.layer_functions[net.topology.outputs[-1] - 1], net.loss_name
    if output == "softmax" and net.n_outputs == 1:
        yield Finding(
            "softmax with one output",
            "the outputs of a softmax add up to 1, so that a single one is always 1 and nothing is learnt",
            "Use output='logistic' with loss='binary_cross_entropy', or two outputs with one-hot targets",
        )
    if output == "logistic" and loss == "cross_entropy":
        yield Finding(
            "cross_entropy with logistic outputs",
            "-t ln y has no term for targets of 0, so that every output grows to 1",
            "Use loss='binary_cross_entropy'; or output='softmax' with a column for each class",
        )


def _of_targets(net: "ComputingNetwork", T: Array) -> Iterator[Finding]:
    """Columns of T with values that their output's function cannot have."""
    functions = _output_functions(net)
    if RANGES.keys().isdisjoint(functions) or (net.loss_name in CHECKED and CHECKED.issuperset(functions)):
        return
    lowest, highest = T.min(axis=0), T.max(axis=0)
    for k, function in enumerate(functions):
        low, high = RANGES.get(function, (-np.inf, np.inf))
        if lowest[k] < low - ROUNDING or highest[k] > high + ROUNDING:
            bounds = f"between {low:g} and {high:g}" if high < np.inf else f"{low:g} or above"
            yield Finding(
                "targets outside the range of the outputs",
                f"T[:, {k}] goes from {lowest[k]:.4g} to {highest[k]:.4g}, but a {function} output is {bounds}: it "
                "ends up stuck at a bound",
                "Use output='identity', or scale the targets into the range (and the outputs back)",
            )
            return


def _of_scales(X: Array) -> Iterator[Finding]:
    """Columns of X whose spreads are far apart."""
    few = every_few(X)
    if few.shape[1] < 2:
        return
    with np.errstate(over="ignore"):
        reach = few.max(axis=0) - few.min(axis=0)  # takes a fraction of the time of a deviation: the first look
    if reach.max() <= SCALES * np.where(reach > 0, reach, np.inf).min():
        return
    few = few.astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = few.std(axis=0)
    varying = np.flatnonzero((spread > 1e-12 * np.abs(few).max(axis=0)) & np.isfinite(spread))
    if len(varying) < 2:
        return
    wide, narrow = varying[np.argmax(spread[varying])], varying[np.argmin(spread[varying])]
    if spread[wide] > SCALES * spread[narrow]:
        yield Finding(
            "inputs of very different scales",
            f"the standard deviation of X[:, {wide}] is {spread[wide]:.3g}, that of X[:, {narrow}] is "
            f"{spread[narrow]:.3g}: no learning_rate suits both, and units saturate",
            "Standardise the columns, with fastbp.TableEncoder, scikit-learn's StandardScaler or "
            "(X - X.mean(axis=0)) / X.std(axis=0), later samples with the training's mean and deviation",
        )


def _output_functions(net: "ComputingNetwork") -> list[str]:
    """Name of the function of each output."""
    names, topology = net.layer_functions, net.topology
    return [names[layer - 1] for layer in topology.outputs for _ in range(topology.sizes[layer])]
