"""When the training of a network ends: after each epoch, by its own losses alone."""

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.population.tables import (
    COURSE,
    GOAL,
    SETTINGS,
    WAITED,
    course_of,
    doubles_at,
    setting,
    stop,
)
from fastbp.kernels.registers.lanes import number, set_number


@kernel
def end_epoch(crew, k, member, n_epochs, held_error):
    """Note the loss of the samples that are held out, and stop if it is time; returns whether the loss is the lowest.

    `n_epochs`: the epochs of this window that are done.
    """
    course = course_of(crew, k)
    epoch = n_epochs - 1
    loss = number(doubles_at(member.losses, n_epochs), epoch) / member.n_samples
    watched = loss
    if member.n_held > 0:
        watched = held_error / member.n_held
        set_number(doubles_at(member.held_losses, n_epochs), epoch, watched)
        if not np.isfinite(watched) and number(course, COURSE.held_not_finite) < 0:
            set_number(course, COURSE.held_not_finite, number(course, COURSE.first_epoch) + n_epochs)
    is_lowest = watched < setting(crew, k, SETTINGS.best_loss) - setting(crew, k, SETTINGS.tol)
    n_all = number(course, COURSE.first_epoch) + n_epochs
    if is_lowest:
        set_number(crew.settings, k * len(SETTINGS) + SETTINGS.best_loss, watched)
        set_number(course, COURSE.best_epoch, n_all - 1)
    waited = n_all - 1 - number(course, COURSE.best_epoch)
    if loss <= setting(crew, k, SETTINGS.goal):  # never where that is NaN
        stop(course, GOAL)
    elif member.patience > 0 and waited >= member.patience:
        stop(course, WAITED)
    return is_lowest
