"""Targets as they are learned: label smoothing (Szegedy et al. 2016), of the losses of classes.

How much is the loss's option while a network learns; anywhere else that is 0, and targets are what they are.
"""

from typing import Any

from fastbp.kernels.codes import BINARY_CROSS_ENTROPY, CROSS_ENTROPY
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import fma


@kernel
def same_target(t, option, n_outputs):
    """The target itself."""
    return t


@kernel
def smoothed_target(t, smoothing, n_outputs):
    """(1 - smoothing) t + smoothing / K: of K classes, an output for each."""
    return fma(1.0 - smoothing, t, smoothing / n_outputs)


@kernel
def smoothed_side(t, smoothing, n_outputs):
    """(1 - smoothing) t + smoothing / 2: of the two classes that each output tells apart."""
    return fma(1.0 - smoothing, t, smoothing / 2.0)


_SMOOTHED = {CROSS_ENTROPY: smoothed_target, BINARY_CROSS_ENTROPY: smoothed_side}


def target_of_loss(loss: Any) -> Any:
    """A kernel (target, the loss's option, number of outputs): the target that is learned with a loss, by its code."""
    return _SMOOTHED.get(loss, same_target)
