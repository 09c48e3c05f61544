"""The scikit-learn estimators: what a whole `fit` costs, and a prediction of one row."""

import warnings

import numpy as np

from fastbp import MLPClassifier, MLPRegressor

from .common import DTYPES

SETS = {"small": (150, 4), "middling": (1500, 64)}  # samples and features: those of iris and digits


def rows_and_classes(size, dtype):
    """Random rows in three classes that can be told apart."""
    n_samples, n_features = SETS[size]
    rng = np.random.default_rng(0)
    classes = rng.integers(3, size=n_samples)
    return (rng.standard_normal((n_samples, n_features)) + classes[:, None]).astype(dtype), classes


class Classifier:
    """25 epochs, fewer than it takes to converge."""

    params = (["adam", "sgd", "lbfgs"], list(SETS), DTYPES)
    param_names = ("solver", "size", "dtype")

    def setup(self, solver, size, dtype):
        warnings.simplefilter("ignore")
        self.X, self.y = rows_and_classes(size, dtype)
        self.classifier = MLPClassifier(solver=solver, max_iter=25, random_state=0).fit(self.X, self.y)

    def time_fit(self, solver, size, dtype):
        self.classifier.fit(self.X, self.y)

    def time_predict_one_row(self, solver, size, dtype):
        self.classifier.predict(self.X[:1])


class EarlyStopping:
    """Scores of held-out samples after each epoch, and shuffles."""

    def setup(self):
        warnings.simplefilter("ignore")
        self.X, y = rows_and_classes("small", "float64")
        self.y = y.astype("float64")
        self.regressor = MLPRegressor(early_stopping=True, max_iter=25, random_state=0).fit(self.X, self.y)

    def time_fit(self):
        self.regressor.fit(self.X, self.y)
