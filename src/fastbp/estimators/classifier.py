"""scikit-learn's classifier on fastbp's kernels: the same signature and numbers, and more.

Parameters that scikit-learn has mean what they mean there; docs/scikit-learn.md has a table of all of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from fastbp import checks
from fastbp.checks import Array
from fastbp.estimators import ensemble
from fastbp.estimators.base import FRACTION, BaseMLP
from fastbp.estimators.compat import StrOptions, check_partial_fit_first_call, fit_context
from fastbp.estimators.labels import decode, encode, fit_binarizer, labels_of, refuse_no_times
from fastbp.estimators.minimising import EVIDENCE, evidence_of


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron classifier: `sklearn.neural_network.MLPClassifier`, faster, and with more options.

    Parameters
    ----------
    hidden_layer_sizes, batch_size, learning_rate_init, power_t, max_iter, shuffle, \
random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, \
beta_2, epsilon, n_iter_no_change, max_fun
        As in scikit-learn, with the same defaults.
    solver : str
        scikit-learn's, "lbfgs", "sgd" and "adam"; "rmsprop", or "rprop" (batch learning); or one of fastbp's minimisers
        "lm" (Levenberg-Marquardt), "scg", "cg" and "newton_cg", which take all samples at once in float64, and end
        where the gradient is shorter than `tol`.
    learning_rate : str
        scikit-learn's, "constant", "invscaling" and "adaptive", for "sgd"; or "linear", "cosine", "coslog4" or "step"
        of `fastbp.schedules`, over `max_iter` epochs of a fit, for "sgd", "adam" and "rmsprop".
    alpha : float or "evidence"
        Strength of the L2 penalty. "evidence": found from the data, for each input, see `fastbp.Network.fit_evidence`;
        `solver` has no meaning then, and `max_iter` bounds the steps of each of three beginnings.
    activation : str, Activation, or a list of them
        Function of the hidden layers: one for all, or one for each. Any of `fastbp.activations.ACTIVATIONS` that has
        a derivative, or a `fastbp.Activation`.
    class_weight : "balanced", dict {class: weight}, or None
        Weights of the classes, which multiply those of the samples.
    dropout : float or sequence of float
        Probability with which a hidden unit is left out in training, one for all layers or one for each. Not for
        "lbfgs".
    label_smoothing : float
        How much of a class's target is shared evenly by all classes, in [0, 1): what is learned is ``(1 -
        label_smoothing) t + label_smoothing / n_classes``, and `loss_` is so. Not for "lbfgs" and minimisers.
    l1 : float
        Strength of the L1 penalty, divided by the sample size as `alpha` is.
    skip : "all" or sequence of (int, int)
        Connections that skip layers: see `fastbp.Network`.
    callback : function or list of functions, optional
        Called after each epoch, or iteration of "lbfgs", as callback(estimator); a true return value stops the
        training.
    progress : bool
        Whether to draw a progress bar on standard error (needs ``fastbp[cli]``).
    n_jobs : int or None
        Threads to use; None or -1: as many as pay. The results are the same bits for any number.
    n_estimators : int
        Networks, one or at least 3, whose mean answers. The samples are cut into as many parts: network k does not see
        part k, is stopped by the next one as `early_stopping` does it, and learns from the others. By "lbfgs", which
        nothing stops, it learns from the next one, too.
    preset : "realmlp" or None
        Settings that were found together, for the parameters that are at their defaults. "realmlp": three layers of 256
        selu (mish for numbers); inputs, by column, less the median, divided by the distance of the quartiles, and
        smoothly clipped; Adam in 256 epochs of batches of 256, its rate by the schedule "coslog4" from 0.04 (0.2 for
        numbers), divided by the root of the inputs for weights, by 10 for biases; dropout 0.15; label smoothing 0.1;
        the epoch with the lowest loss of `eval_set`, or of the `validation_fraction`, counts. What it has not of
        Holzmüller et al. (2024): embeddings of numbers and scales of inputs that are learned, parameters of the
        activation functions, weight decay, initial biases from the data, schedules of dropout, and predictions cut off
        at the range of the targets. `network_` takes inputs as they are scaled.

    Attributes
    ----------
    estimators_ : list of MLPClassifier
        With `n_estimators` above 1: one for each network. `network_`, `coefs_` and curves are theirs.
    oof_score_, oof_decision_function_ : float, array (n_samples, n_classes)
        Accuracy and probabilities of the samples of `fit`, each by the network that has not seen it.
    network_ : fastbp.Network
        The network underneath.
    coefs_, intercepts_ : lists of arrays (n_in, n_out) and (n_out,)
        Views of the parameters of `network_`: what is written into them changes predictions.
    validation_loss_curve_ : list of float, or None
        Loss of `eval_set` after each epoch, or iteration of "lbfgs"; without the penalty.
    evidence_ : Evidence
        With ``alpha="evidence"``: noise, decays, relevance and intervals, see `fastbp.Network.fit_evidence`.
    input_centre_, input_scale_ : arrays (n_features,)
        With a preset: what is subtracted from the columns, and what they are divided by.
    classes_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_, n_layers_, \
n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from fastbp import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier(solver="lbfgs", max_iter=500, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.97
    True
    """

    loss = "log_loss"
    _constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "label_smoothing": [FRACTION],
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        dropout: Any = 0.0,
        label_smoothing: float = 0.0,
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None) -> "MLPClassifier":
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A sparse matrix is made dense, once. Of dask's arrays and data frames, what is large for the memory is read
            block by block.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix.
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Train for one epoch, from where the last call stopped.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,)
            All classes; needed in the first call.

        Returns
        -------
        self
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight 'balanced' is not supported for partial_fit, which sees no whole data set")
        with self._unchanged_if_never_fitted():
            if check_partial_fit_first_call(self, classes):
                multilabel = type_of_target(y).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
            self._fit(X, y, sample_weight, incremental=True)
        return self

    @contextmanager
    def _unchanged_if_never_fitted(self) -> Iterator[None]:
        """A first call that is refused leaves no classes behind."""
        try:
            yield
        except Exception:
            if not hasattr(self, "coefs_"):
                self.__dict__.pop("classes_", None)
            raise

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        refuse_no_times(X, "X", "numbers")
        refuse_no_times(y, "y", "classes")
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _targets(self, y: Array, dtype: np.dtype, learns: bool, evaluates: bool) -> Array:
        """Targets of 0 and 1; learns the classes, or checks that they are the known ones."""
        if learns or not hasattr(self, "classes_"):
            self._label_binarizer = fit_binarizer(y)
            self.classes_ = self._label_binarizer.classes_
            return encode(self._label_binarizer, y, dtype)
        classes = labels_of(y)
        if self.warm_start and not evaluates and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return encode(self._label_binarizer, y, dtype)

    def _weights(self, X: Any, y: Any, sample_weight: Any) -> Array | None:
        weight = super()._weights(X, y, sample_weight)
        if self.class_weight is None:
            return weight
        of_classes = np.asarray(compute_sample_weight(self.class_weight, y))
        return of_classes if weight is None else weight * of_classes

    def _output_function(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _strata(self, y: Array, targets: Array) -> Array:
        if not self._label_binarizer.y_type_.startswith(("binary", "multiclass")):
            return super()._strata(y, targets)
        return np.asarray(targets.reshape(len(targets), -1) @ np.arange(1, targets[0].size + 1), np.int64)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool
            Whether to return the spread of the networks, too: the standard deviation of the probability of what is
            predicted. With `n_estimators` above 1.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_labels)
        std : array of the same shape
            Only with `return_std`.
        """
        if not checks.flag(return_std, "return_std"):
            outputs = self._outputs(X)
            return decode(self._label_binarizer, outputs)
        if not ensemble.has_several(self):
            raise ValueError("return_std needs a fit with n_estimators of 3 or more")
        mean, spread = ensemble.mean_and_spread(self, self._checked_inputs(X))
        if mean.shape[1] > 1 and self._label_binarizer.y_type_ == "multiclass":
            spread = np.take_along_axis(spread, mean.argmax(axis=1)[:, np.newaxis], axis=1)
        return decode(self._label_binarizer, mean), spread.ravel() if spread.shape[1] == 1 else spread

    def predict_proba(self, X: Any) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        outputs = self._outputs(X) if self.alpha != EVIDENCE else self._moderated(X)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def _moderated(self, X: Any) -> Array:
        """The outputs, moderated by what is not known of the weights."""
        X = self._inputs(self._checked_inputs(X)).x
        moderated: Array = evidence_of(self).predict(X)
        return moderated

    def predict_log_proba(self, X: Any) -> Array:
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
