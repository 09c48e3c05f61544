"""scikit-learn's estimators on fastbp's kernels: the same signatures and numbers, and more."""

from fastbp.estimators.classifier import MLPClassifier
from fastbp.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
