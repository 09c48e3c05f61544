"""Which kind of training samples and options ask for."""

from typing import Any

from fastbp.data.partitions import Partitions
from fastbp.engine.gate import CheckedSamples
from fastbp.losses import check_smoothing
from fastbp.minimiser_options import MinimiserChoice
from fastbp.model.curved import CurvedNetwork
from fastbp.model.partitioned import Source
from fastbp.training.held_out import BesideHeldOut, is_large
from fastbp.training.loop import Training
from fastbp.training.options import Options


def check_solver(net: CurvedNetwork, options: Options) -> None:
    """Refuse what a minimiser cannot do, and options that are for another network."""
    check_smoothing(net.loss_function, options.label_smoothing)
    if isinstance(options.solver, MinimiserChoice):
        from fastbp.training.minimising import loop as minimising  # with kernels that no other solver needs

        minimising.check(net, options)
    else:
        options.solver.check_size(net.topology)


def to_train_on(
    net: CurvedNetwork, X: Any, T: Any, sample_weight: Any
) -> tuple[CheckedSamples | Source, CheckedSamples | None]:
    """(the samples, those of them to have a look at): partitions that are no more than a window count as arrays."""
    samples = net.check_data(X, T, sample_weight)
    if isinstance(samples, Source):
        loaded = samples.in_memory()
        if loaded is None:
            return samples, samples.few()
        samples = loaded
    return samples, samples


def kind_of(samples: CheckedSamples | Source, options: Options) -> type[Training]:
    """What trains on such samples with such options."""
    if isinstance(samples, Source):
        return _kind_of_partitions(samples, options)
    if isinstance(options.solver, MinimiserChoice):
        from fastbp.training.minimising.loop import Minimising

        return Minimising
    holds_out = options.validation is not None and not isinstance(options.validation, tuple | list | Partitions)
    if holds_out and is_large(samples):
        return BesideHeldOut
    return Training


def _kind_of_partitions(source: Source, options: Options) -> type[Training]:
    """What trains on more partitions than a window of them."""
    from fastbp.training.windows import BySums, ByWindows

    solver, data = options.solver, source.data
    if isinstance(solver, MinimiserChoice) or solver.keeps_error:
        which = f"solver {solver.name!r}" + " with variant 'irprop+'" * solver.keeps_error
        if data.is_endless:
            raise ValueError(f"{which} compares errors of the same samples, and a stream gives them once")
        if data.per_step is not None:
            raise ValueError(f"partitions_per_step must be None for {which}, which compares errors of all samples")
    if isinstance(solver, MinimiserChoice):
        from fastbp.training.minimising.partitions import MinimisingPartitions

        return MinimisingPartitions
    return BySums if options.batch_size is None else ByWindows
