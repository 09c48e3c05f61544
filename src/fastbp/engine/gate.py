"""The gate: every array of a user's passes it on the way to a kernel, and kernels that take them are called here alone.

Kernels read and write as many numbers as the tables of a network say, and test nothing. So whoever calls one hands
over `CheckedSamples` and a `CheckedSolver`, which are made here and nowhere else, for networks of one shape: a `Gate`
refuses those that were made for another.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.kernels.codes import N_OPTIONS
from fastbp.kernels.formulas import steps
from fastbp.kernels.formulas.scaled_steps import FACTOR_ROWS, N_MOMENTS
from fastbp.kernels.many_samples.tile import Memory
from fastbp.kernels.one_sample.online import OnlineMemory
from fastbp.kernels.tables import Packed
from fastbp.kernels.training import chunks, epochs, scikit_learn_epochs, scores
from fastbp.kernels.training.scores import Scorer

NO_ORDER = np.empty(0, np.int64)
N_DECAYS = 2  # numbers of `Solver.decay`


class Port(NamedTuple):
    """What a network takes: all that its samples have to fit."""

    n_inputs: int
    n_outputs: int
    dtype: np.dtype


@dataclass(frozen=True)
class Names:
    """What the user calls the arrays, for messages."""

    x: str = "X"
    t: str = "T"
    weight: str = "sample_weight"

    def of(self, prefix: str) -> "Names":
        """The same behind a prefix."""
        return Names(prefix + self.x, prefix + self.t, prefix + self.weight)


NETWORK, ESTIMATOR = Names(), Names(t="y")


class _Passed:
    """What only this module hands to the constructors of checked things."""


_PASSED = _Passed()


@final
class CheckedSamples:
    """Samples that any network of one `Port` may be given: C-contiguous, of its dtype and widths, of one length."""

    port: Port

    __slots__ = ("_arrays", "port")

    def __init__(self, port: Port, arrays: chunks.Samples, passed: _Passed) -> None:
        if passed is not _PASSED:
            raise TypeError("CheckedSamples are made by fastbp.engine.gate alone: call gate.samples")
        self.port, self._arrays = port, arrays

    def __len__(self) -> int:
        return len(self._arrays.x)

    @property
    def x(self) -> Array:
        """Inputs (n_samples, n_inputs)."""
        return self._arrays.x

    @property
    def t(self) -> Array:
        """Targets (n_samples, n_outputs), or none at all."""
        return self._arrays.t

    @property
    def weight(self) -> Array:
        """Weights (n_samples,), or none at all."""
        return self._arrays.weight

    @property
    def arrays(self) -> chunks.Samples:
        """The arrays as kernels take them."""
        return self._arrays

    @property
    def total(self) -> float:
        """Sum of the weights: the number of samples if they have none."""
        return float(self.weight.sum(dtype=np.float64)) if self.weight.size else float(len(self))

    def rows(self, rows: Array) -> "CheckedSamples":
        """Some of the samples, copied."""
        x, t, weight, order = self._arrays
        return CheckedSamples(
            self.port, chunks.Samples(x[rows], t[rows], weight[rows] if weight.size else weight, order), _PASSED
        )

    def part(self, start: int, stop: int) -> "CheckedSamples":
        """The samples from `start` on, up to `stop`, in the same memory."""
        x, t, weight, order = self._arrays
        return CheckedSamples(
            self.port, chunks.Samples(x[start:stop], t[start:stop], weight[start:stop], order), _PASSED
        )

    def ordered(self, order: Array) -> "CheckedSamples":
        """The same samples, taken in an order: numbers of rows, which may come from a user's random numbers."""
        rows = np.ascontiguousarray(order, np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise ValueError(
                f"the order of the samples must hold numbers from 0 to {len(self) - 1}; it has "
                f"{rows.min()} to {rows.max()}: the random_state that shuffles must only move what it is given"
            )
        return CheckedSamples(self.port, self._arrays._replace(order=rows), _PASSED)

    def apart_from(self, params: Array) -> "CheckedSamples":
        """The samples; copies of arrays that share memory with the parameters, which training changes."""
        if not any(np.may_share_memory(a, params) for a in self._arrays[:3]):
            return self
        x, t, weight = (a.copy() if np.may_share_memory(a, params) else a for a in self._arrays[:3])
        return CheckedSamples(self.port, self._arrays._replace(x=x, t=t, weight=weight), _PASSED)


def samples(
    port: Port,
    X: Any,
    T: Any,
    sample_weight: Any = None,
    *,
    names: Names = NETWORK,
    are_finite: bool = False,
    signed: bool = False,
) -> CheckedSamples:
    """The user's arrays, checked and converted for networks of a `Port`.

    Parameters
    ----------
    port : Port
    X : array (n_samples, n_inputs)
    T : array (n_samples, n_outputs), or (n_samples,) for one output
    sample_weight : array (n_samples,), optional
    names : Names
        What the user calls them.
    are_finite : bool
        X and T have been looked at: they are looked at again only if they are converted to the network's dtype.
    signed : bool
        Whether weights may be negative.

    Raises
    ------
    ValueError, TypeError
        For arrays of another shape, of what is no real number, or that are not finite in the network's dtype.
    """
    dtype = port.dtype
    x = _matrix(X, names.x, port.n_inputs, dtype, "inputs", are_finite)
    t = _matrix(T, names.t, port.n_outputs, dtype, "outputs", are_finite)
    if len(t) != len(x):
        raise ValueError(f"{names.t} must have as many samples as {names.x}, {len(x)}; got {len(t)}")
    weight = checks.sample_weights(sample_weight, names.weight, len(x), dtype, signed=signed)
    return CheckedSamples(port, chunks.Samples(x, t, weight, NO_ORDER), _PASSED)


def inputs(port: Port, X: Any, *, are_finite: bool = False) -> CheckedSamples:
    """`samples` without targets: good for outputs only."""
    x = _matrix(X, "X", port.n_inputs, port.dtype, "inputs", are_finite)
    nothing = np.empty((0, port.n_outputs), port.dtype)
    return CheckedSamples(port, chunks.Samples(x, nothing, nothing.reshape(-1), NO_ORDER), _PASSED)


def _matrix(values: Any, name: str, n_columns: int, dtype: np.dtype, columns: str, is_finite: bool) -> Array:
    """`checks.matrix`, which takes longer than a small network, for what needs it."""
    if is_finite and type(values) is np.ndarray and values.dtype == dtype:
        flags = values.flags
        if values.ndim == 2 and values.shape[1] == n_columns and len(values) and flags.c_contiguous and flags.aligned:
            return values
    return checks.matrix(values, name, n_columns, dtype, columns)


def check_weighted(checked: CheckedSamples, name: str) -> None:
    """Refuse samples to learn from that have no weight, each of them or all together."""
    if checked.weight.size and not checked.weight.any():
        raise ValueError(f"{name} must have a number that is not 0: all {len(checked)} of them are 0")
    if checked.weight.size and checked.total == 0.0:
        raise ValueError(f"{name} must not sum to 0, by which losses are divided: some of them are negative")


def check_params(params: Array) -> None:
    """Refuse parameters that no training can begin with."""
    if not checks.are_finite(params):
        place = int(np.argmin(np.isfinite(params)))
        raise ValueError(
            f"params must be finite before a training; params[{place}] is {params[place]}: assign finite numbers"
        )


@final
class CheckedSolver:
    """What takes steps, with a memory that fits the parameters of one network."""

    __slots__ = ("solver",)

    solver: steps.Solver

    def __init__(self, solver: steps.Solver, passed: _Passed) -> None:
        if passed is not _PASSED:
            raise TypeError("a CheckedSolver is made by a Gate alone: call Gate.solver")
        self.solver = solver


class Gate:
    """The ways into the kernels for one network.

    Parameters
    ----------
    packed : Packed
    port : Port
        What it takes.
    """

    port: Port

    __slots__ = ("_packed", "port")

    def __init__(self, packed: Packed, port: Port) -> None:
        self._packed, self.port = packed, port

    def solver(self, solver: steps.Solver) -> CheckedSolver:
        """A solver whose memory a kernel may write to: a copy of what is read-only, or of another dtype.

        Raises
        ------
        ValueError
            If it belongs to a network with another number of parameters.
        TypeError
            If its memory is no array of real numbers.
        """
        state, options, decay = (
            checks.numeric(values, f"the solver's {name}")
            for name, values in (("state", solver.state), ("options", solver.options), ("decay", solver.decay))
        )
        n_rows = N_MOMENTS[solver.kind] + (FACTOR_ROWS if solver.scaled else 0)
        expected = (n_rows, self._packed.params.size)
        if state.shape != expected:
            raise ValueError(
                f"the solver's state must have shape {expected}, numbers for each parameter; got {state.shape}: "
                "it belongs to another network"
            )
        if options.shape != (N_OPTIONS,) or decay.shape != (N_DECAYS,) or not 0 <= solver.n_weights <= expected[1]:
            raise ValueError(
                f"the solver must have {N_OPTIONS} options, {N_DECAYS} decays and up to {expected[1]} weights; got "
                f"{options.shape}, {decay.shape} and {solver.n_weights}"
            )
        float64 = np.dtype(np.float64)
        return CheckedSolver(
            solver._replace(
                state=_writable(state, self.port.dtype),
                options=_writable(options, float64),
                decay=_writable(decay, float64),
                mean=checks.flag(solver.mean, "the solver's mean"),
            ),
            _PASSED,
        )

    def with_loss_option(self, option: float) -> "Gate":
        """The same network with another number for its loss: targets that are smoothed are a training's alone."""
        return Gate(self._packed._replace(loss_option=option), self.port)

    def admit(self, samples: CheckedSamples) -> CheckedSamples:
        """The samples, if they were checked for a network of these shapes."""
        self._arrays(samples)
        return samples

    def _arrays(self, samples: CheckedSamples) -> chunks.Samples:
        """The samples' arrays, if they were checked for a network of these shapes."""
        if samples.port is not self.port and samples.port != self.port:
            raise ValueError(f"samples that were checked for {samples.port} must not go into a network of {self.port}")
        return samples.arrays

    def _targeted(self, samples: CheckedSamples) -> chunks.Samples:
        """The same, with targets."""
        arrays = self._arrays(samples)
        if len(arrays.t) != len(arrays.x):
            raise ValueError("samples without targets are good for outputs only")
        return arrays

    def _vector(self, values: Array, name: str, size: int) -> Array:
        """Numbers that a kernel reads, one for each of `size` parameters."""
        if values.shape != (size,):
            raise ValueError(f"{name} must have shape ({size},); got {values.shape}")
        return _writable(values, self.port.dtype)

    @property
    def packed(self) -> Packed:
        """The network."""
        return self._packed

    # ------------------------------------------------------------------ the ways in

    def run_job(
        self, samples: CheckedSamples, memory: Memory, wanted: chunks.Wanted, first_unit: int, out: Array
    ) -> float:
        """`kernels.training.chunks.run_job`."""
        arrays = self._targeted(samples) if wanted.error else self._arrays(samples)
        return float(chunks.run_job(self._packed, arrays, memory, wanted, first_unit, out))

    def train(
        self, samples: CheckedSamples, memory: Memory, solver: CheckedSolver, run: epochs.Run, n_parts: int
    ) -> bool:
        """`kernels.training.epochs.train`."""
        return bool(epochs.train(self._packed, self._targeted(samples), memory, solver.solver, run, n_parts))

    def train_online(
        self, samples: CheckedSamples, memory: OnlineMemory, solver: CheckedSolver, run: epochs.Run, n_steps: int
    ) -> bool:
        """`kernels.training.epochs.train_online`."""
        return bool(epochs.train_online(self._packed, self._targeted(samples), memory, solver.solver, run, n_steps))

    def train_epochs(
        self,
        samples: CheckedSamples,
        memory: Memory,
        solver: CheckedSolver,
        run: scikit_learn_epochs.EstimatorRun,
        n_batches: int,
    ) -> None:
        """`kernels.training.scikit_learn_epochs.train_epochs`."""
        arrays, n_rates = self._targeted(samples), run.rates.size
        n_read = run.losses.size * run.n_samples if arrays.order.size else run.n_samples
        if n_read > (arrays.order.size or len(arrays.x)) or n_rates != run.losses.size:
            raise ValueError(
                f"{n_read} samples and {run.losses.size} rates were expected; got {len(arrays.order)}, {n_rates}"
            )
        scikit_learn_epochs.train_epochs(self._packed, arrays, memory, solver.solver, run, n_batches)

    def loss_and_gradient(
        self,
        samples: CheckedSamples,
        memory: Memory,
        objective: scikit_learn_epochs.Penalized,
        params: Array,
        gradient: Array,
    ) -> float:
        """`kernels.training.scikit_learn_epochs.loss_and_gradient`, of parameters that a minimiser has come to."""
        params = self._vector(params, "params", gradient.size)
        arrays = self._targeted(samples)
        return float(scikit_learn_epochs.loss_and_gradient(self._packed, arrays, memory, objective, params, gradient))

    def finish_gradient(
        self, summed: Array, objective: scikit_learn_epochs.Penalized, error: float, gradient: Array
    ) -> float:
        """`kernels.training.scikit_learn_epochs.finish_gradient`."""
        summed = self._vector(summed, "summed", gradient.size)
        return float(scikit_learn_epochs.finish_gradient(self._packed, summed, objective, error, gradient))


def score_outputs(scorer: Scorer) -> float:
    """`kernels.training.scores.score_outputs`."""
    if scorer.outputs.shape != scorer.samples.t.shape or scorer.deviation.shape != (scorer.samples.t.shape[1],):
        raise ValueError(
            f"outputs to score must have the shape of their targets, {scorer.samples.t.shape}; "
            f"got {scorer.outputs.shape}"
        )
    return float(scores.score_outputs(scorer))


def _writable(array: Array, dtype: np.dtype) -> Array:
    """The array if a kernel may read and write it as it is; else a copy."""
    flags = array.flags
    if type(array) is np.ndarray and array.dtype == dtype and flags.carray:
        return array
    return np.array(array, dtype, order="C", subok=False)
