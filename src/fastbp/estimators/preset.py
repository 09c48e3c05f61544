"""Training an estimator with settings that were found together: `preset`."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.base import ClassifierMixin

from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples, check_weighted
from fastbp.estimators.curves import begin_curves
from fastbp.estimators.network import hidden_sizes
from fastbp.estimators.orders import split
from fastbp.estimators.sparse_arrays import dense
from fastbp.estimators.training import n_threads_of, share_of
from fastbp.network import Network
from fastbp.presets import Preset, preset_of
from fastbp.scaling import END, is_rounding, median_and_scale, smoothly_clipped
from fastbp.structure import initial
from fastbp.training.dropout import rates_of

# Parameters that take the place of a setting where they are not at their defaults; those that have their own meaning
REPLACING = {
    "hidden_layer_sizes": "hidden", "activation": "activation", "batch_size": "batch_size", "beta_2": "beta_2",
    "learning_rate_init": "learning_rate", "max_iter": "epochs", "dropout": "dropout",
    "label_smoothing": "label_smoothing",
}  # fmt: skip
OWN = {
    "preset", "random_state", "verbose", "validation_fraction", "class_weight", "progress", "n_jobs", "n_estimators",
}  # fmt: skip
FEWEST_HELD_OUT = 2  # samples


def settings_of(estimator: Any) -> Preset:
    """The preset's settings, with the estimator's parameters in their place that are not at their defaults.

    Raises
    ------
    ValueError
        For a preset that is not known, or a parameter that a preset has no place for.
    """
    name = estimator.preset
    settings = preset_of(name, "classification" if isinstance(estimator, ClassifierMixin) else "regression")
    changed = {}
    for parameter, given in inspect.signature(type(estimator)).parameters.items():
        value = getattr(estimator, parameter)
        if parameter in OWN or (type(value) is type(given.default) and value == given.default):
            continue
        if parameter not in REPLACING:
            raise ValueError(
                f"{parameter} must be left at its default, {given.default!r}, with preset {name!r}; got {value!r}"
            )
        changed[REPLACING[parameter]] = value
    if "hidden" in changed:
        changed["hidden"] = tuple(hidden_sizes(changed["hidden"]))
    return replace(settings, **changed)


def learn_scaling(estimator: Any, X: Any) -> None:
    """Keep the medians and scales of the columns of X; of a column of one value the scale is infinite."""
    found = [median_and_scale(column) for column in dense(X).T.astype(np.float64)]
    estimator.input_centre_ = np.array([centre for centre, _scale in found])
    estimator.input_scale_ = np.array([np.inf if is_rounding(scale, centre) else scale for centre, scale in found])


def has_scaling(estimator: Any) -> bool:
    """Whether an estimator was fitted with a preset, and so scales its inputs."""
    return "input_scale_" in vars(estimator)


def forget_scaling(estimator: Any) -> None:
    """Take the medians and scales from an estimator."""
    for name in ("input_centre_", "input_scale_"):
        vars(estimator).pop(name, None)


def _plainly_scaled(estimator: Any, X: Array) -> Array:
    with np.errstate(over="ignore"):
        scaled: Array = (X.astype(np.float64) - estimator.input_centre_) / estimator.input_scale_
    return scaled


def scaled(estimator: Any, X: Array) -> Array:
    """X as the network of the estimator takes it."""
    if not has_scaling(estimator):
        return X
    return smoothly_clipped(_plainly_scaled(estimator, X)).astype(X.dtype)


def slope_of_scaling(estimator: Any, X: Array) -> Array:
    """The derivative of `scaled` by X: (1 + (x / 3)**2)**(-3/2) / scale, with x before it is clipped."""
    x = _plainly_scaled(estimator, X)
    slope: Array = (1 + np.minimum(np.abs(x) / END, 1e100) ** 2) ** -1.5 / estimator.input_scale_
    return slope


def draw_weights(estimator: Any, net: Network, random: RandomState) -> None:
    """The preset's initial weights; biases are zero."""
    draw = np.random.default_rng(random.randint(2**31))
    initial.of_blocks(initial.resolve(settings_of(estimator).init, net.dtype), draw, net.topology, net.params)


class PresetTraining:
    """One call of `fit` with a preset, by `Network.fit`."""

    interrupted = False

    def __init__(
        self,
        estimator: Any,
        net: Network,
        samples: CheckedSamples,
        held_out: CheckedSamples | None,
        random: RandomState,
    ) -> None:
        self.estimator, self.net, self.is_evaluated = estimator, net, held_out is not None
        self.settings = settings_of(estimator)
        rates_of(self.settings.dropout, len(net.sizes))
        if held_out is None and estimator.validation_fraction * len(samples) >= FEWEST_HELD_OUT:
            rows, taken = split(estimator, samples.t, random)
            samples, held_out = samples.rows(rows), samples.rows(taken)
            check_weighted(samples, "sample_weight of the samples not held out")
            check_weighted(held_out, "sample_weight of the samples held out")
        self.samples, self.held_out = samples, held_out
        self.seed = random.randint(2**31)
        self.centre, self.scale = self._of_targets()

    def _of_targets(self) -> tuple[Array | float, Array | float]:
        """Means and deviations of the targets, if they are numbers: rates are for targets of size 1."""
        if isinstance(self.estimator, ClassifierMixin):
            return 0.0, 1.0
        t, weight = self.samples.t.astype(np.float64), self.samples.weight if self.samples.weight.size else None
        mean = np.average(t, axis=0, weights=weight)
        deviation = np.sqrt(np.average((t - mean) ** 2, axis=0, weights=weight))
        return mean, np.where(deviation > 0, deviation, 1.0)

    def _given(self, samples: CheckedSamples) -> tuple[Array, Array, Array | None]:
        t = ((samples.t - self.centre) / self.scale).astype(self.net.dtype)
        return samples.x, t, samples.weight if samples.weight.size else None

    def run(self, *, incremental: bool = False) -> None:
        """Train; not for `incremental` training, which is refused before."""
        est, s = self.estimator, self.settings
        learner = self.net.twin()
        learner.params = self.net.params
        options: dict[str, Any] = s.solver_options(learner)
        if self.held_out is not None:
            held_out = self._given(self.held_out)
            options |= {"validation": held_out if held_out[2] is not None else held_out[:2], "patience": s.epochs}
        if isinstance(est, ClassifierMixin):
            options["label_smoothing"] = s.label_smoothing
        x, t, weight = self._given(self.samples)
        history = learner.fit(
            x, t, epochs=s.epochs, batch_size=min(s.batch_size, len(x)), learning_rate=s.learning_rate,
            schedule=s.schedule, l2=s.l2, dropout=s.dropout, sample_weight=weight, seed=self.seed,
            progress=est.progress, n_threads=n_threads_of(est.n_jobs), **options,
        )  # fmt: skip
        if history.stopped_by == "interrupt":
            warnings.warn("Training interrupted by user.", stacklevel=5)
            self.interrupted = True
        self._take_over(learner)
        self._keep(history.loss, history.validation_loss or [])

    def _take_over(self, learner: Network) -> None:
        """The parameters, with what the outputs are multiplied by and what is added in those of the last layer."""
        self.net.params = learner.params
        self.net.weights[-1][...] *= np.reshape(self.scale, (-1, 1))
        self.net.biases[-1][...] = self.net.biases[-1] * self.scale + self.centre

    def _keep(self, losses: list[float], validation_losses: list[float]) -> None:
        """The attributes that a fit leaves; losses are those of targets that are standardised, if they are numbers."""
        est, share = self.estimator, share_of(self.estimator, self.net)
        est.n_iter_ = len(losses)
        est.t_ = est.n_iter_ * len(self.samples)
        begin_curves(est)
        est.loss_curve_ = [share * loss for loss in losses]
        if self.is_evaluated:
            est.validation_loss_curve_ = [share * loss for loss in validation_losses]
        if losses:
            est.loss_, est.best_loss_ = est.loss_curve_[-1], min(est.loss_curve_)
