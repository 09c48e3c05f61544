"""One call of `Population.fit`: epochs in compiled calls of some 0.05 s, so that Ctrl-C is heard."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.engine import aligned_zeros, filled_up
from fastbp.engine.first_use import check_new_code
from fastbp.kernels.codes import N_OPTIONS
from fastbp.kernels.population import members as kernels
from fastbp.kernels.population.lanes import address_of_lanes
from fastbp.kernels.population.tables import (
    COURSE,
    GOAL,
    ITEM_COLUMNS,
    NOT_FINITE,
    RUNNING,
    SETTINGS,
    WAITED,
    Group,
    Member,
    Tables,
)
from fastbp.kernels.tables import NONE
from fastbp.kernels.tuning import SAMPLE_PRODUCTS, UNIT_PRODUCTS
from fastbp.losses import learning_option
from fastbp.population.crew import Crew, address_of, addresses_of_rows
from fastbp.population.items import Items
from fastbp.population.kinds import Kind
from fastbp.population.lanes import Group as LaneGroup
from fastbp.population.lanes import groups_of, has_factors, lots_of
from fastbp.population.plan import Plan
from fastbp.solvers import Choice
from fastbp.training.history import History
from fastbp.training.loop import RETURN_SECONDS, TOL_EPOCHS, wants_to_stop
from fastbp.training.options import Options

MEMBER = Member(*range(len(Member._fields)))
WINDOW_NUMBERS = 1 << 21  # of losses and learning rates for which there are arrays at a time
Callback = Callable[[list[History]], Any]
FIRST_SECONDS = 1e-10  # for a product of a weight and a sample: a guess, until a call has been timed


class PopulationTraining:
    """The compiled run of all networks, and what Python does between its calls.

    Parameters
    ----------
    kinds : list of Kind
    flat : array
        Parameters of all networks.
    plan : Plan
    callbacks : sequence of function, optional
        Called with the histories, after so many epochs of all networks; a true return value ends the training.
    every : int
        These epochs.
    """

    kinds: Sequence[Kind]
    flat: Array
    plan: Plan
    n: int
    n_epochs: int
    n_threads: int | None
    histories: list[History]
    window: int
    batch_sizes: Array
    crew: Crew
    random: Array
    rooms: Array
    dtype: np.dtype
    members: Array
    settings: Array
    courses: Array
    orders: Array
    decay: Array
    rates: Array
    losses: Array
    held_losses: Array
    groups: Array
    room_orders: Array
    options: Array
    work: list[Any]
    costs: Array
    begun: float

    def __init__(
        self, kinds: Sequence[Kind], flat: Array, plan: Plan, callbacks: Sequence[Callback] = (), every: int = 1
    ) -> None:
        self.kinds, self.flat, self.plan = kinds, flat, plan
        self.n, self.dtype = len(plan.options), flat.dtype
        common = plan.options[0]
        self.n_epochs, self.n_threads = common.epochs, common.n_threads
        self.histories = [History(validation_loss=[] if len(rows) else None) for rows in plan.held_rows]
        self.window = max(1, min(self.n_epochs, WINDOW_NUMBERS // self.n))
        self.callbacks, self.every, self.stopped = callbacks, every, False
        self._seconds = FIRST_SECONDS
        for option in {id(o): o for o in plan.options}.values():
            check_new_code(self.dtype, option.solver)
        self._prepare()

    # ------------------------------------------------------------------ arrays

    def _prepare(self) -> None:
        """Arrays of the compiled run."""
        n, plan = self.n, self.plan
        self.batch_sizes = np.array(
            [min(o.batch_size or len(r), len(r)) for o, r in zip(plan.options, plan.rows, strict=True)]
        )
        n_rows, n_held = (np.array([len(r) for r in rows]) for rows in (plan.rows, plan.held_rows))
        most = [int(max(self.batch_sizes[k.members].max(), n_held[k.members].max(), 1)) for k in self.kinds]
        with threads.limit(self.n_threads, n) as n_slots:
            drops = [bool(plan.dropout.any[kind.members].any()) for kind in self.kinds]
            self.crew = Crew(self.kinds, most, n_slots, drops)
        self.members = np.zeros((n, len(Member._fields)), np.int64)
        self.settings, self.courses = np.zeros((n, len(SETTINGS))), np.zeros((n, len(COURSE)), np.int64)
        self.courses[:, [COURSE.best_epoch, COURSE.held_not_finite]] = -1
        self.settings[:, SETTINGS.best_loss] = np.inf
        self.members[:, MEMBER.n_samples], self.members[:, MEMBER.n_held] = n_rows, n_held
        self.members[:, MEMBER.batch_size] = self.batch_sizes
        self.orders = np.zeros((n, int(n_rows.max())), np.int64)
        for order, rows in zip(self.orders, plan.rows, strict=True):
            order[: len(rows)] = rows
        self.random, self.decay = plan.random.copy().reshape(-1, 1), np.ones((n, 2))
        self.rates, self.losses = np.zeros((n, self.window)), np.zeros((n, self.window))
        self.held_losses = np.zeros((n, self.window if n_held.any() else 1))
        for column, array in (
            (MEMBER.order, self.orders), (MEMBER.random, self.random), (MEMBER.decay, self.decay),
            (MEMBER.rates, self.rates), (MEMBER.losses, self.losses), (MEMBER.held_losses, self.held_losses),
        ):  # fmt: skip
            self.members[:, column] = addresses_of_rows(array)
        held = {id(rows): address_of(rows) for rows in {id(rows): rows for rows in plan.held_rows}.values()}
        self.members[:, MEMBER.held_order] = [held[id(rows)] for rows in plan.held_rows]
        for column, weights in ((MEMBER.weight, plan.weights), (MEMBER.held_weight, plan.held_weights)):
            self.members[:, column] = addresses_of_rows(weights) if weights.size else 0
        self._set_options()
        plan.dropout.tell(self.members, self.dtype)
        self._set_kinds()
        self._set_groups(n_rows)

    def _set_options(self) -> None:
        """What each network is asked for."""
        asked = self.plan.options
        self.options = np.zeros((self.n, N_OPTIONS))
        self.members[:, MEMBER.options] = addresses_of_rows(self.options)
        known = {key: self._columns_of(o) for key, o in {id(o): o for o in asked}.items()}
        columns = [known[id(o)] for o in asked]
        for place, name in enumerate(("solver", "step", "n_state_rows", "mean", "patience", "keeps_best")):
            self.members[:, getattr(MEMBER, name)] = [ints[place] for ints, _floats, _values in columns]
        self.settings[:, : SETTINGS.goal + 1] = [floats for _ints, floats, _values in columns]
        self.options[:] = [values for _ints, _floats, values in columns]
        shuffles = np.array([o.shuffle for o in asked])
        self.members[:, MEMBER.shuffle] = shuffles & (self.batch_sizes < self.members[:, MEMBER.n_samples])

    def _columns_of(self, o: Options) -> tuple[list[int], list[float], list[float]]:
        """Integers, settings and solver's options of what was asked for."""
        assert isinstance(o.solver, Choice)
        waits = o.patience or (TOL_EPOCHS if o.tol is not None else 0)
        step, n_rows = o.solver.step_address(self.dtype), o.solver.n_state_rows
        ints = [o.solver.code, step, n_rows, o.reduction == "mean", waits, o.patience is not None]
        values = [*o.solver.values, *[0.0] * (N_OPTIONS - len(o.solver.values))]
        return ints, [o.l1, o.l2, o.tol or 0.0, np.nan if o.goal is None else o.goal], values

    def _set_kinds(self) -> None:
        """What follows from the networks: parameters, and the arrays of the same length."""
        self.work = []
        for number, kind in enumerate(self.kinds):
            own, topology = kind.members, kind.net.topology
            n_state_rows = int(self.members[own, MEMBER.n_state_rows].max())
            work = aligned_zeros((len(kind), 3 + n_state_rows, kind.n_filled), self.dtype)
            params = kind.params_in(self.flat)
            work[:, 0] = params
            self.work.append(work)
            self.members[own, MEMBER.kind] = number
            self.members[own, MEMBER.params] = addresses_of_rows(params)
            for place, column in enumerate((MEMBER.safe, MEMBER.best, MEMBER.partial, MEMBER.moments)):
                self.members[own, column] = addresses_of_rows(work) + place * work.strides[1]
            loss, options = kind.net.loss_function, [self.plan.options[k] for k in own.tolist()]
            smoothing = [o.label_smoothing for o in options]
            learning = {value: learning_option(loss, value) for value in set(smoothing)}
            self.settings[own, SETTINGS.held_option] = loss.number
            self.settings[own, SETTINGS.loss_option] = [learning[value] for value in smoothing]
            by_batches = self.plan.dropout.any[own] | [has_factors(o) for o in options]
            self.members[own, MEMBER.one_by_one] = (self.batch_sizes[own] == 1) & topology.is_layered & ~by_batches
            self._set_memories(kind, work)

    def _set_groups(self, n_rows: Array) -> None:
        """Networks that are trained in the lanes, and in which turns all are."""
        lots = lots_of(self.kinds, self.plan.options, self.batch_sizes, n_rows, alone=self.plan.dropout.any)
        self.lanes = groups_of(self.kinds, lots, self.plan.options, self.crew.n_slots)
        n_held = self.members[:, MEMBER.n_held]
        rows = [group.row(int(n_held[group.members].max())) for group in self.lanes]
        self.groups = np.array(rows, np.int64).reshape(-1, len(Group._fields))
        rooms = np.array([group.room() for group in self.lanes] or [(0, 0)]).max(axis=0)
        self.rooms = aligned_zeros((self.crew.n_slots, filled_up(int(rooms[0]), self.dtype)), self.dtype)
        self.room_orders = np.zeros((self.crew.n_slots, int(rooms[1])), np.int64)
        for group in self.lanes:
            group.take(self._params_of(group))
        costs = [
            3 * kind.net.topology.n_weights + UNIT_PRODUCTS * kind.net.topology.n_units + SAMPLE_PRODUCTS
            for kind in self.kinds
        ]
        per_sample = np.array(costs)[self.members[:, MEMBER.kind]]
        self.items = Items(self.courses, self.lanes, n_rows, self.batch_sizes, per_sample)

    def _params_of(self, group: LaneGroup) -> Array:
        """Parameters of the networks of a group, a copy: (n, n_params)."""
        return group.kind.params_in(self.flat)[self._rows_of(group), : group.n_params]

    def _rows_of(self, group: LaneGroup) -> Array:
        """Numbers of a group's networks among those of their kind."""
        return np.searchsorted(group.kind.members, group.members)

    def _set_memories(self, kind: Kind, work: Array) -> None:
        """rprop's first steps, which its second moment is; factors of learning rates."""
        for k, own in zip(kind.members.tolist(), work, strict=True):
            choice = self.plan.options[k].solver
            assert isinstance(choice, Choice)
            if choice.name == "rprop":
                with np.errstate(over="ignore"):
                    own[4] = choice.first_rate
            if choice.factors is not None:
                factors = choice.factors.of_parameters(kind.net.topology)
                own[3 + choice.kind.n_moments, : factors.size] = factors

    # ------------------------------------------------------------------ epochs

    def run(self) -> list[History]:
        """Train until all networks have stopped."""
        self.begun, interrupted = time.perf_counter(), False
        try:
            first = 0
            while first < self.n_epochs and not self.stopped and (self.courses[:, COURSE.stopped] == RUNNING).any():
                stop = min(first + self.window, self.n_epochs, self._next_call(first))
                self._begin_window(first)
                try:
                    self._train_window(stop - first)
                finally:
                    self._record()
                self._call_back(stop)
                first = stop
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self._finish(interrupted=interrupted)
        return self.histories

    def _next_call(self, first: int) -> int:
        """The epoch after which callbacks are due, from an epoch on."""
        return first // self.every * self.every + self.every if self.callbacks else self.n_epochs

    def _call_back(self, n_epochs: int) -> None:
        """Let callbacks see the networks as they are, if they are due, and go on with what they leave."""
        if not self.callbacks or (n_epochs % self.every and n_epochs < self.n_epochs):
            return
        self._write_lanes(self.courses[:, COURSE.stopped] != RUNNING)
        answers = [wants_to_stop(callback(self.histories)) for callback in self.callbacks]
        self.stopped = any(answers)
        for group in self.lanes:
            group.take(self._params_of(group))

    def _write_lanes(self, kept: Array) -> None:
        """Parameters of networks in the lanes to those of the population, the best of those that are `kept`."""
        for group in self.lanes:
            params = group.kind.params_in(self.flat)
            params[self._rows_of(group), : group.n_params] = group.parameters(kept[group.members])

    def _begin_window(self, first: int) -> None:
        """Learning rates of the epochs from `first` on."""
        known: dict[int, Array] = {}
        for rates, o in zip(self.rates, self.plan.options, strict=True):
            if id(o) not in known:
                assert isinstance(o.solver, Choice)
                stop = min(first + self.window, self.n_epochs)
                known[id(o)] = o.solver.rates(range(first, stop), self.n_epochs)
            rates[: len(known[id(o)])] = known[id(o)]
        self.losses[:] = 0.0
        self.held_losses[:] = np.nan
        self.courses[:, [COURSE.epoch, COURSE.start, COURSE.n_done]] = 0
        self.courses[:, COURSE.first_epoch] = first
        for group in self.lanes:
            group.position[:] = 0

    def _train_window(self, n_epochs: int) -> None:
        """Some epochs of all networks that have not stopped."""
        waiting = self.items.left(n_epochs)
        while waiting.size:
            n = self._call(waiting, n_epochs)
            left = set(self.items.left(n_epochs).tolist())
            turns = np.concatenate([waiting[n:], waiting[:n]])  # whose turn it was not comes first
            waiting = np.array([place for place in turns.tolist() if place in left], np.int64)

    def _call(self, waiting: Array, n_epochs: int) -> int:
        """One compiled call, for the first items that wait; returns for how many."""
        n_slots, budget = self.crew.n_slots, RETURN_SECONDS * self.crew.n_slots / self._seconds
        costs = self.items.costs[waiting]
        n = max(n_slots, int(np.searchsorted(np.cumsum(costs), budget)))
        places, costs = waiting[:n], costs[:n]
        queue = np.empty((len(places), ITEM_COLUMNS), np.int64)
        queue[:, 0], queue[:, 1] = self.items.codes[places], np.maximum(1, budget / (len(places) * costs))
        before, begin = self.items.n_done(places), time.perf_counter()
        with threads.limit(self.n_threads, min(len(places), n_slots)) as n_threads:
            kernels.train_networks(self._tables(queue), self._addresses(n_threads), n_epochs, n_slots)
        seconds, samples = time.perf_counter() - begin, self.items.n_done(places) - before
        done = float((samples / self.items.steps[places] * costs).sum())
        if done > 0:  # what the next calls will take
            self._seconds *= min(4.0, max(0.25, seconds * n_slots / done / self._seconds))
        return len(places)

    def _tables(self, queue: Array) -> Tables:
        samples, held = self.plan.samples.arrays, self.plan.held.arrays
        return Tables(
            self.crew.kinds, self.members, self.groups, self.settings, self.courses, self.crew.spaces,
            self.crew.dropouts, self.crew.online, queue, samples.x, samples.t, held.x, held.t, self.rooms,
            self.room_orders,
        )  # fmt: skip

    def _addresses(self, n_threads: int) -> kernels.Addresses:
        parallel = kernels.parallel_address(self.dtype) if n_threads > 1 else NONE
        lanes = address_of_lanes(self.dtype) if self.lanes else NONE
        return kernels.Addresses(kernels.worker_address(self.dtype), parallel, lanes)

    # ------------------------------------------------------------------ results

    def _record(self) -> None:
        """Losses of the epochs of this window."""
        done = self.courses[:, COURSE.epoch].tolist()
        losses = self.losses / self.members[:, MEMBER.n_samples, np.newaxis]
        for history, n, of_member, held in zip(self.histories, done, losses, self.held_losses, strict=True):
            history.loss.extend(of_member[:n].tolist())
            if history.validation_loss is not None:
                history.validation_loss.extend(held[:n].tolist())
        # what has stopped in this window is not recorded again in the next
        self.courses[:, COURSE.epoch] = 0

    def _finish(self, *, interrupted: bool) -> None:
        """Reasons, best epochs, the weights that are kept."""
        seconds = time.perf_counter() - self.begun
        for history, o, course in zip(self.histories, self.plan.options, self.courses.tolist(), strict=True):
            stopped, best = course[COURSE.stopped], course[COURSE.best_epoch]
            waited = "patience" if o.patience is not None else "tol"
            reasons = {NOT_FINITE: "not finite", GOAL: "goal", WAITED: waited}
            reasons[RUNNING] = "callback" if self.stopped else "epochs"
            history.stopped_by = reasons[stopped]
            if stopped == RUNNING and interrupted and history.n_epochs < self.n_epochs:
                history.stopped_by = "interrupt"
            history.best_epoch = best if best >= 0 else None
            history.time = seconds
        self._keep_best_and_finite()
        self.crew.give_back()
        self._warn()

    def _keep_best_and_finite(self) -> None:
        keeps = (self.members[:, MEMBER.keeps_best] != 0) & (self.courses[:, COURSE.best_epoch] >= 0)
        for kind, work in zip(self.kinds, self.work, strict=True):
            params = kind.params_in(self.flat)
            bad = ~np.isfinite(params).all(axis=1)
            params[bad] = work[bad, 0]
            own = keeps[kind.members]
            params[own] = work[own, 1]
        self._write_lanes(keeps | (self.courses[:, COURSE.stopped] != RUNNING))

    def _warn(self) -> None:
        n_bad = int((self.courses[:, COURSE.stopped] == NOT_FINITE).sum())
        if n_bad:
            warnings.warn(
                f"The loss of {n_bad} of {self.n} networks is no longer finite: their training stopped, their weights "
                f"are those from the start of the epoch. A smaller learning_rate may help, or inputs and targets of "
                f"about 1.",
                RuntimeWarning,
                stacklevel=4,
            )
        n_held = int((self.courses[:, COURSE.held_not_finite] >= 0).sum())
        if n_held:
            warnings.warn(
                f"The validation loss of {n_held} of {self.n} networks was not finite after an epoch, and counts as no "
                f"improvement: {self.dtype.name} cannot hold it. Inputs and targets of about 1 may help, or float64.",
                RuntimeWarning,
                stacklevel=4,
            )
