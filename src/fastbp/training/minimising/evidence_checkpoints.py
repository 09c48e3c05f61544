"""Checkpoints of the evidence procedure: where it stands after an estimate of the decays."""

from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.files import container
from fastbp.kernels.curvature.damped import N_KEPT
from fastbp.model.computing import ComputingNetwork
from fastbp.training.checkpoint_files import CheckpointFile, arrays_of, digests, identity_of
from fastbp.training.history import History
from fastbp.training.minimising.evidence_options import EvidenceOptions
from fastbp.training.state import Layout

FLOAT = np.dtype(np.float64)
ENDED_BY = ("epochs", "settled", "callback")
CURVES = ("loss", "mu")
FIELDS = ("number", "n_done", "stopped_by", "n_epochs")  # of a beginning, in the header


class Beginning(NamedTuple):
    """The search from one beginning, between two estimates."""

    number: int
    n_done: int  # steps, with those that were none
    stopped_by: str
    n_epochs: int  # losses of `history` that belong to it: it may go on
    history: History
    arrays: dict[str, Array]  # params, alpha, beta, damping, time


class Standing(NamedTuple):
    """The whole search between two estimates; `n_epochs`: estimates of this call."""

    seed: int
    n_epochs: int
    best: Beginning | None  # of those before the one at hand
    at_hand: Beginning


class EvidenceCheckpoint(CheckpointFile[Standing]):
    """The checkpoints of one search.

    Parameters
    ----------
    net : ComputingNetwork
        The user's.
    samples : CheckedSamples
    options : EvidenceOptions
        With a checkpoint.
    n_groups : int
        Of parameters.
    """

    def __init__(self, net: ComputingNetwork, samples: CheckedSamples, options: EvidenceOptions, n_groups: int) -> None:
        assert options.checkpoint is not None
        given = {name: getattr(options, name) for name in ("groups", "epochs", "update_every", "seed")}
        super().__init__(options.checkpoint, identity_of(net, digests(samples), {"solver": "evidence"} | given))
        self._options, self._sizes = options, {"params": net.n_params, "alpha": n_groups}

    def _layout(self, k: int, n_epochs: int) -> Layout:
        """The arrays of the k-th beginning of a file, in their order."""
        sizes = self._sizes | {"beta": 1, "damping": N_KEPT, "time": 1} | dict.fromkeys(CURVES, n_epochs)
        return {f"{name} {k}": (FLOAT, (size,)) for name, size in sizes.items()}

    def _parts_of(self, state: Standing) -> tuple[dict[str, Any], list[Array]]:
        beginnings = [state.at_hand] if state.best is None else [state.best, state.at_hand]
        header = [{name: getattr(beginning, name) for name in FIELDS} for beginning in beginnings]
        arrays = [
            (beginning.arrays | _curves(beginning))[name.split()[0]]
            for k, beginning in enumerate(beginnings)
            for name in self._layout(k, 0)
        ]
        return {"seed": state.seed, "beginnings": header}, arrays

    def _read(self, contents: container.Contents) -> Standing:
        header = contents.header
        seed = checks.integer(header["seed"], "seed", minimum=0, maximum=np.inf)
        said = [self._said(item) for item in container.list_of(header, "beginnings", 2)]
        if not said or [number for number, *_ in said] != sorted({number for number, *_ in said}):
            raise ValueError("beginnings must be one, or two of which the second one came later")
        layout: Layout = {}
        for k, (*_, n_epochs) in enumerate(said):
            layout |= self._layout(k, n_epochs)
        arrays = arrays_of(contents, layout)
        _check_numbers(arrays)
        *best, at_hand = [_beginning(k, *fields, arrays) for k, fields in enumerate(said)]
        if at_hand.number >= self._options.restarts:
            raise container.RefusedError(
                f"restarts must be at least {at_hand.number + 1}, which have begun; got {self._options.restarts}"
            )
        return Standing(seed, 0, best[0] if best else None, at_hand)

    def _said(self, item: Any) -> tuple[int, int, str, int]:
        """What the header says of a beginning."""
        if not isinstance(item, dict):
            raise TypeError(f"a beginning must be a dict; got {type(item).__name__}")
        number = checks.integer(item["number"], "number", minimum=0)
        n_done = checks.integer(item["n_done"], "n_done", minimum=1, maximum=self._options.epochs)
        n_epochs = checks.integer(item["n_epochs"], "n_epochs", minimum=0, maximum=n_done)
        return number, n_done, checks.name_of(item["stopped_by"], ENDED_BY, "stopped_by"), n_epochs


def _curves(beginning: Beginning) -> dict[str, Array]:
    return {name: np.array(getattr(beginning.history, name)[: beginning.n_epochs], FLOAT) for name in CURVES}


def _beginning(k: int, number: int, n_done: int, stopped_by: str, n_epochs: int, arrays: dict[str, Array]) -> Beginning:
    """The k-th beginning of a file."""
    own = {name.split()[0]: array for name, array in arrays.items() if name.endswith(f" {k}")}
    loss, mu = (own.pop(name).tolist() for name in CURVES)
    return Beginning(number, n_done, stopped_by, n_epochs, History(loss=loss, mu=mu), own)


def _check_numbers(arrays: dict[str, Array]) -> None:
    """Refuse numbers that no search can go on from."""
    for name, array in arrays.items():
        if name.split()[0] not in CURVES and not np.isfinite(array).all():
            raise ValueError(f"{name.split()[0]} must be finite")
        if name.startswith(("alpha", "beta", "damping")) and (array <= 0).any():
            raise ValueError(f"{name.split()[0]} must be above 0; got {array.min()}")
