"""Files that keep a training while it runs: which may be written to, and when; what another training left is refused.

What a file says of itself is compared with the training that is to go on, and how much it holds follows from that
training, so that no number of the file's decides how much memory is taken. See `container.py` for the format.
"""

import hashlib
import json
import math
import os
import reprlib
import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.files import container
from fastbp.model.computing import ComputingNetwork
from fastbp.model.partitioned import Source
from fastbp.training.options import CheckpointSettings
from fastbp.training.state import Layout

CHECKPOINT = container.Kind(b"fastbp checkpoint\n", "fastbp checkpoint", 1)
SECONDS = 10.0  # between checkpoints, if the user has no wish
WORTH = 20  # times as long as it takes to write one, so that writing takes a twentieth of the time at most
BLOCK_BYTES = 1 << 24  # of data, after which Ctrl-C is heard


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


class Countable(Protocol):
    """Where a training stands."""

    @property
    def n_epochs(self) -> int:
        """What `checkpoint_every` counts."""


S = TypeVar("S", bound=Countable)


class CheckpointFile(ABC, Generic[S]):
    """The checkpoints of one training; what one holds is said by those who train.

    Parameters
    ----------
    settings : CheckpointSettings
    identity : dict
        What must be the same for the run to be the same, by the part that it is of: see `identity_of`.
    """

    path: Path

    def __init__(self, settings: CheckpointSettings, identity: dict[str, dict[str, Any]]) -> None:
        self.path, self._every, self._identity = settings.path, settings.every, identity
        self._state: S | None = None  # the last one that was kept, unless it is in the file
        self._written, self._cost, self._n_epochs = time.perf_counter(), 0.0, 0

    @abstractmethod
    def _read(self, contents: container.Contents) -> S:
        """What a file of this training holds."""

    @abstractmethod
    def _parts_of(self, state: S) -> tuple[dict[str, Any], list[Array]]:
        """(header, arrays) of a file."""

    def load(self) -> S | None:
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

    def keep(self, state: S) -> None:
        """Keep where the training stands, and write it if it is time."""
        self._state = state
        if self._every is None:
            due = time.perf_counter() - self._written >= max(SECONDS, WORTH * self._cost)
        else:
            due = state.n_epochs - self._n_epochs >= self._every
        if due:
            self.write()

    def write(self) -> None:
        """Write what was kept last, unless that is done."""
        if self._state is None:
            return
        begin, n_epochs = time.perf_counter(), self._state.n_epochs
        header, arrays = self._parts_of(self._state)
        try:
            container.write(self.path, CHECKPOINT, self._identity | header, arrays)
        except OSError as error:
            warnings.warn(
                f"The checkpoint {os.fspath(self.path)!r} could not be written ({error.strerror}): training goes on, "
                f"and the file is what it was.",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._state = None
        self._written, self._n_epochs = time.perf_counter(), n_epochs
        self._cost = self._written - begin


def arrays_of(contents: container.Contents, layout: Layout) -> dict[str, Array]:
    """The arrays of a file, which must hold these and no more."""
    n_bytes = sum(dtype.itemsize * math.prod(shape) for dtype, shape in layout.values())
    if n_bytes != contents.n_bytes:
        raise ValueError(f"{n_bytes} bytes of numbers were expected, {contents.n_bytes} are there")
    return {name: contents.read(*kind) for name, kind in layout.items()}


def identity_of(net: ComputingNetwork, data: dict[str, Any], options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What must be the same for the run to be the same, as it comes back from JSON."""
    parts = {"data": data, "network": _description(net), "options": options}
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


def digests(samples: CheckedSamples | Source, prefix: str = "") -> dict[str, Any]:
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
