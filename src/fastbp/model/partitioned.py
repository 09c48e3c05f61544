"""`Source`: partitions, checked for a network when they are read; sums over them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from fastbp.checks import Array
from fastbp.data.partitions import EndOfStream, Partitions, Room
from fastbp.data.reading import ahead
from fastbp.data.sums import PairwiseSum, Term
from fastbp.engine import gate
from fastbp.engine.engine import Engine
from fastbp.engine.gate import CheckedSamples
from fastbp.kernels.training import chunks

FEW = 256  # samples that are looked at, of a partition


class Asked(NamedTuple):
    """What a minimiser asks of samples, see `Curvature.term`."""

    kind: str
    exact: bool  # with second derivatives of the network, or their Gauss-Newton part
    v: Array | None = None  # (n_params,)


class Computing(Protocol):
    """A network, as far as it computes sums over samples."""

    engine: Engine


class Checking(Computing, Protocol):
    """The same, which takes samples."""

    @property
    def params(self) -> Array:
        """Its parameters."""

    def check_samples(
        self,
        X: Array,
        T: Array | None,
        sample_weight: Array | None = None,
        *,
        prefix: str = "",
        are_finite: bool = False,
    ) -> CheckedSamples:
        """Samples, checked and converted."""


class Summable(Protocol):
    """Samples that are not in memory as one array, but can be summed over."""

    def sums(self, wanted: chunks.Wanted, n_threads: int | None = None) -> Term:
        """The error of all samples, its gradient if that is the job, and how many samples there are."""


def term_of(
    net: Computing, samples: CheckedSamples, wanted: chunks.Wanted | Asked, n_threads: int | None = None
) -> Term:
    """What samples in memory add to a sum over all: the error, what is wanted besides, and their number."""
    if isinstance(wanted, Asked):
        curved: Any = net  # the minimisers' networks have second derivatives
        return *curved.curvature_term(wanted, samples, n_threads), len(samples)
    error, gradient = net.engine.run(samples, wanted, n_threads=n_threads)
    return error, gradient if wanted.gradient else gradient[:0], len(samples)


class Source:
    """Some partitions as a network takes them: what `CheckedSamples` are for samples in memory.

    Parameters
    ----------
    net : Checking
    data : Partitions
    numbers : sequence of int, optional
        Those that are meant; all by default.
    """

    data: Partitions
    numbers: list[int]

    def __init__(self, net: Checking, data: Partitions, numbers: Sequence[int] | None = None) -> None:
        self._net, self.data = net, data
        self.numbers = list(range(len(data)) if numbers is None else numbers)

    def __len__(self) -> int:
        """How many partitions there are, not how many samples: that shows when they are read."""
        return len(self.numbers)

    def only(self, numbers: Sequence[int]) -> Self:
        """Some of the partitions."""
        return type(self)(self._net, self.data, numbers)

    def checked(self, k: int, room: Room | None = None) -> CheckedSamples:
        """Partition k, read, checked and converted; an error names it."""
        found = self.data.read(k, room)
        return self._net.check_samples(*found, prefix=f"{self.data.place(k)}: ", are_finite=True).apart_from(
            self._net.params
        )

    def each(self) -> Iterator[CheckedSamples]:
        """All partitions in their order, the next one being read while the caller works on one."""
        return ahead(self.checked, self.numbers)

    def in_memory(self) -> CheckedSamples | None:
        """All samples, if the partitions are no more than a window."""
        if self.data.is_endless or self.data.sums_of is not None or len(self) > self.data.window:
            return None
        return Window(self._net.engine.gate.port).filled(self.each(), len(self))

    def few(self) -> CheckedSamples | None:
        """Some samples of the first partition, for a look at them; None of a stream, which gives them once."""
        if self.data.is_endless:
            return None
        first = self.checked(self.numbers[0])
        return first.rows(np.arange(0, len(first), -(-len(first) // FEW)))

    def sums(self, wanted: chunks.Wanted | Asked, n_threads: int | None = None) -> Term:
        """The error of all samples, what is wanted besides, and how many samples there are.

        A sum over partitions in a fixed order, each summed as arrays in memory are.
        """
        if self.data.sums_of is not None:
            return self.data.sums_of(self._net, self.numbers, wanted, n_threads)
        total = PairwiseSum()
        for samples in self.each():
            total.add(term_of(self._net, samples, wanted, n_threads))
        if not total:  # only a stream gives nothing
            raise EndOfStream
        return total.result()


class Window:
    """The samples of several partitions side by side, in memory that is used again.

    Parameters
    ----------
    port : Port
        Of the network.
    signed : bool
        Whether weights may be negative.
    """

    def __init__(self, port: gate.Port, *, signed: bool = False) -> None:
        self._port, self._signed = port, signed
        self._x, self._t = np.empty((0, port.n_inputs), port.dtype), np.empty((0, port.n_outputs), port.dtype)
        self._weight = np.empty(0, port.dtype)
        self._n, self._n_parts = 0, 1  # rows that are filled; parts that will come

    def room(self, n_rows: int) -> tuple[Array, Array]:
        """Inputs and targets of the next rows: what is read into them need not be copied."""
        n_more = self._n_parts if self._n == 0 else 1  # at first as if all were as long: nothing is moved later
        self._make_room(self._n + n_rows * n_more)
        rows = slice(self._n, self._n + n_rows)
        return self._x[rows], self._t[rows]

    def filled(self, parts: Iterable[CheckedSamples], n_parts: int) -> CheckedSamples:
        """All samples of the parts: valid until the next call."""
        self._n, self._n_parts, is_weighted = 0, n_parts, False
        for part in parts:
            for room, values in zip(self.room(len(part)), (part.x, part.t), strict=True):
                if room.ctypes.data != values.ctypes.data:
                    room[:] = values
            stop = self._n + len(part)
            self._weight[self._n : stop] = part.weight if part.weight.size else 1.0
            self._n, is_weighted = stop, is_weighted or part.weight.size > 0
        n = self._n
        weight = self._weight[:n] if is_weighted else None
        return gate.samples(self._port, self._x[:n], self._t[:n], weight, are_finite=True, signed=self._signed)

    def _make_room(self, n: int) -> None:
        """Arrays of n rows or more, with those that are filled as they are."""
        if n <= len(self._x):
            return
        for name in ("_x", "_t", "_weight"):
            old: Any = getattr(self, name)
            new = np.empty((n, *old.shape[1:]), old.dtype)
            new[: self._n] = old[: self._n]
            setattr(self, name, new)
