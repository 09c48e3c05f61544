"""What a training counts and keeps as attributes, which a user may have set meanwhile: looked at before it goes on."""

from numbers import Real
from typing import Any

from fastbp import checks

MOST_SEEN = 1 << 62  # samples, so that their number can be added to in 64 bits
_COUNTS = {"t_": MOST_SEEN, "n_iter_": MOST_SEEN, "_no_improvement_count": MOST_SEEN}
_ABSENT_AFTER_LBFGS = ("_no_improvement_count", "loss_curve_")
_BEST = ("best_loss_", "best_validation_score_")
_CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


def check_counts(estimator: Any) -> None:
    """Refuse counts, losses and curves that a training cannot go on with; counts become Python's integers.

    Raises
    ------
    ValueError, TypeError
        For counts that are no integers from 0 on, bests that are no numbers, curves that are no lists.
    """
    known = vars(estimator)
    for name, most in _COUNTS.items():
        if name in known or name not in _ABSENT_AFTER_LBFGS:
            known[name] = checks.integer(known.get(name), name, minimum=0, maximum=most)
    for name in _BEST:
        value = known.get(name)
        if value is not None and (not isinstance(value, Real) or isinstance(value, bool)):
            raise TypeError(f"{name} must be a number, or None before there is one; got {checks.described(value)}")
    for name in _CURVES:
        value = known.get(name)
        is_needed = name == "loss_curve_" and name in known
        is_needed |= name == "validation_scores_" and known.get("best_validation_score_") is not None
        if not isinstance(value, list) and (is_needed or value is not None):
            raise TypeError(f"{name} must be a list, which the next epochs are added to; got {checks.described(value)}")
