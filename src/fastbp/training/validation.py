"""The samples that a training is validated on: a set of the user's, or a fraction that is held out."""

import numpy as np

from fastbp import checks
from fastbp.data.partitions import Partitions
from fastbp.engine.gate import CheckedSamples, check_weighted
from fastbp.model.computing import ComputingNetwork
from fastbp.model.partitioned import Source
from fastbp.training.options import Validation


def own_validation(net: ComputingNetwork, validation: Validation) -> CheckedSamples | Source | None:
    """The set for validation that the user has given, checked; None for a fraction or nothing."""
    if isinstance(validation, Partitions):
        return Source(net, validation)
    if not isinstance(validation, tuple | list):
        return None
    if len(validation) not in (2, 3):
        raise ValueError(f"validation must be a fraction, (X, T) or (X, T, sample_weight); got {len(validation)} items")
    samples = net.check_samples(*validation, prefix="validation ")
    check_weighted(samples, "validation sample_weight")
    return samples.apart_from(net.params)


def n_held_out(validation: Validation, n_samples: int) -> int:
    """Samples that a fraction holds out for validation."""
    if validation is None or isinstance(validation, tuple | list | Partitions):
        return 0
    fraction = checks.number(validation, "validation", high=1.0, low_open=True)
    n = max(1, round(fraction * n_samples))
    if n >= n_samples:
        raise ValueError(f"validation must leave a sample for training; {fraction:g} of {n_samples} leaves none")
    return n


def split(samples: CheckedSamples, n_kept: int, draw: np.random.Generator) -> tuple[CheckedSamples, CheckedSamples]:
    """(samples to train on, samples to validate on), at random."""
    n_samples = len(samples)
    rows = draw.permutation(n_samples)
    n_validation = n_samples - n_kept
    return samples.rows(np.sort(rows[n_validation:])), samples.rows(np.sort(rows[:n_validation]))
