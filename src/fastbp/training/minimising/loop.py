"""A training by a minimiser: what `training/loop.py` does after each epoch stays as it is."""

import time
from collections.abc import Callable

import numpy as np

from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.curvature import FLOAT64, given_of
from fastbp.kernels.curvature.loading import Given
from fastbp.minimiser_options import MinimiserChoice
from fastbp.model.curved import CurvedNetwork
from fastbp.training.history import History
from fastbp.training.loop import RETURN_SECONDS, Training
from fastbp.training.minimising.minimisers import (
    FLAT,
    LevenbergMarquardt,
    Objective,
    Summed,
    can_accelerate,
    kept_layout,
    minimiser_of,
)
from fastbp.training.options import Options
from fastbp.training.remembered import recall
from fastbp.training.state import Layout

MOST_EPOCHS = 1 << 12
FIRST_PRODUCTS = 1 << 25  # of the first one, about


def check(net: CurvedNetwork, options: Options) -> None:
    """Refuse what a minimiser cannot do."""
    choice = options.solver
    assert isinstance(choice, MinimiserChoice)
    if options.l1 > 0.0:
        raise ValueError(
            f"l1 must be 0 for solver {choice.name!r}, which needs derivatives everywhere; got {options.l1:g}"
        )
    if options.dropout.any():
        raise ValueError(f"dropout must be 0 for solver {choice.name!r}, whose loss must not change")
    if options.label_smoothing:
        raise ValueError(f"label_smoothing must be 0 for solver {choice.name!r}; 'adam', 'sgd' and 'rprop' take it")
    check_network(net, choice)


def check_network(net: CurvedNetwork, choice: MinimiserChoice) -> None:
    """Refuse a network whose loss or functions have not the derivatives that a minimiser needs."""
    name = choice.name
    net.check_loss_has_bend(f"solver {name!r}")
    if name in ("lm", "newton_cg") and net.loss_name in FLAT:
        raise ValueError(
            f"solver {name!r} needs a loss with second derivatives; {net.loss_name!r} has none: "
            "'huber' comes near it, or solver 'lbfgs'"
        )
    if name == "scg" and (missing := net.functions_without_bend()):
        raise ValueError(
            f"solver 'scg' needs second derivatives; activation {missing[0]!r} has none: "
            f"Activation({missing[0]!r}, h, dh, d2h)"
        )
    accelerates = "acceleration" in choice.given and choice.values["acceleration"] > 0
    if name == "lm" and accelerates and not can_accelerate(net):
        raise ValueError(
            "acceleration must be 0 for softmax with another loss than cross_entropy, and for an Activation without d2h"
        )


class Minimising(Training):
    """One call of `fit` with a minimiser."""

    most_threads: int
    n_epochs: int
    most_epochs = MOST_EPOCHS  # of a compiled call

    net: CurvedNetwork
    compares_with_goal = False

    def _summed(self) -> tuple[Summed, Given]:
        """What adds up over the samples, and the samples."""
        return self.net.own_curvature(), given_of(self.samples)

    def _prepare(self) -> None:
        net, options = self.net, self.options
        choice = options.solver
        assert isinstance(choice, MinimiserChoice)
        self._curvature, given = self._summed()
        scale = 1.0 / self.n_samples if options.reduction == "mean" else 1.0
        goal = -np.inf if options.goal is None else options.goal * self.n_samples
        decay = np.empty(0)
        if options.l2 > 0.0:  # of the weights, which come first
            decay = np.where(np.arange(net.n_params) < net.topology.n_weights, options.l2, 0.0)
        objective = Objective(self._curvature, given, scale, decay, goal)
        self.minimiser = minimiser_of(choice, objective, net)
        self.history.mu = [] if isinstance(self.minimiser, LevenbergMarquardt) else None
        self.most_threads = net.engine.most_threads(self.n_samples)
        products = self.n_samples * net.n_params * (net.n_params if choice.name == "lm" else 20)
        self.n_epochs = max(1, min(self.most_epochs, FIRST_PRODUCTS // products))  # of the next compiled call
        self.memory = None  # of first-order steps, of which there are none

    def _recall(self) -> None:
        """See `Training`; what is known of the parameters may be of other samples."""
        if recall(self):
            self.minimiser.forget()

    def kept_layout(self) -> Layout:
        """See `Training`."""
        assert isinstance(self.options.solver, MinimiserChoice)
        return {"position": (FLOAT64, (self.net.n_params,))} | kept_layout(self.options.solver, self.net.n_params)

    def kept(self) -> dict[str, Array]:
        """What a checkpoint keeps beside the parameters: those in float64 too."""
        return {"position": self._curvature.params, **self.minimiser.kept()}

    def _epochs(self, show: Callable[[History], None]) -> None:
        history, options = self.history, self.options
        while history.n_epochs < options.epochs:
            n_before = history.n_epochs
            left = options.epochs - n_before
            n_epochs = min(left, self._until_watched(), self.n_epochs)
            ended, seconds = self._minimise(n_epochs)
            if seconds > RETURN_SECONDS or not self.watched:
                growth = min(4.0, RETURN_SECONDS / max(seconds, 1e-9))
                self.n_epochs = max(1, min(self.most_epochs, int(self.n_epochs * growth)))
            stop = self.watched and history.n_epochs > n_before and self._after_epoch()
            show(history)
            if ended is not None:
                history.stopped_by = ended
            if self.checkpoint is not None:
                self.checkpoint.epoch_ended()
            if ended is not None or stop:
                return

    def _until_watched(self) -> int:
        """Epochs until Python has something to do."""
        every = self.options.every
        return every - self.history.n_epochs % every if self.watched else self.options.epochs

    def _minimise(self, n_epochs: int) -> tuple[str | None, float]:
        """One compiled call: (why it ended for good, seconds)."""
        begin = time.perf_counter()
        ended, losses = self._run_minimiser(n_epochs)
        history = self.history
        history.loss.extend((losses / self.n_samples).tolist())
        if isinstance(self.minimiser, LevenbergMarquardt) and history.mu is not None:
            history.mu.extend(self.minimiser.mus.tolist())
        if self.net.dtype != FLOAT64:
            self.net.params = self._curvature.params
        self._note_time()
        return ended, time.perf_counter() - begin

    def _run_minimiser(self, n_epochs: int) -> tuple[str | None, Array]:
        """See `Minimiser.run`."""
        with threads.limit(self.options.n_threads, self.most_threads) as n_slots:
            return self.minimiser.run(n_epochs, n_slots)

    def _after_epoch(self) -> bool:
        """See `Training`; goes on from what a callback has made of the parameters."""
        before = self.net.params.copy()
        stops = super()._after_epoch()
        if not np.array_equal(self.net.params, before):
            if self.net.dtype != FLOAT64:
                self._curvature.params[:] = self.net.params
            self.minimiser.forget()
        return stops

    def _weights_of_epoch(self) -> Array:
        return self.net.params

    def _give_back(self) -> None:
        self.minimiser.give_back()

    def _keep_finite(self) -> None:
        """A minimiser goes nowhere where the loss is not finite."""
