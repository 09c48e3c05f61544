"""scikit-learn's estimators on fastbp's kernels: the same signatures and numbers, and more."""

from fastbp.estimators.perceptrons import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
