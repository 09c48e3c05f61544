"""Class labels and targets for the estimators: encoding, and the scores that stop a training.

`LabelBinarizer` and `validate_data` take a millisecond together, as long as a small network's training: arrays
that are plainly right go a shorter way to the same result. Everything else, every mistake among it, goes theirs.
"""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import unique_labels

from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.kernels.training import scores
from fastbp.kernels.training.scores import Scorer

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def refuse_no_times(values: Any, argument: str, wanted: str) -> None:
    """Refuse dates that are none: a number to scikit-learn, -9.2e18, and as a target each a class of its own."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM" and np.isnat(values).any():
        place = ", ".join(map(str, np.argwhere(np.isnat(values))[0]))
        raise TypeError(f"{argument} must hold {wanted}; {argument}[{place}] is NaT")


def is_plain(X: Any, y: Any, kinds: str) -> bool:
    """Whether X and y are NumPy arrays that need neither conversion nor complaint; `kinds`: of y's dtype."""
    if type(X) is not np.ndarray or type(y) is not np.ndarray or X.ndim != 2 or y.ndim != 1:
        return False
    if not X.size or len(X) != len(y) or y.dtype.kind not in kinds:
        return False
    if X.dtype not in FLOATS or not X.dtype.isnative:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()) and (y.dtype.kind not in "f" or np.isfinite(y.sum())))


def _has_simple_labels(y: Array) -> bool:
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iubU"


def _is_suspicious(n_classes: int, n_samples: int) -> bool:
    """Whether scikit-learn might warn that so many classes look like numbers."""
    return 2 * n_classes >= n_samples


def fit_binarizer(y: Array) -> LabelBinarizer:
    """A fitted `LabelBinarizer`."""
    binarizer = LabelBinarizer()
    if _has_simple_labels(y) and not _is_suspicious(len(classes := np.unique(y)), len(y)):
        binarizer.classes_, binarizer.sparse_input_ = classes, False
        binarizer.y_type_ = "multiclass" if len(classes) > 2 else "binary"
        return binarizer
    return binarizer.fit(y)


def labels_of(y: Array) -> Array:
    """The labels in y."""
    if _has_simple_labels(y) and not _is_suspicious(len(classes := np.unique(y)), len(y)):
        return classes
    return np.asarray(unique_labels(y))


def encode(binarizer: LabelBinarizer, y: Array, dtype: np.dtype) -> Array:
    """Targets (n_samples, n_outputs), 0 and 1, of labels that the binarizer knows."""
    classes = binarizer.classes_
    simple = _has_simple_labels(y) and classes.dtype.kind == y.dtype.kind and len(classes) > 1
    if not simple or _is_suspicious(len(classes), len(y)) or binarizer.y_type_.startswith("multilabel"):
        return np.ascontiguousarray(binarizer.transform(y), dtype=dtype)
    if len(classes) == 2:
        return np.asarray(y == classes[1], dtype).reshape(-1, 1)
    targets = np.zeros((len(y), len(classes)), dtype)
    targets[np.arange(len(y)), np.searchsorted(classes, y)] = 1.0
    return targets


def decode(binarizer: LabelBinarizer, outputs: Array) -> Array:
    """Labels from the network's outputs."""
    classes = binarizer.classes_
    if binarizer.y_type_ == "multiclass":
        return np.asarray(classes.take(outputs.argmax(axis=1)))
    if binarizer.y_type_ == "binary" and len(classes) == 2:
        return np.asarray(classes.take(outputs[:, 0] > 0.5))
    return np.asarray(binarizer.inverse_transform(outputs[:, 0] if outputs.shape[1] == 1 else outputs))


def scorer_of(estimator: Any, held_out: CheckedSamples) -> Scorer:
    """What scores held-out samples: by their accuracy, or by R2, the numbers of scikit-learn's functions."""
    t, weight = held_out.t, held_out.weight
    deviation = np.zeros(t.shape[1])
    if isinstance(estimator, ClassifierMixin):
        binarizer = estimator._label_binarizer
        kind = scores.LARGEST if binarizer.y_type_.startswith("multiclass") else scores.THRESHOLD
        kind = scores.ONE if len(binarizer.classes_) == 1 else kind
    else:
        w = weight.reshape(-1, 1) if weight.size else np.ones((1, 1))
        mean = np.average(t, axis=0, weights=weight if weight.size else None)
        kind, deviation = scores.R2, (w * (t - mean) ** 2).sum(axis=0, dtype=np.float64)
    return Scorer(kind, held_out.arrays, np.empty_like(t), deviation)


def no_scorer(samples: CheckedSamples, numbers: Array) -> Scorer:
    """The scorer of a training without scores; the arrays stand where it would have its own."""
    return Scorer(scores.NOTHING, samples.arrays, samples.t, numbers)


def refuse_smoothing(estimator: Any, what: str) -> None:
    """Refuse label smoothing, which solvers that step along gradients know."""
    if estimator.label_smoothing:
        raise ValueError(f"label_smoothing must be 0 for {what}; got {estimator.label_smoothing}")
