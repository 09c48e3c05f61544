"""Everything of scikit-learn's that is not public, in one place: what a new release may move or rename."""

from numbers import Integral
from typing import Any, ClassVar

import scipy
from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.optimize import _check_optimize_result as check_optimize_result
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

_SCIPY = tuple(int(part) for part in scipy.__version__.split(".")[:2])
SAYS_NOTHING = (1, 15)  # the first SciPy whose L-BFGS-B prints nothing, and deprecates the option that it printed by

MAX_VALID = 1024
_VALID: set[Any] = set()  # parameters that were found valid
_SIMPLE = {bool, int, float, str, type(None)}


class Count(Interval):
    """Integers from 1 on, and not True, which Python takes for one."""

    def __init__(self) -> None:
        super().__init__(Integral, 1, None, closed="left")

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether it is one of them."""
        return not isinstance(val, bool) and bool(super().is_satisfied_by(val))


class CheckedParameters(BaseEstimator):
    """An estimator whose parameters scikit-learn checks, as it does those of its own: by `_constraints`."""

    _constraints: ClassVar[dict[str, list[Any]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._parameter_constraints = cls._constraints

    def check_parameters(self) -> None:
        """Refuse what scikit-learn refuses."""
        self._validate_params()

    def _validate_params(self) -> None:
        """scikit-learn's check, once for the same parameters: it takes as long as ten epochs of a small network."""
        values = tuple(map(vars(self).get, self._parameter_constraints))
        types = tuple(map(type, values))
        inner = {type(item) for value in values if type(value) is tuple for item in value}
        if not _SIMPLE.issuperset(inner.union(types) - {tuple}) or tuple in inner:
            super()._validate_params()
            return
        key = (type(self), types, values)
        if key not in _VALID:
            super()._validate_params()
            if len(_VALID) >= MAX_VALID:
                _VALID.clear()
            _VALID.add(key)


def lbfgs_options(verbose: bool | int) -> dict[str, Any]:
    """How much SciPy's L-BFGS-B prints, as an option for those that still do."""
    return {} if _SCIPY >= SAYS_NOTHING else {"iprint": 1 if verbose else -1}


__all__ = [
    "CheckedParameters",
    "Count",
    "Interval",
    "Options",
    "StrOptions",
    "check_optimize_result",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "lbfgs_options",
]
