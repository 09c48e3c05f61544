"""Error and delta of the outputs where each lane is a network: as of a tile, but each network keeps its own error."""

from functools import cache, partial
from itertools import product

from fastbp.kernels.codes import SOFTMAX, TANH
from fastbp.kernels.compiling.addresses import Slot, for_warm_up, made_once
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.losses import CANONICAL, LOSSES
from fastbp.kernels.formulas.targets import target_of_loss
from fastbp.kernels.many_samples.outputs import Outputs, Rest, canonical_deltas, deltas
from fastbp.kernels.registers.lanes import Numbers, store

DELTAS = Slot(Outputs, Numbers)  # (..., errors): what fills delta, and errors[s] with weight E_n


@kernel
def keep_errors(errors, s, error_s):
    """errors[s] = weight E_n, for the lanes of a register."""
    store(errors, s, error_s)


_KINDS = {}


def _entry_for(loss, function):
    """The entry that fills delta, made once for each kind."""
    pair, rest = (loss, function), Rest(target_of_loss(loss), keep_errors)
    if pair in CANONICAL:
        key = f"of networks, canonical {loss}"
        return made_once(_KINDS, pair, partial(canonical_deltas, CANONICAL[pair], function == SOFTMAX, key, rest=rest))
    return made_once(_KINDS, loss, partial(deltas, *LOSSES[loss], f"of networks, loss {loss}", rest))


@for_warm_up(*CANONICAL, *product(LOSSES, (TANH,)))  # any function that is not canonical
@cache
def address_of_network_deltas(loss, function, dtype):
    """Address of what fills delta of the outputs, for a loss and an output function by their codes."""
    return DELTAS.address(_entry_for(loss, function), dtype)
