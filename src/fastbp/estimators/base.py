"""What the two estimators share: fitting, outputs, weights, pickling."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.random import RandomState
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp import checks
from fastbp.activations import TRAINABLE, Activation
from fastbp.checks import Array
from fastbp.dask.blocks import blocks_in_turn, is_collection
from fastbp.engine import gate
from fastbp.engine.gate import ESTIMATOR, CheckedSamples, Names, Port
from fastbp.estimators import ensemble, large
from fastbp.estimators import preset as presets
from fastbp.estimators.compat import CheckedParameters, Count, Interval, Options, StrOptions, check_sample_weight
from fastbp.estimators.counts import check_counts
from fastbp.estimators.labels import is_plain
from fastbp.estimators.lbfgs import Objective
from fastbp.estimators.minimising import EVIDENCE, MINIMISERS, takes_all_samples
from fastbp.estimators.network import Recipe, Views, draw_weights, hidden_of, hidden_sizes, make_network
from fastbp.estimators.optimizer import SCHEDULES, check_schedule
from fastbp.estimators.orders import random_state
from fastbp.estimators.resumed import check_optimizer
from fastbp.estimators.sparse_arrays import check_whole, dense
from fastbp.estimators.training import STOCHASTIC_SOLVERS, n_threads_of, outputs_of
from fastbp.estimators.trainings import Training, training_of
from fastbp.estimators.weights import HoldsNetwork
from fastbp.presets import PRESETS
from fastbp.training.options import check_callbacks

CHUNK_NUMBERS = 1 << 21  # of a sparse matrix made dense at a time

_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
FRACTION = Interval(Real, 0, 1, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Count()


class BaseMLP(HoldsNetwork, CheckedParameters):
    """Base class of `MLPClassifier` and `MLPRegressor`."""

    n_outputs_: int
    n_features_in_: Any
    n_layers_: int
    out_activation_: str
    best_validation_score_: float | None
    best_loss_: float | None
    validation_loss_curve_: list[float] | None
    estimators_: list[Any]
    label_smoothing: float = 0.0  # of numbers there is none

    _constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", _COUNT],
        "activation": [StrOptions(set(TRAINABLE)), Activation, list, tuple],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC_SOLVERS, *MINIMISERS})],
        "alpha": [_NOT_NEGATIVE, StrOptions({EVIDENCE})],
        "batch_size": [StrOptions({"auto"}), _COUNT],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", *SCHEDULES})],
        "learning_rate_init": [_POSITIVE],
        "power_t": [_NOT_NEGATIVE],
        "max_iter": [_COUNT],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [_NOT_NEGATIVE],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [FRACTION],
        "beta_1": [FRACTION],
        "beta_2": [FRACTION],
        "epsilon": [_POSITIVE],
        "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
        "max_fun": [_COUNT],
        "dropout": [FRACTION, list, tuple],
        "l1": [_NOT_NEGATIVE],
        "skip": [StrOptions({"all"}), list, tuple],
        "callback": [callable, list, tuple, None],
        "progress": ["boolean"],
        "n_jobs": [Integral, None],
        "n_estimators": [_COUNT],
        "preset": [StrOptions(set(PRESETS)), None],
    }

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Set attributes of the constructor's parameters, as scikit-learn wants them: by their names, unchanged."""
        self.__dict__.update((name, value) for name, value in parameters.items() if name not in ("self", "__class__"))

    # ------------------------------------------------------------------ fitting

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None, *, incremental: bool = False
    ) -> "BaseMLP":
        if is_collection(X):
            X, y, sample_weight = large.taken(self, X, y, sample_weight)
        if self.n_estimators > 1:
            ensemble.fit(self, X, y, sample_weight, eval_set)
        else:
            self._train(X, y, sample_weight, eval_set, incremental=incremental)
        return self

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        eval_set: Any,
        *,
        incremental: bool = False,
        of_several: bool = False,
    ) -> Training:
        """Train the network; `of_several`: it is one of an ensemble.

        Then its classes were there before, and not all of them have to be in y; what is held out stops a solver that
        takes steps, and has no curve of losses: for that Python would wait for each epoch.
        """
        with random_state(self.random_state) as random:
            before = dict(self.__dict__)
            try:
                if ensemble.has_several(self):
                    ensemble.forget(self)
                training = self._prepare(X, y, sample_weight, eval_set, random, (incremental, of_several))
            except Exception:
                self._set_back(before)
                raise
            start = self.network_.params.copy()
            with self.network_.trainer.training():
                training.run(incremental=incremental)
        if not np.isfinite(self.network_.params).all():
            self.network_.params = start  # and what the solver remembers is lost
            self.__dict__.pop("_optimizer", None)
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be"
                " preprocessed."
            )
        return training

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, eval_set: Any, random: RandomState, goes_on: tuple[bool, bool]
    ) -> Training:
        """All arguments checked, and the training that they ask for."""
        incremental, of_several = goes_on
        sizes = self._check_parameters(incremental)
        first_pass = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        learns = not (self.warm_start or incremental or of_several)
        blocks = X if isinstance(X, large.Large) else None
        if blocks is not None:
            X, targets = blocks.learn(reset=first_pass, learns=learns)
        else:
            X, targets = self._checked(X, y, reset=first_pass, learns=learns)
        if not first_pass:
            self._update_for_training(len(sizes) + 2)
            check_counts(self)
        presets.forget_scaling(self)
        if self.preset is not None:
            presets.learn_scaling(self, X)
        port = self._port_of(X, targets, first_pass)
        samples = blocks or self._samples(X, targets, self._weights(X, y, sample_weight), port)
        held_out = self._evaluation_set(eval_set, port)
        if first_pass:
            self.n_outputs_ = port.n_outputs
            self._initialize([port.n_inputs, *sizes, port.n_outputs], X.dtype, random)
        if self.network_.dtype != port.dtype:  # as SciPy computes, and scikit-learn then
            self._set_network(self.network_.astype(port.dtype), self._recipe)
        if incremental and "_optimizer" in vars(self):
            check_optimizer(self._optimizer, self.network_.engine.gate)
        self._begin_validation(eval_set)
        return training_of(self, samples, held_out, random, of_several=of_several)

    def _check_parameters(self, incremental: bool) -> list[int]:
        """What scikit-learn's check of parameters leaves; returns the sizes of the hidden layers."""
        if incremental:  # of an estimator that is fitted scikit-learn does not check them
            self.check_parameters()
            if self.early_stopping:
                raise ValueError("partial_fit does not support early_stopping=True")
        check_schedule(self, incremental=incremental)
        check_callbacks(self.callback, "a function of the estimator, or a list of them")
        if self.preset is not None:
            return list(presets.settings_of(self).hidden)
        return hidden_sizes(self.hidden_layer_sizes)

    def _set_back(self, before: dict[str, Any]) -> None:
        """Undo what a refused call has done to the attributes."""
        for name in set(self.__dict__).difference(before):
            del self.__dict__[name]
        self.__dict__.update(before)

    def _port_of(self, X: Any, targets: Array, first_pass: bool) -> Port:
        """What the network takes, or will take when it is made."""
        if not first_pass and not checks.are_finite(self.network_.params):
            raise ValueError("coefs_ and intercepts_ must be finite where training goes on from them: set finite ones")
        port = Port(X.shape[1], targets.shape[1], X.dtype) if first_pass else self.network_.engine.gate.port
        return port._replace(dtype=np.dtype(np.float64)) if takes_all_samples(self) else port

    def _checked(self, X: Any, y: Any, *, reset: bool, learns: bool, evaluates: bool = False) -> tuple[Any, Array]:
        """(X, targets), as scikit-learn checks them; X may be sparse.

        `reset`, `learns`: the columns, and the classes, are those of this table from now on. `evaluates`: not all
        classes have to be there.
        """
        kinds = "iub" if isinstance(self, ClassifierMixin) else "iuf"
        if is_plain(X, y, kinds) and (reset or self._knows_width(X)):
            if reset:
                self.n_features_in_ = X.shape[1]
                self.__dict__.pop("feature_names_in_", None)
        else:
            check_whole(X, "X")
            check_whole(y, "y")
            X, y = self._validate(X, y, reset)
        targets = self._targets(y, X.dtype, learns, evaluates)
        return X, targets.reshape(-1, 1) if targets.ndim == 1 else targets

    def _knows_width(self, X: Array) -> bool:
        """Whether the estimator was fitted on so many columns, without names."""
        known = vars(self)
        return known.get("n_features_in_") == X.shape[1] and "feature_names_in_" not in known

    def _weights(self, X: Any, y: Any, sample_weight: Any) -> Array | None:
        """Weights of the samples, or None."""
        return None if sample_weight is None else np.asarray(check_sample_weight(sample_weight, X))

    def _strata(self, y: Array, targets: Array) -> Array:
        """Numbers by which folds have about the same share of each class; zeros without classes, or with several."""
        return np.zeros(len(targets), np.int64)

    def _initialize(self, sizes: list[int], dtype: np.dtype, random: RandomState) -> None:
        """A new network, and the attributes that a training fills."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._output_function()
        recipe = Recipe.of(self, len(sizes))
        if self.preset is not None:
            recipe = recipe._replace(hidden=hidden_of(presets.settings_of(self).activation, len(sizes)))
        self._set_network(make_network(recipe, sizes, dtype), recipe)
        if self.preset is not None:
            presets.draw_weights(self, self.network_, random)
        else:
            draw_weights(self, self.network_, self._views, random)
        if self.solver == "lbfgs" and self.alpha != EVIDENCE:
            return
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _samples(
        self, X: Any, targets: Array, weight: Array | None, port: Port | None = None, names: Names = ESTIMATOR
    ) -> CheckedSamples:
        """The arrays as kernels take them, a sparse X made dense. scikit-learn has looked for what is not finite."""
        port = port or self.network_.engine.gate.port
        inputs = presets.scaled(self, dense(X))
        samples = gate.samples(port, inputs, targets, weight, names=names, are_finite=True, signed=True)
        gate.check_weighted(samples, names.weight)
        return samples

    def _evaluation_set(self, eval_set: Any, port: Port) -> CheckedSamples | None:
        """The samples of `eval_set`, checked."""
        if eval_set is None:
            return None
        if not isinstance(eval_set, tuple | list) or len(eval_set) not in (2, 3):
            got = f"{len(eval_set)} of them" if isinstance(eval_set, tuple | list) else type(eval_set).__name__
            raise ValueError(f"eval_set must be (X, y) or (X, y, sample_weight); got {got}")
        X, targets = self._checked(eval_set[0], eval_set[1], reset=False, learns=False, evaluates=True)
        weight = np.asarray(check_sample_weight(eval_set[2], X)) if len(eval_set) == 3 else None
        return self._samples(X, targets, weight, port, ESTIMATOR.of("eval_set "))

    def _begin_validation(self, eval_set: Any) -> None:
        """A new curve, unless training goes on."""
        curve = vars(self).get("validation_loss_curve_")
        if self.n_iter_ == 0 or curve is None:
            self.validation_loss_curve_ = None if eval_set is None else []

    def _loss_grad_lbfgs(
        self, packed_coef_inter: Array, X: Array, y: Array, sample_weight: Array | None, *_lists: Any
    ) -> tuple[float, Array]:
        """Loss and gradient, under scikit-learn's private name for them."""
        self._update_network()
        order = Views.of(self.network_.topology, np.arange(self.network_.n_params)).pack()
        params = np.empty(len(order))
        params[order] = packed_coef_inter
        objective = Objective(self, self.network_, self._samples(X, y, sample_weight))
        return objective(params), objective.gradient(params)[order]

    def _check_solver(self) -> bool:
        if self.n_estimators > 1:
            raise AttributeError(
                f"partial_fit is only available for n_estimators=1; got {self.n_estimators}, whose networks have folds "
                "of a whole data set."
            )
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        if self.preset is not None:
            raise AttributeError(f"partial_fit is not available with preset={self.preset!r}, which needs all samples.")
        if self.alpha == EVIDENCE:
            raise AttributeError("partial_fit is not available with alpha='evidence', which needs all samples at once.")
        return True

    # ------------------------------------------------------------------ outputs

    def _outputs(self, X: Any) -> Array:
        """Outputs (n_samples, n_outputs).

        A few rows that need no conversion go straight to the kernel, which finds out itself if they are not finite.
        """
        known = vars(self)
        if is_collection(X):
            return np.concatenate([self._outputs(block) for block in blocks_in_turn(X)])
        if ensemble.has_several(self):
            return ensemble.mean_and_spread(self, self._checked_inputs(X))[0]
        views = known.get("_views")
        if (
            views is not None
            and "feature_names_in_" not in known
            and not presets.has_scaling(self)
            and views.hold(known.get("coefs_"), known.get("intercepts_"))
            and known["activation"] is known["_recipe"].activation
        ):
            outputs = self.network_.few_outputs(X)
            if outputs is not None:
                return outputs
        return self._outputs_of_checked(self._checked_inputs(X))

    def _outputs_of_checked(self, X: Any) -> Array:
        """Outputs of one network for samples that `_checked_inputs`, or a fit, has passed."""
        n_threads = n_threads_of(self.n_jobs)
        if not sparse.issparse(X):
            return outputs_of(self.network_, self._inputs(X), n_threads)
        step = max(1, CHUNK_NUMBERS // X.shape[1])
        rows = X.tocsr()
        chunks = (rows[start : start + step] for start in range(0, X.shape[0], step))
        return np.concatenate([outputs_of(self.network_, self._inputs(chunk), n_threads) for chunk in chunks])

    def _checked_inputs(self, X: Any) -> Any:
        """X as scikit-learn checks it, and a network that has taken over what was set."""
        check_is_fitted(self)
        check_whole(X, "X")
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if not ensemble.has_several(self):
            self._update_network()
        return X

    def gradient_(self, X: Any) -> Array:
        """Compute the derivatives of the outputs by the inputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_outputs, n_features)
            Of what `predict` returns for numbers; for classes, of the probabilities that the outputs are.
        """
        X = self._checked_inputs(X)
        if ensemble.has_several(self):
            mean: Array = np.mean([member.gradient_(X) for member in self.estimators_], axis=0)
            return mean
        gradient: Array = self.network_.input_gradient(self._inputs(X).x, n_threads=n_threads_of(self.n_jobs))
        if presets.has_scaling(self):
            gradient = gradient * presets.slope_of_scaling(self, dense(X))[:, np.newaxis].astype(gradient.dtype)
        return gradient

    def _inputs(self, X: Any) -> CheckedSamples:
        return gate.inputs(self.network_.engine.gate.port, presets.scaled(self, dense(X)), are_finite=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
