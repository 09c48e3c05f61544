"""On-line learning from a stream: `Network.update`, a step for each sample as it comes, with a solver that goes on."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp import checks, schedules
from fastbp.checks import Array
from fastbp.engine import gate
from fastbp.engine.few_samples import online_memory
from fastbp.engine.first_use import check_new_code
from fastbp.kernels.one_sample import stream
from fastbp.kernels.training.epochs import Run
from fastbp.model.computing import ComputingNetwork
from fastbp.solvers import Choice, make_solver
from fastbp.training import dropout

_NAMES = gate.Names("x", "t")


class StreamedNetwork(ComputingNetwork):
    """What a `Network` learns from a stream."""

    def update(
        self,
        x: Array,
        t: Array,
        *,
        solver: str = "adam",
        learning_rate: float | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        **solver_options: Any,
    ) -> float:
        """Take a step of on-line learning for a sample, or for each of some, in their order.

        The solver remembers what it has seen, from call to call: a stream of samples leads to the same bits as
        ``fit(X, T, batch_size=1, shuffle=False, epochs=1)`` with all of them. Around a step stand about 3 us.

        Parameters
        ----------
        x : array (n_inputs,) or (n_samples, n_inputs)
        t : array (n_outputs,) or (n_samples, n_outputs), or a number for one sample and output
            Targets: classes as one-hot rows or probabilities.
        solver : "adam", "sgd" or "rmsprop"
            What takes a step from a gradient; its options are further keywords, see `fastbp.solvers`.
        learning_rate : float or None
            None: the solver's default. It may be another one in each call.
        l2, l1 : float
            Weight decay, as in `fit`.
        **solver_options
            Options of the solver. With another solver, another option or another decay than in the call before, the
            solver begins anew.

        Returns
        -------
        float
            Mean E_n of the samples, each before its step.

        Raises
        ------
        ValueError, TypeError
            For an argument that makes no sense. No weight has changed.
        RuntimeError
            If another thread trains this network at the time.

        Warns
        -----
        RuntimeWarning
            If the error of a sample is not finite: neither it nor what comes after it is learnt from, and inf or NaN
            is returned.

        Notes
        -----
        A copy of the network, or one from a file, has not what the solver remembers: it begins anew. `fit` has a
        solver of its own, and leaves this one as it is. Inputs that are arrays of the network's dtype in C order take
        the shortest way, and so do networks of layers; for those given by their edges a step takes some 50 us.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> rng, net = np.random.default_rng(0), fastbp.Network((2, 16, 1), seed=0)
        >>> for _ in range(3000):
        ...     x = rng.uniform(-1, 1, 2)
        ...     error = net.update(x, x[0] * x[1], learning_rate=0.01)
        >>> round(float(net.forward([[0.5, 0.5]])[0, 0]), 1)
        0.2
        """
        wanted = (solver, l1, l2, solver_options)
        learner: Stream | None = vars(self).get("_stream")
        if learner is None or not _same(learner.wanted, wanted):
            learner = Stream(self, make_choice(self, solver, solver_options), l1, l2)
            learner.wanted = wanted
            vars(self)["_stream"] = learner
        rate = learner.default_rate if learning_rate is None else learning_rate
        if type(rate) is not float or not 0.0 < rate < np.inf:
            rate = checks.number(rate, "learning_rate", low_open=True)
        with self.trainer.training():
            return learner.learn(x, t, rate)


def _same(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # an array among them
        return False


def _n_dimensions(values: Any) -> int:
    try:
        return np.ndim(values)
    except (ValueError, TypeError):  # rows of different lengths: the gate says what is wrong with them
        return 2


def make_choice(net: ComputingNetwork, solver: object, options: dict[str, Any]) -> Choice:
    """Check a solver and its options for a stream, which has neither epochs nor an end."""
    if "rate_factors" in options:
        raise TypeError("update takes no rate_factors; fit does")
    for name in schedules.OPTIONS:
        if name in options:
            raise TypeError(f"update takes no {name}: a stream has no epochs; give each call its learning_rate")
    choice = make_solver(solver, options, None, (StreamedNetwork.update, type(net).__init__))
    if not isinstance(choice, Choice) or choice.batch_only:
        raise ValueError(f"solver {choice.name!r} needs all samples at once: update takes 'adam', 'sgd' or 'rmsprop'")
    return choice


class Stream:
    """What learns one network sample by sample.

    Parameters
    ----------
    net : Network
    choice : Choice
        The solver.
    l1, l2 : float
        Weight decay.
    """

    default_rate: float

    def __init__(self, net: ComputingNetwork, choice: Choice, l1: object, l2: object) -> None:
        net._check_differentiable("update")
        self.wanted: object = None
        self._gate, self._dtype, self._is_layered = net.engine.gate, net.dtype, net.topology.is_layered
        self.default_rate = choice.first_rate
        packed = net.packed
        checked = self._gate.solver(
            choice.start(
                packed.params.size,
                net.dtype,
                net.topology,
                l1=checks.number(l1, "l1"),
                l2=checks.number(l2, "l2"),
                mean=True,
            )
        )
        self._learn: Callable[[Array, Array, float], tuple[int, float] | None]
        self._learn = Layers(net, checked) if self._is_layered else Links(net, checked, choice)

    def learn(self, x: Any, t: Any, rate: float) -> float:
        """Take the steps; return the mean error before each."""
        rows, targets = self._rows(x), self._rows(t)
        found = None
        if rows is not None and targets is not None and self._is_layered:
            found = self._learn(rows, targets, rate)
        if found is None:
            rows, targets = self._checked(x, t)
            found = self._learn(rows, targets, rate)
            assert found is not None
        n_done, total = found
        if n_done < len(rows):  # type: ignore[arg-type]
            return _warn_not_finite(n_done, self._dtype, total)
        return total / n_done

    def _rows(self, values: Any) -> Array | None:
        """Arrays that the kernel may take as they are, as rows."""
        if type(values) is not np.ndarray or values.dtype is not self._dtype or not values.flags.aligned:
            return None
        return values if values.ndim == 2 else values.reshape(1, -1) if values.ndim == 1 else None

    def _checked(self, x: Any, t: Any) -> tuple[Array, Array]:
        """All others, converted, or refused."""
        n_inputs, n_outputs = self._gate.port.n_inputs, self._gate.port.n_outputs
        single = _n_dimensions(x) == 1 and _n_dimensions(t) < 2
        if single and np.shape(x) != (n_inputs,):
            raise ValueError(f"x must have shape ({n_inputs},) or (n_samples, {n_inputs}); got {np.shape(x)}")
        if single and np.size(t) != n_outputs:
            raise ValueError(f"t must have shape ({n_outputs},) for one sample; got {np.shape(t)}")
        given = (np.reshape(x, (1, -1)), np.reshape(t, (1, -1))) if single else (x, t)
        samples = gate.samples(self._gate.port, *given, names=_NAMES)
        return samples.x, samples.t


class Layers:
    """Steps in a network of layers, by the shortest way from Python to the kernel."""

    def __init__(self, net: ComputingNetwork, checked: gate.CheckedSolver) -> None:
        packed, solver = net.packed, checked.solver
        memory = online_memory(packed)
        self._numbers = np.zeros(stream.N_NUMBERS)
        self._numbers[[stream.L1, stream.L2, stream.LOSS_OPTION]] = solver.l1, solver.l2, packed.loss_option
        self._arrays = (
            packed.params, packed.layers, packed.blocks, packed.outgoing, memory.params, memory.layers, memory.blocks,
            memory.values, memory.grad, solver.state, solver.options, solver.decay, self._numbers,
            np.zeros(1, np.int64),
        )  # fmt: skip
        words = [number for array in self._arrays for number in (array.ctypes.data, array.size)]
        words += [packed.loss, memory.deltas_address, solver.kind, solver.address, solver.n_weights]
        self._plan = np.array(words, np.int64)
        self._address = self._plan.ctypes.data
        self._call = stream.learning_call(net.dtype)

    def __call__(self, x: Array, t: Array, rate: float) -> tuple[int, float] | None:
        """The number of steps and the sum of the errors; None if the arrays are not as the kernel needs them."""
        self._numbers[stream.RATE] = rate
        n_done = self._call(self._address, x, t)
        if n_done == stream.OTHER_WAY:
            return None
        return n_done, self._numbers.item(stream.TOTAL)


class Links:
    """Steps in a network of single connections: batches of one sample."""

    def __init__(self, net: ComputingNetwork, checked: gate.CheckedSolver, choice: Choice) -> None:
        check_new_code(net.dtype, choice)
        self._net, self._solver = net, checked
        self._memory = net.engine.memory(1, 1)
        self._rates = np.zeros(len(net.sizes))

    def __call__(self, x: Array, t: Array, rate: float) -> tuple[int, float]:
        """The number of steps and the sum of the errors; the arrays were checked."""
        net = self._net
        samples = gate.samples(net.engine.gate.port, x, t, names=_NAMES).ordered(np.arange(len(x)))
        run = Run(
            order=np.arange(len(x)),
            random=np.zeros(1, np.uint64),
            rates=np.array([rate]),
            losses=np.zeros(1),
            safe=net.packed.params.copy(),
            partial=np.zeros(0, net.dtype),
            dropout=dropout.nothing(self._rates, net.dtype),
            first_epoch=0,
            position=np.zeros(3, np.int64),
            batch_size=1,
            part_size=net.engine.part_size,
            shuffle=False,
            whole_epochs=False,
        )
        n_done = 0
        while n_done < len(x) and net.engine.gate.train(samples, self._memory, self._solver, run, 1):
            n_done += 1
        return n_done, float(run.losses[0])


def _warn_not_finite(n_done: int, dtype: np.dtype, total: float) -> float:
    warnings.warn(
        f"The error of sample {n_done} of this update is not finite in {dtype.name}: it was not learnt from. A smaller "
        f"learning_rate may help, or inputs and targets of about 1.",
        RuntimeWarning,
        stacklevel=4,
    )
    return float("nan") if np.isfinite(total) else total
