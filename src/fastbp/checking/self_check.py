"""`self_check`: whether the kernels compute the right thing on this machine.

Kernels have registers, tiles and blocks of the machine's own sizes. A mistake in them, or in the compiler behind them,
may show on one kind of machine alone, and there in large networks alone; nothing else would say so. The reference is
NumPy's matrix products in float64: it shares neither code nor compiler with what it checks, compiles nothing, and takes
milliseconds where the loops of the derivation, `kernels/derivation.py`, would take seconds.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checking.crossings import (
    Crossing,
    Problem,
    blocks_of,
    by_matrices,
    crossing_networks,
    error_of,
    nan_last,
    problem_of,
    values_of,
)
from fastbp.checks import Array
from fastbp.engine.first_use import check_with, checking, forget_all
from fastbp.kernels import tuning
from fastbp.kernels.many_samples.tile import Memory
from fastbp.kernels.registers import machine
from fastbp.network import Network
from fastbp.solvers import Choice
from fastbp.training.history import History
from fastbp.training.loop import Training
from fastbp.training.options import Options
from fastbp.versions import processor_model

# Of the largest derivative of a block of weights. Rounding is a thousandth of that (docs/accuracy.md); kernels that are
# wrong are wrong by all of it, or by a sample's share.
LIMITS = {"float32": 1e-4, "float64": 1e-10}
STEP = 0.25  # of the weights of each block, at least, in the steps that are checked
ONE_BY_ONE = 5  # samples of on-line learning
PLAIN_PRODUCTS = 1 << 18  # of weights and samples: all that kernels in plain Python do in a second or so


class WrongResultsError(RuntimeError):
    """The kernels compute something else than the derivation on this machine.

    Attributes
    ----------
    report : SelfCheck
    """

    def __init__(self, report: "SelfCheck") -> None:
        self.report = report
        super().__init__(
            "fastbp computes wrong results on this machine. Please report what follows; until that is mended, "
            "NUMBA_CPU_NAME=generic with NUMBA_CPU_FEATURES='' may give right ones (run `fastbp versions --check` "
            f"with it).\n{report}"
        )


@dataclass(frozen=True)
class Check:
    """One thing that was computed, and how far it is off.

    Attributes
    ----------
    what : str
        What was computed, and which threshold the network crosses.
    sizes : tuple of int
    n_samples : int
    dtype : str
    error : float
        Largest error of any block of weights, relative to its largest derivative (or output); NaN counts as wrong.
    """

    what: str
    sizes: tuple[int, ...]
    n_samples: int
    dtype: str
    error: float

    @property
    def passed(self) -> bool:
        """Whether the error is rounding."""
        return self.error <= LIMITS[self.dtype]

    def __str__(self) -> str:
        state = "right" if self.passed else "WRONG"
        shape = f"{'-'.join(map(str, self.sizes))} x {self.n_samples}"
        return f"{state}  {self.dtype}  {self.error:7.1e}  {shape:22}  {self.what}"


@dataclass(frozen=True)
class SelfCheck:
    """What `self_check` found.

    Attributes
    ----------
    machine, registers, caches : str
        What the kernels were made for.
    checks : tuple of Check
    seconds : float
        How long it took, compilation included.
    """

    machine: str
    registers: str
    caches: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all results are right."""
        return all(check.passed for check in self.checks)

    def worst(self, dtype: str) -> float:
        """Return the largest error of all checks of a dtype.

        Parameters
        ----------
        dtype : "float32" or "float64"
            Whose checks.

        Returns
        -------
        float
            In parts of the largest derivative of a block of weights.
        """
        return max((check.error for check in self.checks if check.dtype == dtype), key=nan_last, default=0.0)

    def __str__(self) -> str:
        wrong = sum(not check.passed for check in self.checks)
        head = "all right" if not wrong else f"{wrong} WRONG"
        dtypes = dict.fromkeys(check.dtype for check in self.checks)
        worst = ", ".join(f"{dtype} {self.worst(dtype):.1e} of {LIMITS[dtype]:g}" for dtype in dtypes)
        lines = [
            f"self-check of fastbp {version('fastbp')}: {len(self.checks)} checks, {head}, {self.seconds:.1f} s",
            f"  machine        {self.machine}",
            f"  registers      {self.registers}",
            f"  caches         {self.caches}",
            f"  largest error  {worst}",
        ]
        return "\n".join([*lines, *(f"  {check}" for check in self.checks)])


def self_check(dtypes: Iterable[Any] = ("float32", "float64")) -> SelfCheck:
    """Compare what the kernels compute on this machine with NumPy, for networks that cross each of their thresholds.

    Gradients, steps, on-line learning and outputs; networks of blocks and of single connections; second derivatives.
    It takes a second for each dtype, once the kernels are compiled. Where they run as plain Python,
    ``NUMBA_DISABLE_JIT=1``, it leaves out the large networks.

    `warm_up` ends with it. By itself a part of it runs before the kernels of a dtype are first used for a training, a
    gradient or predictions of many samples: gradients, on one thread, some hundredths of the time that the compiler
    takes. It leaves a mark beside the machine code on disk, with which later processes do not check that again; code
    without its mark, as of a process that was ended before it had checked, is checked by the next one.

    Parameters
    ----------
    dtypes : iterable of "float32" and "float64"

    Returns
    -------
    SelfCheck
        Its `str` has a line for each check.

    Raises
    ------
    WrongResultsError
        A RuntimeError, if a result is wrong. Its `report` is what would have been returned.
    ValueError, TypeError
        For another dtype.

    Examples
    --------
    >>> import fastbp
    >>> report = fastbp.self_check(["float32"])  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    self-check of fastbp 0.2.0: 34 checks, all right, 0.4 s
      machine        Intel(R) Xeon(R) Processor, AVX-512
      registers      64 bytes: 16 float32, 8 float64; tiles of 6 x 4
      ...
    """
    given = checks.items(dtypes, "dtypes", "a sequence of dtypes")
    checked = [checks.float_dtype(dtype, f"dtypes[{k}]") for k, dtype in enumerate(given)]
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        for dtype in checked:
            stack.enter_context(checking(dtype))  # the part that runs before the first use is one of this
        return _passed([check for dtype in checked for check in _all_checks(dtype)], start)


def _passed(found: list[Check], start: float) -> SelfCheck:
    """The report, if all is right. If not, no machine code stays on disk, for processes that would trust it."""
    lanes = ", ".join(f"{machine.lanes_of(np.dtype(name))} {name}" for name in LIMITS)
    report = SelfCheck(
        f"{processor_model()}, {machine.INSTRUCTIONS}",
        f"{machine.REGISTER_BYTES} bytes: {lanes}; tiles of 6 x {machine.TILE_REGISTERS}",
        f"{_caches()}; blocks of {tuning.BLOCK_BYTES >> 10} KiB, prefetch from {tuning.PREFETCH_BYTES >> 10} KiB",
        tuple(found),
        time.perf_counter() - start,
    )
    if not report.passed:
        forget_all()
        raise WrongResultsError(report)
    return report


def _caches() -> str:
    """Sizes of the first processor's caches, where the system tells them."""
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "unknown"


# ---------------------------------------------------------------------------- checks


def _check(what: str, crossing: Crossing, dtype: np.dtype, error: float) -> Check:
    return Check(f"{what}: {crossing.what}", crossing.sizes, crossing.n_samples, dtype.name, error)


def _all_checks(dtype: np.dtype) -> Iterator[Check]:
    """All checks of a dtype."""
    crossings = crossing_networks(dtype)
    if machine.JIT_DISABLED:
        crossings = [crossing for crossing in crossings if crossing.products <= PLAIN_PRODUCTS]
    for crossing in crossings:
        problem = problem_of(crossing, dtype)
        exact = by_matrices(problem)
        yield _check("gradient", crossing, dtype, _of_gradient(problem, exact, *problem.net.gradient(*problem.data)))
        yield _check("step", crossing, dtype, _of_step(problem, exact[1]))
    for crossing in crossings[:2]:
        some = crossing._replace(n_samples=ONE_BY_ONE)
        problem = problem_of(some, dtype)
        yield _check("outputs, one by one", some, dtype, _of_single_outputs(problem))
        yield _check("steps, one by one", some, dtype, _of_single_steps(problem))
    lanes = int(machine.lanes_of(dtype))
    links = Crossing("single connections", (lanes + 3, 2 * lanes + 5, 3), 9 * lanes + 1)
    yield _check("step", links, dtype, _of_links(problem_of(links, dtype, sparse=True)))
    if dtype == np.float64:  # second derivatives of networks of both dtypes are worked out in it
        from fastbp.checking import second_order  # with kernels that nothing else here needs

        for what, sizes, n_samples, error in second_order.errors():
            yield Check(f"second order: {what}", sizes, n_samples, dtype.name, error)


def _of_gradient(problem: Problem, exact: tuple[float, list[Array]], E: float, gradient: Array) -> float:
    """Error of E and of a gradient."""
    of_blocks = error_of(blocks_of(problem.net, gradient), exact[1])
    return max(of_blocks, abs(E - exact[0]) / max(exact[0], np.finfo(float).tiny), key=nan_last)


def _fit(net: Network, problem: Problem, rate: float, batch_size: int | None) -> Array:
    """How the parameters change in an epoch of gradient descent along the sum over batches."""
    before = net.params.astype(np.float64)
    history = net.fit(
        problem.X, problem.T, sample_weight=problem.weight, solver="sgd", epochs=1, batch_size=batch_size,
        learning_rate=rate, shuffle=False, reduction="sum", seed=0,
    )  # fmt: skip
    _stop_if_interrupted(history)
    return net.params - before


def _stop_if_interrupted(history: History) -> None:
    """Let Ctrl-C end the check: a training ends with it, and returns what it has."""
    if history.stopped_by == "interrupt":
        raise KeyboardInterrupt


def _rate(exact: list[Array]) -> float:
    """The rate at which each block changes by about its weights: the change then has as many digits as they have."""
    return STEP / min(max(float(np.abs(block).max()), 1e-30) for block in exact)


def _of_step(problem: Problem, exact: list[Array]) -> float:
    """Error of a step along the gradient of all samples."""
    rate, net = _rate(exact), problem.net.astype(problem.net.dtype)
    return error_of(blocks_of(net, _fit(net, problem, rate, None) / -rate), exact)


def _of_single_outputs(problem: Problem) -> float:
    """Error of the outputs for single samples."""
    found = np.concatenate([problem.net.forward(x[None]) for x in problem.X])
    return error_of([found], [values_of(problem.net, problem.X)[1][-1]])


def _of_single_steps(problem: Problem) -> float:
    """Error of the weights after on-line learning, relative to how much each block has changed."""
    net, exact, rate = problem.net.astype(problem.net.dtype), problem.net.astype(np.float64), 1 / max(problem.net.sizes)
    X, T, weight = (values.astype(np.float64) for values in problem.data)
    for n in range(len(X)):
        steps = by_matrices(Problem(exact, X[n : n + 1], T[n : n + 1], weight[n : n + 1]))[1]
        for view, step in zip((*exact.weights, *exact.biases), steps, strict=True):
            np.subtract(view, rate * step, out=view)
    change = exact.params - problem.net.params.astype(np.float64)
    return error_of(blocks_of(net, _fit(net, problem, rate, 1)), blocks_of(net, change))


def _of_links(problem: Problem) -> float:
    """Error of a step of a network of single connections: those of a layered one that are not 0."""
    net, linked, exact = problem.net, problem.net.prune(0.0), by_matrices(problem)[1]
    start, rate = linked.edge_weights.astype(np.float64), _rate(exact)
    _fit(linked, problem, rate, None)
    first = np.cumsum([0, *net.sizes])
    derivatives = np.zeros((first[-1], first[-1]))  # by (from unit, to unit)
    for layer in range(len(net.weights)):
        senders, receivers = (slice(first[k], first[k + 1]) for k in (layer, layer + 1))
        derivatives[senders, receivers] = exact[layer].T
    return error_of([(start - linked.edge_weights) / rate], [derivatives[tuple(linked.edges.T)]])


# ---------------------------------------------------------------------------- before the first use


def check_gradients(dtype: np.dtype, solver: Choice | None = None) -> SelfCheck:
    """Check gradients of a dtype on one thread; if a solver is given, as its training leaves them behind.

    That is what the user is about to call, and has just compiled: nothing more is, but the squared error.
    """
    found, start = [], time.perf_counter()
    for crossing in crossing_networks(dtype):
        if solver is not None and crossing.n_samples == 1:  # on-line learning, by other kernels
            continue
        problem = problem_of(crossing, dtype)
        if solver is None:
            E, gradient = problem.net.gradient(*problem.data, n_threads=1)
        else:
            E, gradient = _gradient_of_training(
                problem, dataclasses.replace(solver, learning_rate=None, initial_step=None)
            )
        found.append(_check("gradient", crossing, dtype, _of_gradient(problem, by_matrices(problem), E, gradient)))
    return _passed(found, start)


def _gradient_of_training(problem: Problem, solver: Choice) -> tuple[float, Array]:
    """E and gradient, as one step of a training leaves them behind."""
    net = problem.net.astype(problem.net.dtype)
    options = Options(
        solver=solver, epochs=1, batch_size=None, reduction="sum", shuffle=False, seed=0, validation=None,
        patience=None, tol=None, dropout=np.zeros(len(net.sizes)), l1=0.0, l2=0.0, callback=None, progress=False,
        n_threads=1,
    )  # fmt: skip
    training = Training(net, net.check_samples(*problem.data), options)
    history = training.run()
    _stop_if_interrupted(history)
    assert isinstance(training.memory, Memory)
    return history.loss[0] * len(problem.X), training.memory.grads[0, : net.n_params]


check_with(lambda dtype, solver: check_gradients(dtype, solver))  # noqa: PLW0108 - looked up when it is called
