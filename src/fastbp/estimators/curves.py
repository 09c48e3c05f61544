"""The curves of losses and scores that an estimator keeps."""

from typing import Any

import numpy as np


def begin_curves(est: Any) -> None:
    """What a training before this one has not kept: it had another solver, or did not stop early."""
    known = vars(est)
    known.setdefault("loss_curve_", [])
    known.setdefault("_no_improvement_count", 0)
    if est.early_stopping and known.get("best_validation_score_") is None:
        est.validation_scores_, est.best_validation_score_ = [], -np.inf
    if not est.early_stopping and known.get("best_loss_") is None:
        est.best_loss_ = np.inf
