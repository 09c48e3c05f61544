"""Collections of dask's that are larger than their share of the memory: blocks of rows as an estimator takes them.

What is smaller is loaded, and goes the way of arrays.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from sklearn.base import ClassifierMixin
from sklearn.utils import check_array

from fastbp import memory
from fastbp.checks import Array
from fastbp.dask import blocks
from fastbp.data.partitions import WINDOW, Room
from fastbp.engine.engine import Engine
from fastbp.engine.gate import CheckedSamples, Port
from fastbp.estimators.compat import check_sample_weight
from fastbp.model.partitioned import Source, Window

SHARE = 1 / 8  # of the memory, which inputs may take that are loaded: blocks, then an array, then perhaps a copy
SHARE_OF_WINDOWS = 1 / 8  # of the memory, for the samples of two windows
WINDOW_BYTES = 1 << 26  # of small blocks as many are mixed as take so much
MOST_HELD_OUT = 50_000  # rows that stop a training, in memory


def is_large(X: Any) -> bool:
    """Whether a collection's inputs take more than their share of the memory; one block has to be loaded anyway."""
    if not blocks.is_collection(X) or X.ndim != 2 or X.npartitions == 1:
        return False
    array = blocks.as_array(X)
    return sum(blocks.rows_of(array)) * _row_bytes(array) > SHARE * memory.total()


def _row_bytes(array: Any) -> int:
    """Bytes of a row, as the network takes it: float32 or float64."""
    return int(array.shape[1]) * (4 if array.dtype == np.float32 else 8)


def taken(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """(X, y, sample_weight), or (Large, None, None) for what is larger than its share of the memory."""
    if not is_large(X):
        return X, y, sample_weight
    for name, value, needed in (("n_estimators", estimator.n_estimators, 1), ("preset", estimator.preset, None)):
        if value != needed:
            raise ValueError(
                f"{name} must be {needed} for a collection of more than {SHARE:.3g} of the memory, which is read block "
                f"by block; got {value!r}"
            )
    if isinstance(estimator.alpha, str):
        raise ValueError(
            f"alpha must be a number for a collection of more than {SHARE:.3g} of the memory; got {estimator.alpha!r}, "
            "which needs all samples in memory"
        )
    return Large(estimator, X, y, sample_weight), None, None


class Large:
    """A collection that an estimator is trained on block by block.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    X, y, sample_weight
        Of `fit`; X is a collection, the others may be in memory.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        array = blocks.as_array(X)
        rows = blocks.rows_of(array)
        given = [blocks.blocks_of(array, "X"), blocks.cut_alike(y, rows, "y")]
        if sample_weight is not None:
            given.append(blocks.cut_alike(sample_weight, rows, "sample_weight"))
        parts = [part for part, n in zip(zip(*given, strict=True), rows, strict=True) if n]  # frames have empty ones
        self.estimator, self.rows, self.row_bytes = estimator, [n for n in rows if n], _row_bytes(array)
        self.data = blocks.OfDask(parts, self._window(max(rows)))
        self.class_weights: Array | None = None  # in the order of classes_
        self._seed, self._held_out = 0, 0.0

    def _window(self, most_rows: int) -> int:
        """Blocks whose rows are mixed: some, of small ones more, and no more than there is room for."""
        n_bytes = most_rows * self.row_bytes
        n_fitting = int(SHARE_OF_WINDOWS * memory.total() / (2 * n_bytes))
        return max(1, min(n_fitting, max(WINDOW, WINDOW_BYTES // n_bytes)))

    @property
    def n_rows(self) -> int:
        """Of all blocks."""
        return sum(self.rows)

    @property
    def is_weighted(self) -> bool:
        """Whether samples have weights, of the user's or by their classes."""
        return len(self.data.parts[0]) > 2 or self.class_weights is not None

    def learn(self, *, reset: bool, learns: bool) -> tuple[Any, Array]:
        """Look at all y, and at the first block: (X, targets) of that.

        `reset`, `learns`: as of `BaseMLP._checked`.
        """
        est = self.estimator
        if isinstance(est, ClassifierMixin):
            classes, counts = self._classes()
            est._targets(classes if classes.ndim > 1 else np.tile(classes, 4), np.dtype(np.float64), learns, False)
            self.class_weights = self._weights_of_classes(classes, counts)
        with naming(self.data.place(0)):
            X, y, *_ = self.data.computed(0)
            checked: tuple[Any, Array] = est._checked(X, y, reset=reset, learns=False, evaluates=True)
        return checked

    def _classes(self) -> tuple[Array, Array]:
        """All labels, sorted, and how many samples have each; of an indicator matrix its first rows."""
        found: list[tuple[Array, Array]] = []
        for k in range(len(self.rows)):
            y = self._labels(k)
            if y.ndim > 1 and y.shape[1] > 1:
                return y, np.zeros(0)
            found.append(np.unique(y, return_counts=True))
        classes, place = np.unique(np.concatenate([labels for labels, _ in found]), return_inverse=True)
        return classes, np.bincount(place, weights=np.concatenate([counts for _, counts in found]))

    def _labels(self, k: int) -> Array:
        with naming(self.data.place(k)):
            (y,) = self.data.computed(k, slice(1, 2))
            checked: Array = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        return checked

    def _weights_of_classes(self, classes: Array, counts: Array) -> Array | None:
        given = self.estimator.class_weight
        if given is None:
            return None
        if classes.ndim > 1:
            raise ValueError("class_weight must be None for an indicator matrix that is read block by block")
        known = self.estimator.classes_
        if given == "balanced":
            of = dict(zip(classes.tolist(), (counts.sum() / (len(counts) * counts)).tolist(), strict=True))
        else:
            of = dict(given)
        return np.array([of.get(label, 1.0) for label in known.tolist()])

    def hold_out(self, random: RandomState) -> None:
        """Draw the rows that stop the training: a share of all, and no more than fit into memory."""
        self._seed = random.randint(2**31)
        self._held_out = min(float(self.estimator.validation_fraction), MOST_HELD_OUT / self.n_rows)

    def is_held_out(self, k: int) -> Array:
        """Which rows of block k stop the training."""
        return np.random.default_rng([self._seed, k]).random(self.rows[k]) < self._held_out

    def n_training(self) -> list[int]:
        """The rows of each block that are trained on."""
        return [n - int(np.count_nonzero(self.is_held_out(k))) for k, n in enumerate(self.rows)]

    def read(self, k: int, *, held_out: bool) -> tuple[Array, Array, Array | None]:
        """(X, targets, weights) of the rows of block k to train on, or of those that are held out."""
        with naming(self.data.place(k)):
            X, y, *weight = self.data.computed(k)
            X, targets = self.estimator._checked(X, y, reset=False, learns=False, evaluates=True)
            if len(X) != self.rows[k]:
                raise ValueError(f"it has {len(X):,} rows, and had {self.rows[k]:,} at first")
            weights = self._weights(X, y, weight)
        rows = self.is_held_out(k) == held_out
        if rows.all():
            return X, targets, weights
        return X[rows], targets[rows], None if weights is None else weights[rows]

    def _weights(self, X: Array, y: Array, given: list[Array]) -> Array | None:
        weights = np.asarray(check_sample_weight(given[0], X)) if given else None
        if self.class_weights is None:
            return weights
        of_class = self.class_weights[np.searchsorted(self.estimator.classes_, np.ravel(y))]
        return of_class if weights is None else weights * of_class


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Say in an error which block it is about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if str(error).startswith(place):
            raise
        raise type(error)(f"{place}: {error}") from error


class Counting(NamedTuple):
    """What sums of a network's errors need of it: an engine, which counts them as scikit-learn does."""

    engine: Engine


class LargeSource(Source):
    """The rows of a `Large` that are trained on, as a network takes them; held-out ones are apart.

    Parameters
    ----------
    net : Network or Counting
        Whose sums are asked for.
    large : Large
    port : Port
        Of the network.
    """

    data: blocks.OfDask

    def __init__(self, net: Any, large: Large, port: Port, numbers: Sequence[int] | None = None) -> None:
        self.large, self._port, self.n_training = large, port, large.n_training()
        some = [k for k, n in enumerate(self.n_training) if n] if numbers is None else numbers
        super().__init__(net, large.data, some)

    def only(self, numbers: Sequence[int]) -> "LargeSource":
        """See `Source`."""
        return LargeSource(self._net, self.large, self._port, numbers)

    def checked(self, k: int, room: Room | None = None) -> CheckedSamples:
        """See `Source`."""
        return self._checked(k, held_out=False)

    def _checked(self, k: int, *, held_out: bool) -> CheckedSamples:
        with naming(self.data.place(k)):
            found: CheckedSamples = self.large.estimator._samples(*self.large.read(k, held_out=held_out), self._port)
        return found

    def total(self) -> float:
        """The sum of the weights of all samples: a pass over the data, if they have any."""
        if not self.large.is_weighted:
            return float(sum(self.n_training))
        return sum(samples.total for samples in self.each())

    def held_out(self) -> CheckedSamples:
        """All rows that are held out, in memory: a pass over the data."""
        n_held_out = [n - left for n, left in zip(self.large.rows, self.n_training, strict=True)]
        if sum(n_held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        some = [k for k, n in enumerate(n_held_out) if n]
        return Window(self._port, signed=True).filled((self._checked(k, held_out=True) for k in some), len(some))
