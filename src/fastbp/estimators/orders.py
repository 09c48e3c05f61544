"""Random numbers as scikit-learn's estimators draw them: seeds, the split for early stopping, orders of samples."""

import ctypes
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState
from numpy.random.bit_generator import ISeedSequence
from sklearn.base import ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from fastbp.checks import Array
from fastbp.kernels.training.orders import draw_orders


class _NoEntropy(ISeedSequence):
    """Seeds for a generator that is about to be seeded."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Array:
        return np.zeros(n_words, dtype)


class OwnState(RandomState):
    """A `RandomState` that one training alone draws from, so that compiled code may draw from it as well."""

    function: int | None

    def __init__(self) -> None:
        bits = MT19937(_NoEntropy())  # type: ignore[arg-type]
        super().__init__(bits)
        self.function = ctypes.cast(bits.ctypes.next_uint32, ctypes.c_void_p).value
        self.state = bits.ctypes.state_address


# Those that no training draws from: to make one takes NumPy as long as an epoch of a small network.
_idle: deque[OwnState] = deque(maxlen=8)


@contextmanager
def random_state(seed: Any) -> Iterator[RandomState]:
    """scikit-learn's `check_random_state`, for one training."""
    if type(seed) is not int:
        yield check_random_state(seed)
        return
    try:
        random = _idle.pop()
    except IndexError:
        random = OwnState()
    random.seed(seed)
    yield random
    _idle.append(random)


def split(estimator: Any, targets: Array, random: RandomState) -> tuple[Array, Array]:
    """Rows to train on, and rows held out: those of scikit-learn's `train_test_split`, which takes long."""
    share, n_samples = estimator.validation_fraction, len(targets)
    stratify = targets > 0.5 if isinstance(estimator, ClassifierMixin) and targets.shape[1] == 1 else None
    groups = [np.arange(n_samples)] if stratify is None else [np.flatnonzero(stratify == side) for side in (0, 1)]
    n_taken = math.ceil(share * n_samples)
    fewest = min(n_taken, n_samples - n_taken, *map(len, groups))
    if type(share) is not float or fewest < 2:
        rows, taken = train_test_split(np.arange(n_samples), random_state=random, test_size=share, stratify=stratify)
    elif stratify is None:
        order = random.permutation(n_samples)
        rows, taken = order[n_taken:], order[:n_taken]
    else:
        rows, taken = _split_two(groups, n_taken, random)
    if len(taken) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return rows, taken


def _split_two(groups: list[Array], n_taken: int, random: RandomState) -> tuple[Array, Array]:
    """(rows, taken rows) in random order, of two groups of rows by their shares."""
    counts = np.array([len(group) for group in groups])
    n_left = _shares(counts, int(counts.sum()) - n_taken, random)
    n_taken_of = _shares(counts - n_left, n_taken, random)
    left, taken = [], []
    for group, n_here, n_there in zip(groups, n_left, n_taken_of, strict=True):
        order = group[random.permutation(len(group))]
        left.append(order[:n_here])
        taken.append(order[n_here : n_here + n_there])
    return random.permutation(np.concatenate(left)), random.permutation(np.concatenate(taken))


def _shares(counts: Array, n: int, random: RandomState) -> Array:
    """How many of n rows come from each of two groups: the larger remainder is rounded up, one of equal ones drawn."""
    exact = counts / counts.sum() * n
    whole = np.floor(exact)
    if n > whole.sum():
        remainder = exact - whole
        largest = np.flatnonzero(remainder == remainder.max())
        whole[random.choice(largest, 1, replace=False)] += 1
    return np.asarray(whole, np.int64)


class Orders:
    """The rows of the samples in the order of each epoch; each epoch shuffles the order of the one before.

    They are drawn for several epochs at a time.
    """

    def __init__(self, random: RandomState, rows: Array, is_shuffled: bool) -> None:
        self._random, self._is_shuffled = random, is_shuffled
        self._drawn, self._n_used = rows.astype(np.int64).reshape(1, -1), 1
        self._before: Any = None  # state of the random numbers before they were drawn, if it may be wanted

    def next(self, most_epochs: int) -> Array:
        """Orders (n_epochs, n_samples) of the next epochs: most_epochs, or fewer if fewer are left of those drawn."""
        if self._n_used == len(self._drawn):
            self._draw(most_epochs)
        return self._drawn[self._n_used : self._n_used + most_epochs]

    def use(self, n_epochs: int) -> None:
        """Count epochs whose orders have been used."""
        self._n_used += n_epochs

    def _draw(self, n_epochs: int) -> None:
        rows, random = self._drawn[-1], self._random
        self._drawn, self._n_used = np.empty((n_epochs, len(rows)), np.int64), 0
        if not self._is_shuffled:
            self._drawn[:] = rows
        elif isinstance(random, OwnState):
            draw_orders(rows, self._drawn, random.function, random.state)
        else:
            self._before = random.get_state(legacy=False) if n_epochs > 1 else None
            for order in self._drawn:
                order[:] = rows
                random.shuffle(order)
                rows = order

    def give_back(self) -> None:
        """Leave random numbers that others draw from as if none had been drawn for epochs that are not done."""
        if self._before is not None and self._n_used < len(self._drawn):
            self._random.set_state(self._before)
            for order in self._drawn[: self._n_used]:
                self._random.shuffle(order)
