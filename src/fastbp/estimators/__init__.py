"""scikit-learn's estimators on fastbp's kernels: the same signatures and numbers, and more.

What is scikit-learn's own comes from `compat.py` alone; no kernel is called but through the gate.
"""

from fastbp.estimators.classifier import MLPClassifier
from fastbp.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
