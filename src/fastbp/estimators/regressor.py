"""scikit-learn's regressor on fastbp's kernels: the same signature and numbers, and more.

Parameters that scikit-learn has mean what they mean there; docs/scikit-learn.md has a table of all of them.
"""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from fastbp import checks
from fastbp.activations import TRAINABLE, Activation
from fastbp.checks import Array
from fastbp.estimators import ensemble
from fastbp.estimators.base import BaseMLP
from fastbp.estimators.compat import Interval, StrOptions, fit_context
from fastbp.estimators.labels import FLOATS, refuse_no_times
from fastbp.estimators.minimising import predict_with_std
from fastbp.estimators.network import name_of


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron regressor: `sklearn.neural_network.MLPRegressor`, faster, and with more options.

    Parameters
    ----------
    loss : "squared_error", "poisson", "absolute_error", "huber" or "quantile"
        What is made small. "squared_error" is reported as a mean over the outputs, as in scikit-learn, the others as
        sums; "huber" turns from square to straight at errors of 1.
    quantile : float
        The quantile of the targets that `loss` "quantile" approaches.
    output_activation : str, Activation or None
        Function of the outputs, "logistic" for ones in (0, 1), say. None: "exp" for "poisson", otherwise "identity".
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, l1, skip, \
callback, progress, n_jobs, n_estimators, preset
        As in `MLPClassifier`.

    Attributes
    ----------
    estimators_ : list of MLPRegressor
        With `n_estimators` above 1: one for each network. `network_`, `coefs_` and curves are theirs.
    oof_score_, oof_prediction_ : float, array (n_samples,) or (n_samples, n_outputs)
        R2 and predictions of the samples of `fit`, each by the network that has not seen it.
    network_, coefs_, intercepts_, validation_loss_curve_, loss_, loss_curve_, best_loss_, validation_scores_, \
best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_, \
evidence_
        As in `MLPClassifier`.

    Examples
    --------
    >>> from fastbp import MLPRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = MLPRegressor(hidden_layer_sizes=8, solver="lbfgs", random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.5
    True
    """

    _constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._constraints,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber", "quantile"})],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "output_activation": [StrOptions(set(TRAINABLE)), Activation, None],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float | str = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        quantile: float = 0.5,
        output_activation: Any = None,
        dropout: Any = 0.0,
        l1: float = 0.0,
        skip: Any = (),
        callback: Any = None,
        progress: bool = False,
        n_jobs: int | None = None,
        n_estimators: int = 1,
        preset: str | None = None,
    ) -> None:
        self._keep(locals())

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None) -> "MLPRegressor":
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A sparse matrix is made dense, once. Of dask's arrays and data frames, what is large for the memory is read
            block by block.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            Weights.
        eval_set : (X, y) or (X, y, sample_weight), optional
            Its loss is taken after each epoch. With `early_stopping` its score decides, and nothing is held out.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, eval_set)
        return self

    @available_if(BaseMLP._check_solver)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch, from where the last call stopped.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        refuse_no_times(X, "X", "numbers")
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        y = checks.numeric(y, "y")
        y = checks.finite(y, "y", y.dtype if y.dtype in FLOATS else np.dtype(np.float64))
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _targets(self, y: Array, dtype: np.dtype, learns: bool, evaluates: bool) -> Array:
        return y

    def _output_function(self) -> str:
        if self.output_activation is not None:
            return name_of(self.output_activation)
        return "exp" if self.loss == "poisson" else "identity"

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool
            Whether to return standard deviations, too: of the targets, noise included, after a fit with
            ``alpha="evidence"``; with `n_estimators` above 1 of the networks' predictions, their spread.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_outputs)
        std : array of the same shape
            Only with `return_std`.
        """
        wants_std = checks.flag(return_std, "return_std")
        if wants_std and ensemble.has_several(self):
            both = ensemble.mean_and_spread(self, self._checked_inputs(X))
            return tuple(one.ravel() if one.shape[1] == 1 else one for one in both)
        if wants_std:
            return predict_with_std(self, self._inputs(self._checked_inputs(X)).x)
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
