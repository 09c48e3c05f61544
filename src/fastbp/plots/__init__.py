"""Pictures of networks and trainings, with matplotlib: each function draws into `ax`, or a new figure, and returns it.

Colours follow the figure's style: on dark axes they are light. Nothing here needs a display, or computes what a
network has not.

>>> from fastbp import plots
>>> ax = plots.network(net.explain(x, t))  # doctest: +SKIP
"""

from fastbp.plots.axes import PICTURE_SUFFIXES
from fastbp.plots.columns import draw_calibration, draw_importance, draw_predictions
from fastbp.plots.files import SOFTWARE, save
from fastbp.plots.fits import (
    confusion_matrix,
    decision_boundary,
    draw_regression,
    draw_residuals,
    regression,
    residuals,
)
from fastbp.plots.histograms import Recorder, histograms
from fastbp.plots.importance import importance, olden
from fastbp.plots.learning import draw_learning_curve, learning_curve
from fastbp.plots.network import error_signal, network, save_error_signal

__all__ = [
    "PICTURE_SUFFIXES",
    "SOFTWARE",
    "Recorder",
    "confusion_matrix",
    "decision_boundary",
    "draw_calibration",
    "draw_importance",
    "draw_learning_curve",
    "draw_predictions",
    "draw_regression",
    "draw_residuals",
    "error_signal",
    "histograms",
    "importance",
    "learning_curve",
    "network",
    "olden",
    "regression",
    "residuals",
    "save",
    "save_error_signal",
]
