"""The training that an estimator's parameters ask for, of samples in memory or block by block."""

from typing import Any

from numpy.random import RandomState

from fastbp.engine.gate import CheckedSamples
from fastbp.estimators.large import Large
from fastbp.estimators.lbfgs import LBFGSTraining
from fastbp.estimators.minimising import EVIDENCE, MINIMISERS, EvidenceTraining, MinimiserTraining
from fastbp.estimators.preset import PresetTraining
from fastbp.estimators.training import StochasticTraining

Training = LBFGSTraining | StochasticTraining | MinimiserTraining | EvidenceTraining | PresetTraining


def training_of(
    estimator: Any, samples: Any, held_out: CheckedSamples | None, random: RandomState, *, of_several: bool
) -> Training:
    """Return what trains the network of an estimator.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    samples : CheckedSamples or Large
    held_out : CheckedSamples or None
        That stop the training.
    random : RandomState
    of_several : bool
        Whether the network is one of an ensemble.
    """
    net = estimator.network_
    if isinstance(samples, Large):
        return _on_blocks(estimator, samples, held_out, random)
    if estimator.preset is not None:
        return PresetTraining(estimator, net, samples, held_out, random)
    if estimator.alpha == EVIDENCE:
        return EvidenceTraining(estimator, net, samples, held_out, random)
    if estimator.solver == "lbfgs":
        return LBFGSTraining(estimator, net, samples, held_out)
    if estimator.solver in MINIMISERS:
        return MinimiserTraining(estimator, net, samples, held_out, random)
    if of_several:
        estimator.validation_loss_curve_ = None
    return StochasticTraining(estimator, net, samples, held_out, random)


def _on_blocks(estimator: Any, large: Large, held_out: CheckedSamples | None, random: RandomState) -> Training:
    from fastbp.estimators import by_blocks

    net = estimator.network_
    if estimator.solver == "lbfgs":
        return by_blocks.LBFGSOnBlocks(estimator, net, large, held_out)
    if estimator.solver in MINIMISERS:
        return by_blocks.MinimiserOnBlocks(estimator, net, large, held_out, random)
    steps = by_blocks.BySumOfBlocks if estimator.solver == "rprop" else by_blocks.ByWindowsOfBlocks
    return steps(estimator, net, large, held_out, random)
