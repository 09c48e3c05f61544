"""Checkpoints of a training: all that it needs to go on as if it had never been interrupted.

A copy of that state is made at the end of each epoch, and written to a file now and then: see `checkpoint_files.py`.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.files import container
from fastbp.minimiser_options import MinimiserChoice
from fastbp.model.partitioned import Source
from fastbp.solvers import Choice
from fastbp.training.checkpoint_files import CheckpointFile, arrays_of, digests, identity_of
from fastbp.training.state import ROW, Layout, Resumable, State
from fastbp.training.stopping import RULES

# Options that change no number of the epochs that are done.
FREE = (
    "epochs", "callback", "callbacks", "callback_every", "progress", "n_threads", "checkpoint", "goal", "warm"
)  # fmt: skip

FLOAT = np.dtype(np.float64)
ENDED_BY = (
    "epochs", "patience", "tol", "callback", "not finite", "goal", "min_gradient", "mu_max", "no step",
    "end of data", *RULES,
)  # fmt: skip


class Checkpoint(CheckpointFile[State]):
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

    def __init__(
        self, training: Resumable, samples: CheckedSamples | Source, held_out: CheckedSamples | Source | None
    ) -> None:
        settings = training.options.checkpoint
        assert settings is not None
        super().__init__(settings, _identity(training, samples, held_out))
        self._training = training

    def _read(self, contents: container.Contents) -> State:
        header, training = contents.header, self._training
        seed = checks.integer(header["seed"], "seed", minimum=0, maximum=np.inf)
        n_epochs = checks.integer(header["n_epochs"], "n_epochs", minimum=0)
        stopped_by = checks.name_of(header["stopped_by"], ENDED_BY, "stopped_by")
        best_epoch = header["best_epoch"]
        if best_epoch is not None and checks.integer(best_epoch, "best_epoch", minimum=0) >= n_epochs:
            raise ValueError(f"best_epoch must be below {n_epochs}; got {best_epoch}")
        arrays = arrays_of(contents, _layout(training, n_epochs))
        wanted = training.options.epochs
        if n_epochs > wanted:
            raise container.RefusedError(f"epochs must be at least {n_epochs}, which are done; got {wanted}")
        _check_numbers(arrays, training.options.solver)
        return State(seed, n_epochs, stopped_by, best_epoch, arrays)

    def epoch_ended(self) -> None:
        """Keep the state at the end of an epoch, and write it if it is time."""
        self.keep(_state_of(self._training))

    def _parts_of(self, state: State) -> tuple[dict[str, Any], list[Array]]:
        header = {name: getattr(state, name) for name in State._fields if name != "arrays"}
        arrays = state.arrays | _losses(self._training, state.n_epochs)
        return header, [arrays[name] for name in _layout(self._training, 0)]


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
) -> dict[str, dict[str, Any]]:
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
    data = digests(samples) | ({} if held_out is None else digests(held_out, "validation "))
    return identity_of(training.net, data, given)
