"""What the compiled calls work on in turns: networks, and groups of networks that take their steps together."""

from collections.abc import Sequence

import numpy as np

from fastbp.checks import Array
from fastbp.kernels.population.tables import COURSE, RUNNING
from fastbp.population.lanes import Group

LANE_GAIN = 8  # by which a product takes less time in the lanes: a guess, until a call has been timed


class Items:
    """Networks k, those that are not in a group, and groups g as -1 - g; the longest steps first.

    Parameters
    ----------
    courses : array (n, columns)
        Where each network stands, see `Course`.
    groups : sequence of Group
    n_samples : array (n,)
        That each network learns from.
    batch_sizes : array (n,)
    costs : array (n,)
        Products of a sample.
    """

    def __init__(
        self, courses: Array, groups: Sequence[Group], n_samples: Array, batch_sizes: Array, costs: Array
    ) -> None:
        self._courses, self._groups = courses, groups
        alone = np.ones(len(courses), bool)
        for group in groups:
            alone[group.members] = False
        networks = np.flatnonzero(alone)
        first = np.array([group.members[0] for group in groups], np.int64)
        widths = np.array([group.width for group in groups], np.int64)
        self.codes = np.concatenate([networks, -1 - np.arange(len(groups))])
        self.n_samples = np.concatenate([n_samples[networks], n_samples[first]])
        self.steps = np.concatenate([batch_sizes[networks], np.ones_like(first)])  # samples in a step, as kernels count
        self.costs = np.concatenate([costs[networks] * batch_sizes[networks], costs[first] * widths / LANE_GAIN])

    def left(self, n_epochs: int) -> Array:
        """Places of those that have epochs left in this window of n_epochs."""
        running = self._courses[:, COURSE.stopped] == RUNNING
        networks = self.codes[self.codes >= 0]
        left = running[networks] & (self._courses[networks, COURSE.epoch] < n_epochs)
        of_groups = [g.position[0] < n_epochs and bool(running[g.members].any()) for g in self._groups]
        places = np.flatnonzero(np.concatenate([left, np.array(of_groups, bool)]))
        return places[np.argsort(-self.costs[places], kind="stable")]

    def n_done(self, places: Array) -> Array:
        """Samples that some of them have learned from in this window."""
        codes = self.codes[places]
        found = np.zeros(len(places))
        networks = codes >= 0
        at = self._courses[codes[networks]]
        found[networks] = at[:, COURSE.epoch] * self.n_samples[places[networks]] + at[:, COURSE.start]
        for place in np.flatnonzero(~networks).tolist():
            epoch, start, _n_done = self._groups[-1 - codes[place]].position.tolist()
            found[place] = epoch * self.n_samples[places[place]] + start
        return found
