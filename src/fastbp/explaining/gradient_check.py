"""`check_gradient`: whether the gradient is the derivative of the loss."""

from dataclasses import dataclass

import numpy as np

from fastbp.checks import Array
from fastbp.model.computing import ComputingNetwork


@dataclass(frozen=True)
class GradientCheck:
    """The parameter at which gradient and differences disagree most.

    Attributes
    ----------
    worst : float
        abs(analytic - numeric), divided by the largest of abs(analytic), abs(numeric) and a thousandth of
        the largest abs(numeric) of all.
    index : int
        Number of the parameter.
    analytic, numeric : float
        Its component of the gradient, and of the differences.
    """

    worst: float
    index: int
    analytic: float
    numeric: float


def check_gradient(net: ComputingNetwork, X: Array, T: Array, sample_weight: Array | None = None) -> GradientCheck:
    """Compare every component of the gradient with central differences of the loss, in float64.

    Parameters
    ----------
    net : Network
        Left as it is.
    X, T, sample_weight
        As in `Network.gradient`. A handful of samples is enough: the loss is computed four times for each
        parameter.

    Returns
    -------
    GradientCheck
        `worst` is about 1e-7 or less if the derivatives of the activation functions are right. Larger
        values also come from a kink (of relu, say) within a step of the point: look at `index`.

    Examples
    --------
    >>> import math, numpy as np, fastbp
    >>> wrong = fastbp.Activation("wrong", lambda a: a * a, lambda a: a)
    >>> net = fastbp.Network((2, 3, 1), activation=wrong, seed=0)
    >>> rng = np.random.default_rng(0)
    >>> fastbp.check_gradient(net, rng.normal(size=(5, 2)), rng.normal(size=5)).worst > 0.1
    True
    """
    if not isinstance(net, ComputingNetwork):
        raise TypeError(f"net must be a fastbp.Network; got {net!r}")
    exact = net.astype(np.float64)
    _, analytic = exact.gradient(X, T, sample_weight)
    numeric = np.array([central_difference(exact, p, X, T, sample_weight) for p in range(exact.n_params)])
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), 1e-3 * np.abs(numeric).max())
    differences = np.abs(analytic - numeric)
    relative = np.divide(differences, scale, out=np.zeros_like(scale), where=scale > 0)
    worst = int(np.argmax(relative))
    return GradientCheck(float(relative[worst]), worst, float(analytic[worst]), float(numeric[worst]))


def central_difference(
    net: ComputingNetwork, place: int, X: Array, T: Array, sample_weight: Array | None = None
) -> float:
    """dE/dparams[place] from four losses; `net` is of float64, and is as it was afterwards."""
    params = net.params
    center = params[place]
    slopes = []
    for step in (step_of(center), 2 * step_of(center)):
        errors = []
        for value in (center + step, center - step):
            params[place] = value
            errors.append(net.loss(X, T, sample_weight))
        slopes.append((errors[0] - errors[1]) / ((center + step) - (center - step)))
    params[place] = center
    # What the third derivative adds to the second is four times what it adds to the first: at a minimum that is all.
    return float((4 * slopes[0] - slopes[1]) / 3)


def step_of(parameter: float) -> float:
    """The step of a difference: it balances rounding, which grows as it shrinks, against higher derivatives."""
    return float(np.cbrt(np.finfo(np.float64).eps)) * max(1.0, abs(parameter))
