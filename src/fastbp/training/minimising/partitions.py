"""Minimisers on partitions: their kernels ask Python for sums over the samples, which adds partitions up."""

from collections.abc import Callable

import numpy as np

from fastbp import memory
from fastbp.checks import Array
from fastbp.data.sums import Term
from fastbp.engine.curvature import FLOAT64
from fastbp.kernels.compiling.addresses import PythonFunction
from fastbp.kernels.curvature import elsewhere
from fastbp.kernels.curvature.hessians import Assembler
from fastbp.kernels.curvature.jobs import Room
from fastbp.kernels.curvature.loading import Given
from fastbp.kernels.curvature.objective import Wanted
from fastbp.kernels.curvature.plan import ELSEWHERE, Plan
from fastbp.kernels.tables import NONE
from fastbp.model.curved import CurvedNetwork
from fastbp.model.partitioned import Asked, Source
from fastbp.training.history import History
from fastbp.training.minimising.loop import Minimising
from fastbp.training.minimising.minimisers import Summed
from fastbp.training.windows import FromPartitions

QUESTIONS = "error", "gradient", "product", "bend", "matrix"  # in the order of `elsewhere`'s numbers
WITH_VECTOR = elsewhere.PRODUCT, elsewhere.BEND


def no_samples(net: CurvedNetwork) -> Given:
    """What kernels are given where the samples are elsewhere: one that nobody looks at."""
    return Given(np.zeros((1, net.n_inputs)), np.zeros((1, net.n_outputs)), np.zeros(0))


class SumsOfPartitions:
    """What stands for a `Curvature` where the samples are in partitions.

    Parameters
    ----------
    net : CurvedNetwork
        Of float64.
    sums : callable
        The sum over all partitions of what is asked, at the network's parameters.
    """

    has_rows = False
    failure: BaseException | None  # why the last sum could not be had: kernels cannot raise it

    def __init__(self, net: CurvedNetwork, sums: Callable[[Asked], Term]) -> None:
        self._curvature, self._sums = net.new_curvature(), sums
        self.topology, self.failure = self._curvature.topology, None
        self._exact = False
        self._room = self.sums_room(1, 1)
        self._answer = PythonFunction(self.answer)
        self.n_samples = sums(Asked("error", False))[2]

    @property
    def params(self) -> Array:
        """See `Summed`."""
        return self._curvature.params

    @property
    def n_params(self) -> int:
        """See `Summed`."""
        return self._curvature.n_params

    def plan(self, *, exact: bool = False) -> Plan:
        """See `Summed`."""
        plan = self._curvature.plan(exact=exact)
        plan.facts[ELSEWHERE], self._exact = self._answer.address, exact
        return plan

    def wanted(
        self, n_slots: int, scale: float, decay: Array, *, products: bool = False, exact: bool = False,
        bends: bool = False, rows: bool = False,
    ) -> Wanted:  # fmt: skip
        """See `Summed`."""
        error, gradient, product, bend, *_ = elsewhere.addresses()
        return Wanted(
            parallel=NONE, n_slots=1, losses=error, gradients=gradient, products=product, bends=bend, rows=NONE,
            scale=scale, decay=decay, exact=exact,
        )  # fmt: skip

    def sums_room(self, n_samples: int, n_slots: int) -> Room:
        """See `Summed`."""
        return self._new_room(0)

    def rows_room(self, n_samples: int, n_slots: int) -> Room:
        """See `Summed`: there are none."""
        raise NotImplementedError

    def assembly_room(self, n_samples: int, n_slots: int) -> Room:
        """See `Summed`."""
        n = self.n_params
        memory.check(4 * 8 * n**2, "the sum of matrices over partitions", f"four of {n:,} x {n:,}")
        return self._new_room(n**2)

    def give_back(self, room: Room) -> None:
        """See `Summed`: nobody else has a use for it."""

    def assembler(self, n_slots: int, exact: bool) -> Assembler:
        """See `Summed`."""
        matrix, nothing = elsewhere.addresses()[elsewhere.MATRIX :]
        return Assembler(matrix, nothing, nothing, NONE, 1, exact, 0)

    def _new_room(self, n_kept: int) -> Room:
        """The memory that kernels and `answer` share: the last one that was made."""
        self._room = Room(
            tiles=np.zeros((1, 0)),
            kept=np.zeros((1, n_kept)),
            sums=np.zeros((1, self.n_params)),
            errors=np.zeros(1),
            scratch=np.zeros((1, self.n_params)),
        )
        return self._room

    def answer(self, question: int) -> None:
        """Put what a kernel asks for into the room; NaN after a failure, at which each minimiser ends."""
        room = self._room
        if self.failure is None:
            try:
                v = room.scratch[0].copy() if question in WITH_VECTOR else None
                error, found, n_samples = self._sums(Asked(QUESTIONS[question], self._exact, v))
                self._check(n_samples)
            except BaseException as failure:  # Ctrl-C too: it is raised where the kernel has returned
                self.failure = failure
        if self.failure is not None:
            error, found = np.nan, np.full(room.sums.size + room.kept.size, np.nan)
        room.errors[0] = error
        if question != elsewhere.ERROR:
            room.sums[0] = found[: self.n_params]
        if question == elsewhere.MATRIX:
            room.kept[0] = found[self.n_params :]

    def _check(self, n_samples: int) -> None:
        if n_samples != self.n_samples:
            raise ValueError(
                f"partitions must hold the same samples each time they are read; they had {self.n_samples:,} at first, "
                f"and now {n_samples:,}"
            )


class MinimisingPartitions(FromPartitions, Minimising):
    """One call of `fit` with a minimiser, and more partitions than a window of them."""

    most_epochs = 1  # after which checkpoints are made: each takes some passes over the data

    def _summed(self) -> tuple[Summed, Given]:
        """See `Minimising`; the samples are one that nobody looks at."""
        net, source = self.net, self.source
        double = net if net.dtype == FLOAT64 else net.astype(FLOAT64)
        sums = Source(double, source.data, source.numbers).sums
        self._sums = SumsOfPartitions(double, lambda asked: sums(asked, self.options.n_threads))
        self.n_samples = self._sums.n_samples
        return self._sums, no_samples(net)

    def _epochs(self, show: Callable[[History], None]) -> None:
        try:
            super()._epochs(show)
        finally:  # what a partition that cannot be read has stopped goes on from here
            if self.checkpoint is not None:
                self.checkpoint.write()

    def _run_minimiser(self, n_epochs: int) -> tuple[str | None, Array]:
        """See `Minimising`; where a sum could not be had, all is as it was before."""
        before = {name: values.copy() for name, values in self.kept().items()}
        ended, losses = self.minimiser.run(n_epochs, 1)
        failure = self._sums.failure
        if failure is not None:
            for name, values in self.kept().items():
                values[:] = before[name]
            self.minimiser.forget()
            raise failure
        return ended, losses
