"""Plans and work spaces for calls from a user's compiled code: what `kernels/one_sample/plan.py` reads."""

import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastbp import memory
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros, filled_up
from fastbp.kernels.codes import IDENTITY, IN_KERNELS, SOFTMAX
from fastbp.kernels.compiling import plan_table
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.formulas.losses import CANONICAL
from fastbp.kernels.layout import place_of_layer, size_of_stripe
from fastbp.kernels.one_sample import called, called_by_loops, curved, plan
from fastbp.kernels.one_sample.outputs import address_of_single_deltas
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import BLOCK, LAYER, NONE, Packed
from fastbp.structure.topology import Topology

Words = NDArray[np.int64]

WORD = np.dtype(np.int64)

# Forward, gradient, derivatives by the inputs, Jacobian, product with the Hessian
BY_REGISTERS = (
    called.forward_sample, called.gradient_sample, called.input_gradient_sample,
    curved.jacobian_sample, curved.hessian_product_loops,
)  # fmt: skip
BY_LOOPS = (
    called_by_loops.forward_loops, called_by_loops.gradient_loops, called_by_loops.input_gradient_loops,
    curved.jacobian_loops, curved.hessian_product_loops,
)  # fmt: skip
PLACES = plan.FORWARD, plan.GRADIENT, plan.INPUT_GRADIENT, plan.JACOBIAN, plan.HESSIAN_PRODUCT


class UserCalls:
    """How a user's compiled code calls one network.

    Its plan is in the process's table for as long as the network's table of layers lives, which every call is given:
    so all copies of a work space are as good as itself. What the plan leads to is kept as long.

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

    plan: Array

    def __init__(
        self, packed: Packed, functions: Sequence[Activation], topology: Topology, *, by_loops: bool = False
    ) -> None:
        dtype, output = packed.params.dtype, int(packed.layers[-1, LAYER.function])
        kernels = BY_LOOPS if by_loops or not topology.is_layered else BY_REGISTERS
        self.packed = packed
        without_loss = _without_loss(packed, functions, topology)
        n_lanes = lanes_of(dtype)
        n_values = in_python(place_of_layer)(topology.n_units, len(packed.layers), n_lanes)
        self._n_values = filled_up(n_values, dtype)
        self._n_stripe = in_python(size_of_stripe)(int(packed.blocks[:, BLOCK.n_in].max(initial=0)), n_lanes)
        self._n_extra_from = 3 * self._n_values + filled_up(self._n_stripe, dtype)
        words = self.plan = np.zeros(plan_table.PLAN_SIZE, WORD)
        n_words = plan.WORDS + self.memory_words(with_curvature=True)
        words[[plan.NETWORK, plan.N_WORDS]] = packed.layers.ctypes.data, n_words
        sizes = topology.sizes[0], topology.n_outputs, topology.n_params
        words[[plan.N_INPUTS, plan.N_OUTPUTS, plan.N_PARAMS]] = sizes
        bends = _bends_of(functions, dtype, len(packed.layers))
        usable = {plan.FORWARD: True, plan.HESSIAN_PRODUCT: bends is not None}
        for place, kernel in zip(PLACES, kernels, strict=True):
            is_usable = usable.get(place, _differentiable(functions))
            words[place] = plan.KERNEL.address(kernel, dtype) if is_usable else NONE
        for place, table in (
            (plan.LAYERS, packed.layers),
            (plan.BLOCKS, packed.blocks),
            (plan.OUTGOING, packed.outgoing),
            (plan.STARTS, packed.starts),
            (plan.LINKS, packed.links),
            (plan.INPUT_LAYERS, without_loss),
            (plan.BENDS, np.zeros(0, WORD) if bends is None else bends),
        ):
            words[place], words[place + 1] = table.ctypes.data, table.size
        words[plan.EXTRA] = self._n_extra_from
        words[plan.LOSS], words[plan.N_COMPUTED], words[plan.N_VALUES] = packed.loss, packed.n_computed, self._n_values
        words.view(np.float64)[plan.LOSS_OPTION] = packed.loss_option
        words[plan.DELTAS] = address_of_single_deltas(packed.loss, output, dtype)
        words[plan.SLOPES] = output not in (SOFTMAX, IDENTITY) and (packed.loss, output) not in CANONICAL
        self._place = plan_table.add(words)
        # All that the plan leads to but the layers: with these among them, they would live for ever.
        kept = functions, without_loss, bends, packed.blocks, packed.outgoing, packed.starts, packed.links
        weakref.finalize(_owner_of(packed.layers), plan_table.remove, self._place, *kept).atexit = False

    @property
    def plan_address(self) -> int:
        """Where the plan stands, for as long as `packed` lives."""
        return int(plan_table.plan_address(self._place))

    def memory_words(self, *, with_gradient: bool = True, with_curvature: bool = False) -> int:
        """int64 numbers of the memory behind a plan, in whole cache lines."""
        dtype = self.packed.params.dtype
        n_numbers = self._n_extra_from if with_gradient else 3 * self._n_values
        n_numbers += curved.N_EXTRA * self._n_values if with_curvature else 0
        return plan.WORDS + n_numbers * dtype.itemsize // WORD.itemsize

    def work_spaces(self, n: int) -> Words:
        """Work spaces (n, n_words)."""
        n_words = int(self.plan[plan.N_WORDS])
        memory.check(n * n_words * WORD.itemsize, "n", f"{n:,} work spaces of {n_words * WORD.itemsize:,} bytes")
        spaces: Words = aligned_zeros((n, n_words), WORD)
        spaces[:, [plan.STAMPED, plan.PLACE]] = plan.STAMP, self._place
        return spaces


def _owner_of(array: NDArray[np.int64]) -> NDArray[np.int64]:
    """The array whose memory a view is of: it lives as long as any of them."""
    return array if array.base is None else array.base


def _differentiable(functions: Sequence[Activation]) -> bool:
    return all(function.has_derivative for function in functions)


def _bends_of(functions: Sequence[Activation], dtype: np.dtype, n_layers: int) -> Words | None:
    """Address of h'' of each layer; None unless all are known."""
    if not _differentiable(functions) or not all(function.has_bend for function in functions):
        return None
    bends = np.full(n_layers, NONE, WORD)
    bends[1 : 1 + len(functions)] = [function.address_of_bend(dtype) for function in functions]
    return bends


def _without_loss(packed: Packed, functions: Sequence[Activation], topology: Topology) -> Words:
    """The table of layers in which delta of the outputs is multiplied by h', whatever the loss is."""
    layers, output = packed.layers.copy(), functions[-1]
    layers[[0, -1], LAYER.dh_address] = NONE
    if topology.ends_in_outputs and output.code not in (SOFTMAX, *IN_KERNELS) and _differentiable(functions):
        layers[-1, LAYER.dh_address] = output.address(packed.params.dtype, slope=True)
    return layers
