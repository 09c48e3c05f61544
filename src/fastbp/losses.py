"""`Loss` and the table of losses: E_n of a sample and its derivative are in `kernels/formulas/losses.py`.

With y the outputs and t the targets of a sample, summed over the outputs:

=====================  ============================================  =======================
name                   E_n                                           canonical with
=====================  ============================================  =======================
squared_error          1/2 (y - t)**2                                identity
sse                    (y - t)**2
cross_entropy          -t ln y                                       softmax
binary_cross_entropy   -t ln y - (1 - t) ln(1 - y)                   logistic
poisson                y - t ln y                                    exp
absolute_error         abs(y - t)
huber                  1/2 d**2 if abs(d) <= c, else
                       c (abs(d) - c/2), d = y - t; c is the
                       option threshold, 1
quantile               q (t - y) if t > y, else (1 - q) (y - t);
                       q is the option quantile, 0.5
=====================  ============================================  =======================

In a canonical pair delta_k = y_k - t_k (5.54), and the last three are computed from a_k, exactly even
where y rounds to 0 or 1. Any other pair takes the chain rule, delta_k = dE_n/dy_k h'(a_k); there y, and
1 - y, are kept at or above the smallest normal number before a logarithm is taken. What overflows, e**a or a
square, makes E_n infinite, with a warning: `docs/accuracy.md` says where.
"""

from dataclasses import KW_ONLY, dataclass, fields

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.kernels import codes

LOSSES = codes.OF_LOSS

# Loss with an option -> the option's name, its default, and what it lies below (and above 0)
_OPTIONS = {"huber": ("threshold", 1.0, np.inf), "quantile": ("quantile", 0.5, 1.0)}

# Losses whose targets are bounded: (lowest, highest)
_TARGET_RANGE = {"cross_entropy": (0.0, 1.0), "binary_cross_entropy": (0.0, 1.0), "poisson": (0.0, np.inf)}


@dataclass(frozen=True)
class Loss:
    """A loss with an option of its own. Where the default will do, its name is enough.

    Parameters
    ----------
    name : str
        Name of the loss, see `fastbp.losses`.
    threshold : float
        Of "huber": the difference from which on the error grows linearly. Default 1.
    quantile : float
        Of "quantile": the quantile of the targets that the outputs are to approach, between 0 and 1.
        Default 0.5, the median.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or an option that makes no sense or belongs to another loss.

    Examples
    --------
    Nine tenths of the targets lie below what the network comes to predict:

    >>> import fastbp
    >>> net = fastbp.Network((4, 16, 1), loss=fastbp.Loss("quantile", quantile=0.9))
    """

    name: str
    _: KW_ONLY
    threshold: float | None = None
    quantile: float | None = None

    def __post_init__(self) -> None:
        checks.name_of(self.name, LOSSES, "name")
        own, default, high = _OPTIONS.get(self.name, ("", 0.0, 0.0))
        for option in (field.name for field in fields(self)[1:]):
            value = getattr(self, option)
            if option == own:
                checked = default if value is None else checks.number(value, option, high=high, low_open=True)
                object.__setattr__(self, option, checked)
            elif value is not None:
                raise ValueError(f"{option} must be left out for loss {self.name!r}; got {value!r}")

    @property
    def options(self) -> dict[str, float]:
        """The option by its name; empty for a loss without one."""
        return {field.name: value for field in fields(self)[1:] if (value := getattr(self, field.name)) is not None}

    @property
    def code(self) -> int:
        """What the kernels call the loss."""
        return LOSSES[self.name]

    @property
    def number(self) -> float:
        """The option as the kernels take it; 0 without one."""
        return float(sum(self.options.values()))

    def __str__(self) -> str:
        return " ".join([self.name, *(f"({option} {value:g})" for option, value in self.options.items())])


def resolve(loss: object) -> Loss:
    """A `Loss` from what a user passes: one, or a name."""
    return loss if isinstance(loss, Loss) else Loss(checks.name_of(loss, LOSSES, "loss"))


SMOOTHED = {"cross_entropy", "binary_cross_entropy"}  # losses of classes


def check_smoothing(loss: Loss, smoothing: float) -> None:
    """Refuse label smoothing of a loss whose targets are no classes."""
    if smoothing and loss.name not in SMOOTHED:
        raise ValueError(
            f"label_smoothing must be 0 for loss {loss.name!r}: it goes with {' and '.join(sorted(SMOOTHED))}; "
            f"got {smoothing:g}"
        )


def learning_option(loss: Loss, smoothing: float) -> float:
    """The number that kernels take beside a loss while a network learns: its option, or how targets are smoothed."""
    return smoothing if loss.name in SMOOTHED else loss.number


def check_targets(loss: str, targets: Array, argument: str = "T") -> None:
    """Raise a ValueError for targets that the loss is not defined for."""
    if loss not in _TARGET_RANGE:  # of any finite targets, which need no look
        return
    low, high = _TARGET_RANGE[loss]
    if targets.size and (targets.min() < low or targets.max() > high):
        n, k = (int(i) for i in np.argwhere((targets < low) | (targets > high))[0])
        bounds = f"between {low:g} and {high:g}" if high < np.inf else f"at least {low:g}"
        raise ValueError(f"{argument} must be {bounds} for loss {loss!r}; {argument}[{n}, {k}] is {targets[n, k]:g}")
