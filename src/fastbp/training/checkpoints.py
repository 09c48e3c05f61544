"""Checkpoints of a training: all that it needs to go on as if it had never been interrupted.

A copy of that state is made at the end of each epoch, and written to a file now and then: see `container.py`
for the format. What a file says of itself is compared with the training that is to go on, and how much it
holds follows from that training, so that no number of the file's decides how much memory is taken.
"""

import hashlib
import json
import math
import os
import reprlib
import time
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.files import container
from fastbp.model.computing import ComputingNetwork
from fastbp.model.partitioned import Source
from fastbp.solvers import Choice, MinimiserChoice
from fastbp.training.options import CheckpointSettings
from fastbp.training.state import ROW, Layout, Resumable, State
from fastbp.training.stopping import RULES

CHECKPOINT = container.Kind(b"fastbp checkpoint\n", "fastbp checkpoint", 1)
SECONDS = 10.0  # between checkpoints, if the user has no wish
WORTH = 20  # times as long as it takes to write one, so that writing takes a twentieth of the time at most
BLOCK_BYTES = 1 << 24  # of data, after which Ctrl-C is heard

# Options that change no number of the epochs that are done.
FREE = (
    "epochs", "callback", "callbacks", "callback_every", "progress", "n_threads", "checkpoint", "goal", "warm"
)  # fmt: skip

FLOAT = np.dtype(np.float64)
ENDED_BY = (
    "epochs", "patience", "tol", "callback", "not finite", "goal", "min_gradient", "mu_max", "no step",
    "end of data", *RULES,
)  # fmt: skip


def check(path: object, every: object, resume: object) -> CheckpointSettings | None:
    """The arguments `checkpoint`, `checkpoint_every` and `resume` of `fit`, checked."""
    wants_resume = checks.flag(resume, "resume")
    n_epochs = None if every is None else checks.integer(every, "checkpoint_every", minimum=1)
    if path is None:
        for given, argument in ((wants_resume, "resume"), (n_epochs, "checkpoint_every")):
            if given:
                raise ValueError(f"{argument} needs a file: checkpoint must be a path; got None")
        return None
    return CheckpointSettings(check_file(path), n_epochs, wants_resume)  # type: ignore[arg-type]


def check_file(path: container.StrPath, argument: str = "checkpoint") -> Path:
    """Refuse a path that no checkpoint can be written to, and one at which something else would be lost.

    Parameters
    ----------
    path : str or path
        There is nothing yet, or an empty file, or a checkpoint of any training.
    argument : str
        What it is called in messages.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    ValueError
        If it cannot be written and read back, or is a file of another kind.
    """
    try:
        checked = container.check_writable(path, argument, only_files=True)
        kept = checked.exists() and checked.stat().st_size > 0 and not container.is_of(checked, CHECKPOINT)
    except OSError as error:
        name = os.fspath(path)
        reason = (error.strerror or str(error)).removeprefix(f"{argument} cannot be written: ")
        raise ValueError(f"{argument} must be a file that can be written; got {name!r}: {reason}") from error
    if kept:
        raise ValueError(
            f"{argument} must be a new file or a checkpoint, which are replaced; "
            f"{os.fspath(path)!r} is not a {CHECKPOINT.name} file"
        )
    return checked


class Checkpoint:
    """The checkpoints of one training.

    Parameters
    ----------
    training : Resumable
        With its network, options and the number of samples that it trains on.
    samples : CheckedSamples or Source
        All samples, as the user gave them.
    held_out : CheckedSamples, Source or None
        The user's set for validation.
    """

    path: Path

    def __init__(
        self, training: Resumable, samples: CheckedSamples | Source, held_out: CheckedSamples | Source | None
    ) -> None:
        settings = training.options.checkpoint
        assert settings is not None
        self.path, self._every = settings.path, settings.every
        self._training, self._identity = training, _identity(training, samples, held_out)
        self._state: State | None = None  # at the end of the last epoch, unless it is in the file
        self._written, self._cost, self._n_epochs = time.perf_counter(), 0.0, 0

    def load(self) -> State | None:
        """What the file holds; None if there is no file."""
        if not self.path.exists():
            return None
        with container.reading(self.path, CHECKPOINT) as contents:
            self._compare(contents.header)
            return self._read(contents)

    def _compare(self, header: dict[str, Any]) -> None:
        """Refuse a checkpoint of another training."""
        found = []
        for part, ours in self._identity.items():
            theirs = header[part]
            if not isinstance(theirs, dict):
                raise TypeError(f"{part} must be a dict; got {type(theirs).__name__}")
            for name in {**ours, **theirs}:
                if theirs.get(name) != ours.get(name):
                    was = f"was {reprlib.repr(theirs.get(name))} and is {reprlib.repr(ours.get(name))}"
                    found.append(f"{name} {'is not the same' if part == 'data' else was}")
        if found:
            raise container.RefusedError(f"a checkpoint of another training: {'; '.join(found[:8])}")

    def _read(self, contents: container.Contents) -> State:
        header, training = contents.header, self._training
        seed = checks.integer(header["seed"], "seed", minimum=0, maximum=np.inf)
        n_epochs = checks.integer(header["n_epochs"], "n_epochs", minimum=0)
        stopped_by = checks.name_of(header["stopped_by"], ENDED_BY, "stopped_by")
        best_epoch = header["best_epoch"]
        if best_epoch is not None and checks.integer(best_epoch, "best_epoch", minimum=0) >= n_epochs:
            raise ValueError(f"best_epoch must be below {n_epochs}; got {best_epoch}")
        layout = _layout(training, n_epochs)
        n_bytes = sum(dtype.itemsize * math.prod(shape) for dtype, shape in layout.values())
        if n_bytes != contents.n_bytes:
            raise ValueError(f"{n_bytes} bytes of numbers were expected, {contents.n_bytes} are there")
        wanted = training.options.epochs
        if n_epochs > wanted:
            raise container.RefusedError(f"epochs must be at least {n_epochs}, which are done; got {wanted}")
        arrays = {name: contents.read(*kind) for name, kind in layout.items()}
        _check_numbers(arrays, training.options.solver)
        return State(seed, n_epochs, stopped_by, best_epoch, arrays)

    def epoch_ended(self) -> None:
        """Keep the state at the end of an epoch, and write it if it is time."""
        self._state = _state_of(self._training)
        if self._every is None:
            due = time.perf_counter() - self._written >= max(SECONDS, WORTH * self._cost)
        else:
            due = self._state.n_epochs - self._n_epochs >= self._every
        if due:
            self.write()

    def write(self) -> None:
        """Write the state at the end of the last whole epoch, unless that is done."""
        if self._state is None:
            return
        state, begin = self._state, time.perf_counter()
        header = {name: getattr(state, name) for name in State._fields if name != "arrays"}
        arrays = state.arrays | _losses(self._training, state.n_epochs)
        try:
            container.write(
                self.path, CHECKPOINT, self._identity | header, [arrays[name] for name in _layout(self._training, 0)]
            )
        except OSError as error:
            warnings.warn(
                f"The checkpoint {os.fspath(self.path)!r} could not be written ({error.strerror}): training goes on, "
                f"and the file is what it was.",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._state = None
        self._written, self._n_epochs = time.perf_counter(), state.n_epochs
        self._cost = self._written - begin


def restore(training: Resumable, state: State) -> None:
    """Put a training where it was."""
    net, history, arrays = training.net, training.history, state.arrays
    net.params[:] = arrays["params"]
    for name, kept in training.kept().items():
        kept[:] = arrays[name]
    training.best = (float(arrays["best_loss"][0]), arrays.get("best", training.best[1]))
    for name in _names_of_curves(training):
        getattr(history, name)[:] = arrays[name].tolist()
    history.time = float(arrays["time"][0])
    history.best_epoch, history.stopped_by = state.best_epoch, state.stopped_by


def _layout(training: Resumable, n_epochs: int) -> Layout:
    """The arrays of a checkpoint after so many epochs, in their order: (dtype, shape)."""
    dtype, n_params = training.net.dtype, training.net.n_params
    layout: Layout = {"params": (dtype, (n_params,))}
    layout |= training.kept_layout()
    layout |= {"best_loss": (FLOAT, (1,)), "time": (FLOAT, (1,))}
    if training.options.keeps_best:
        layout["best"] = (dtype, (n_params,))
    return layout | dict.fromkeys(_names_of_curves(training), (FLOAT, (n_epochs,)))


def _state_of(training: Resumable) -> State:
    """A copy of all that changes."""
    history = training.history
    arrays = {
        "params": training.net.params.copy(),
        "best_loss": np.array([training.best[0]], FLOAT),
        "best": training.best[1],  # never written into
        "time": np.array([history.time]),
    }
    for name, kept in training.kept().items():
        arrays[name] = kept.astype(ROW) if name == "order" else kept.copy()
    return State(training.seed, history.n_epochs, history.stopped_by, history.best_epoch, arrays)


def _curves(training: Resumable) -> dict[str, list[float]]:
    """What the history has a number of for each epoch."""
    history = training.history
    curves = {"loss": history.loss, "validation_loss": history.validation_loss, "mu": history.mu}
    return {name: curves[name] or [] for name in _names_of_curves(training)}


def _names_of_curves(training: Resumable) -> list[str]:
    options = training.options
    validates, is_damped = options.validation is not None, options.solver.name == "lm"
    return ["loss"] + ["validation_loss"] * validates + ["mu"] * is_damped


def _losses(training: Resumable, n_epochs: int) -> dict[str, Array]:
    """Those of the first epochs."""
    return {name: np.array(values[:n_epochs], FLOAT) for name, values in _curves(training).items()}


def _check_numbers(arrays: dict[str, Array], solver: Choice | MinimiserChoice) -> None:
    """Refuse numbers that training cannot go on from: with those of the order it reads rows of the user's arrays."""
    for name in ("params", "moments", "decay", "best", "time", "position", "damping", "vectors", "descent", "done"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} must be finite")
    for row in solver.never_negative:
        if (arrays["moments"][row] < 0).any():
            raise ValueError(f"moments[{row}] must not be negative; got {arrays['moments'][row].min()}")
    if "decay" in arrays and not solver.keeps_error and ((arrays["decay"] < 0) | (arrays["decay"] > 1)).any():
        raise ValueError(f"decay must lie between 0 and 1; got {arrays['decay']}")
    if "done" in arrays and (arrays["done"][:2] < 0).any():
        raise ValueError(f"done must not be negative; got {arrays['done']}")
    if "order" in arrays:
        rows = np.sort(arrays["order"])
        if (rows != np.arange(rows.size, dtype=ROW)).any():
            raise ValueError("order must be a permutation of the samples")


def _identity(
    training: Resumable, samples: CheckedSamples | Source, held_out: CheckedSamples | Source | None
) -> dict[str, Any]:
    """What must be the same for the run to be the same, as it comes back from JSON."""
    options = training.options
    given: dict[str, Any] = options.solver.description()
    for name in (field.name for field in fields(options) if field.init):
        if name != "solver" and name not in FREE:
            given[name] = getattr(options, name)
    rules = options.rules
    given["rules"] = {**rules.thresholds, "strip": rules.strip}
    later = {"validate_every": options.validate_every == 1, "rules": not rules.thresholds}
    for name, is_default in (later | {"label_smoothing": not options.label_smoothing}).items():
        if is_default:  # older files do not say so
            del given[name]
    if options.keeps_best and options.patience is None and not rules.thresholds:
        given["goal"] = "one on which the weights depend"
    if held_out is not None:
        given["validation"] = "a set of its own"
    data = _digests(samples) | ({} if held_out is None else _digests(held_out, "validation "))
    parts = {"data": data, "network": _description(training.net), "options": given}
    return dict(json.loads(json.dumps(parts, default=np.ndarray.tolist)))


def _description(net: ComputingNetwork) -> dict[str, Any]:
    topology = net.topology
    return {
        "sizes": net.sizes,
        "functions": net.layer_functions,
        "loss": str(net.loss_function),
        "dtype": net.dtype.name,
        "connections": topology.pairs,
        "biased": topology.biased,
        "links": _digest(topology.links),
        "outputs": topology.outputs,
    }


def _digests(samples: CheckedSamples | Source, prefix: str = "") -> dict[str, Any]:
    """What the data must have in common: their bits; of partitions, which may be mended, their number and columns."""
    if isinstance(samples, Source):
        return {prefix + name: value for name, value in samples.data.description.items()}
    arrays = {"X": samples.x, "T": samples.t, "sample_weight": samples.weight}
    return {prefix + name: _digest(array) for name, array in arrays.items()}


def _digest(array: Array) -> str:
    """SHA-256 of an array's shape and numbers."""
    checksum = hashlib.sha256(str(array.shape).encode())
    content = array.reshape(-1).view(np.uint8)
    for start in range(0, content.size, BLOCK_BYTES):
        checksum.update(content[start : start + BLOCK_BYTES].data)
    return checksum.hexdigest()
