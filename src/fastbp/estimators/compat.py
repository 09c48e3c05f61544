"""Everything of scikit-learn's that is not public, in one place: what a new release may move or rename."""

from typing import Any

import scipy
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.optimize import _check_optimize_result as check_optimize_result
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

_SCIPY = tuple(int(part) for part in scipy.__version__.split(".")[:2])
SAYS_NOTHING = (1, 15)  # the first SciPy whose L-BFGS-B prints nothing, and deprecates the option that it printed by


def lbfgs_options(verbose: bool | int) -> dict[str, Any]:
    """How much SciPy's L-BFGS-B prints, as an option for those that still do."""
    return {} if _SCIPY >= SAYS_NOTHING else {"iprint": 1 if verbose else -1}


__all__ = [
    "Interval",
    "Options",
    "StrOptions",
    "check_optimize_result",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "lbfgs_options",
]
