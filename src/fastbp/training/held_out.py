"""Large arrays of which a fraction is held out: neither what is trained on nor what is held out is copied."""

from typing import NamedTuple

import numpy as np

from fastbp.checks import LARGE_COPY, Array
from fastbp.engine.gate import CheckedSamples
from fastbp.kernels.many_samples.tile import Memory
from fastbp.kernels.one_sample.online import OnlineMemory
from fastbp.kernels.training import chunks
from fastbp.model.computing import ComputingNetwork
from fastbp.model.partitioned import Source
from fastbp.training.loop import Training
from fastbp.training.state import Layout


def is_large(samples: CheckedSamples) -> bool:
    """Whether a copy of the samples is to be avoided."""
    return samples.x.nbytes + samples.t.nbytes >= LARGE_COPY


class RowsHeldOut(NamedTuple):
    """Rows of arrays that are validated on: some at a time are copied."""

    net: ComputingNetwork
    samples: CheckedSamples
    rows: Array

    def sums(self, wanted: chunks.Wanted, n_threads: int | None = None) -> tuple[float, Array, int]:
        """See `Source`: the error, in the order of one job with all the rows."""
        engine, error = self.net.engine, 0.0
        most = engine.most_samples(wanted)
        for start in range(0, len(self.rows), most):
            error += engine.run(self.samples.rows(self.rows[start : start + most]), wanted, n_threads=n_threads)[0]
        return error, np.empty(0), len(self.rows)


class BesideHeldOut(Training):
    """A training on some rows of arrays: the compiled epoch is stopped before it comes to the others."""

    def _take(self, samples: CheckedSamples | Source) -> None:
        assert isinstance(samples, CheckedSamples)
        rows, n_held_out = self.draw.permutation(len(samples)), len(samples) - self.n_samples
        self.samples, self._rows = samples, np.sort(rows[n_held_out:])
        self.validation = RowsHeldOut(self.net, samples, np.sort(rows[:n_held_out]))

    def _prepare(self) -> None:
        order = self._rows.copy()
        self.samples = self.samples.ordered(order)
        self._prepare_run(order)
        self.run_state = self.run_state._replace(shuffle=False)  # compiled code would mix all rows of the arrays

    def kept_layout(self) -> Layout:
        """See `Training`: the order of an epoch follows from the seed and its number."""
        layout = super().kept_layout()
        layout.pop("order", None)
        return layout

    def kept(self) -> dict[str, Array]:
        """See `Training`."""
        kept = super().kept()
        kept.pop("order", None)
        return kept

    def _shuffle(self) -> None:
        """The order of the epoch that begins."""
        run = self.run_state
        epoch = run.first_epoch + int(run.position[0])
        run.order[:] = np.random.default_rng([self.seed, epoch]).permutation(self._rows)

    def _train(self, memory: Memory | OnlineMemory) -> bool:
        """Some steps, up to the end of the epoch at most; a last batch is what is left."""
        run, gate = self.run_state, self.options.gate_of(self.net)
        if self.shuffles and not run.position[1:].any():
            self._shuffle()
        left = self.n_samples - int(run.position[1])
        if isinstance(memory, OnlineMemory):
            finite = gate.train_online(self.samples, memory, self.checked_solver, run, min(self.n_parts, left))
        else:
            size = min(run.batch_size, left)
            n_parts = left // size * -(-size // run.part_size) - int(run.position[2]) // run.part_size
            batch = run._replace(batch_size=size)
            finite = gate.train(self.samples, memory, self.checked_solver, batch, min(self.n_parts, n_parts))
        if run.position[1] == self.n_samples:
            run.position[:] = run.position[0] + 1, 0, 0
        return finite
