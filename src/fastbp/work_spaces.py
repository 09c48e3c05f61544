"""Plans and work spaces for calls from a user's compiled code: what `kernels/plan.py` reads."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import Activation
from fastbp.engine import ALIGNMENT, filled_up
from fastbp.kernels import inside, inside_loops, plan
from fastbp.kernels.activation import IDENTITY, IN_KERNELS, SOFTMAX, THRESHOLD
from fastbp.kernels.compiling import address_of
from fastbp.kernels.loss import CANONICAL
from fastbp.kernels.machine import lanes_of
from fastbp.kernels.packed import DH_ADDRESS, FUNCTION, N_IN, NONE, Packed
from fastbp.kernels.single_outputs import address_of_single_deltas
from fastbp.topology import Topology

Words = NDArray[np.int64]

WORD = np.dtype(np.int64)

# Forward, gradient, and derivatives by the inputs
BY_REGISTERS = inside.forward_sample, inside.gradient_sample, inside.input_gradient_sample
BY_LOOPS = inside_loops.forward_loops, inside_loops.gradient_loops, inside_loops.input_gradient_loops


class UserCalls:
    """How a user's compiled code calls one network.

    Parameters
    ----------
    packed : Packed
        With all addresses.
    functions : sequence of Activation
        Of its layers after the inputs.
    topology : Topology
    by_loops : bool
        Take the loops of the derivation in any case; without it, networks that are not layers of blocks do.
    """

    def __init__(
        self, packed: Packed, functions: Sequence[Activation], topology: Topology, *, by_loops: bool = False
    ) -> None:
        dtype, output = packed.params.dtype, int(packed.layers[-1, FUNCTION])
        kernels = BY_LOOPS if by_loops or not topology.is_layered else BY_REGISTERS
        self.packed, self.plan = packed, np.zeros(plan.PLAN_SIZE, WORD)
        self._kept = functions, _without_loss(packed, functions, topology)
        self._n_values = filled_up(topology.n_units + len(packed.layers) * lanes_of(dtype), dtype)  # `place`, single.py
        self._n_stripe = max(inside.STRIPE_NUMBERS, int(packed.blocks[:, N_IN].max(initial=0))) + lanes_of(dtype)
        words = self.plan
        words[plan.STAMPED], words[plan.NETWORK] = plan.STAMP, packed.layers.ctypes.data
        words[[plan.N_INPUTS, plan.N_OUTPUTS, plan.N_PARAMS]] = (
            topology.sizes[0],
            topology.n_outputs,
            topology.n_params,
        )
        for place, kernel in zip((plan.FORWARD, plan.GRADIENT, plan.INPUT_GRADIENT), kernels, strict=True):
            usable = place == plan.FORWARD or _differentiable(functions)
            words[place] = address_of(kernel, dtype, (plan.Call,)) if usable else NONE
        for place, table in (
            (plan.LAYERS, packed.layers),
            (plan.BLOCKS, packed.blocks),
            (plan.OUTGOING, packed.outgoing),
            (plan.STARTS, packed.starts),
            (plan.LINKS, packed.links),
            (plan.INPUT_LAYERS, self._kept[1]),
        ):
            words[place], words[place + 1] = table.ctypes.data, table.size
        words[plan.LOSS], words[plan.N_COMPUTED], words[plan.N_VALUES] = packed.loss, packed.n_computed, self._n_values
        words.view(np.float64)[plan.LOSS_OPTION] = packed.loss_option
        words[plan.DELTAS] = address_of_single_deltas(packed.loss, output, dtype)
        words[plan.SLOPES] = output not in (SOFTMAX, IDENTITY) and (packed.loss, output) not in CANONICAL

    def memory_words(self, *, with_gradient: bool = True) -> int:
        """int64 numbers of the memory behind a plan, in whole cache lines."""
        dtype = self.packed.params.dtype
        n_numbers = 3 * self._n_values + (filled_up(self._n_stripe, dtype) if with_gradient else 0)
        return plan.WORDS + n_numbers * dtype.itemsize // WORD.itemsize

    def work_spaces(self, n: int) -> Words:
        """Work spaces (n, n_words). They keep alive what their addresses lead to."""
        n_words = plan.PLAN_SIZE + self.memory_words()
        buffer: Any = (ctypes.c_byte * (n * n_words * WORD.itemsize + ALIGNMENT))()
        buffer.keeps = self
        numbers = np.frombuffer(buffer, np.uint8)
        start = -numbers.ctypes.data % ALIGNMENT
        spaces: Words = numbers[start : start + n * n_words * WORD.itemsize].view(WORD).reshape(n, n_words)
        spaces[:, : plan.PLAN_SIZE] = self.plan
        return spaces


def _differentiable(functions: Sequence[Activation]) -> bool:
    return all(function.code != THRESHOLD for function in functions)


def _without_loss(packed: Packed, functions: Sequence[Activation], topology: Topology) -> Words:
    """The table of layers in which delta of the outputs is multiplied by h', whatever the loss is."""
    layers, output = packed.layers.copy(), functions[-1]
    layers[[0, -1], DH_ADDRESS] = NONE
    if topology.ends_in_outputs and output.code not in (SOFTMAX, *IN_KERNELS) and _differentiable(functions):
        layers[-1, DH_ADDRESS] = output.address(packed.params.dtype, slope=True)
    return layers
