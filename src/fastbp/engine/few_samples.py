"""Work space for kernels that take one sample at a time, and the shortest way from Python to one of them."""

from collections.abc import Callable

import numpy as np

from fastbp.checks import Array
from fastbp.engine.choices import VALUES
from fastbp.engine.engine import Engine, aligned_zeros, filled_up
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.compiling.plan_table import PLAN_SIZE
from fastbp.kernels.layout import place_of_layer, whole
from fastbp.kernels.one_sample import few, few_links, plan
from fastbp.kernels.one_sample.online import OnlineMemory
from fastbp.kernels.one_sample.outputs import address_of_single_deltas
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import BLOCK, LAYER, NONE, Packed
from fastbp.kernels.tuning import FEW_LINKED, FEW_PRODUCTS, MAX_SAMPLES, SINGLE_LINKED, SINGLE_PRODUCTS
from fastbp.structure.topology import Topology


def unit_values(packed: Packed, n_arrays: int) -> Array:
    """Arrays (n_arrays, n) for a number of each unit, every layer with whole registers of its own: see `place`."""
    dtype = packed.params.dtype
    n_units = int(packed.layers[-1, LAYER.first_unit] + packed.layers[-1, LAYER.n_units])
    n_values = in_python(place_of_layer)(n_units, len(packed.layers), lanes_of(dtype))
    return aligned_zeros((n_arrays, filled_up(n_values, dtype)), dtype)


def online_memory(packed: Packed) -> OnlineMemory:
    """Work space for `train_online`: a network of the same units, with rows and biases of whole registers."""
    layers, blocks, dtype = packed.layers.copy(), packed.blocks.copy(), packed.params.dtype
    step, n_params = lanes_of(dtype), 0
    for block in blocks:
        block[BLOCK.weights], block[BLOCK.n_in] = n_params, in_python(whole)(block[BLOCK.n_in], step)
        n_params += int(block[BLOCK.n_out] * block[BLOCK.n_in])
    for layer in layers:
        if layer[LAYER.bias] != NONE:
            layer[LAYER.bias] = n_params
            n_params += int(in_python(whole)(layer[LAYER.n_units], step))
    return OnlineMemory(
        params=aligned_zeros((n_params,), dtype),
        layers=layers,
        blocks=blocks,
        grad=aligned_zeros(packed.params.shape, dtype),
        values=unit_values(packed, 3),
        error=np.zeros(1),
        deltas_address=address_of_single_deltas(packed.loss, int(packed.layers[-1, LAYER.function]), dtype),
    )


class LinkedUnits:
    """The tables of `few_links.py` for one network: its units in the order in which they are computed.

    Attributes
    ----------
    layers : array
        The table of layers, with their first units in that order.
    ranges : array (n_units, 2)
        The first of the links that arrive at a unit, and the one behind the last.
    places : array
        Where z of the links' sources stands, link by link, and behind them z of the outputs.
    """

    layers: Array
    ranges: Array
    places: Array

    def __init__(self, packed: Packed, topology: Topology) -> None:
        sizes, n = np.array(topology.sizes), topology.n_units
        new_first, old_first = np.cumsum(sizes) - sizes, np.array(topology.first_units)
        layer = np.repeat(np.arange(len(sizes)), sizes)
        old = np.arange(n) - new_first[layer] + old_first[layer]
        place = np.empty(n, np.int64)
        place[old] = in_python(place_of_layer)(np.arange(n), layer, lanes_of(packed.params.dtype))
        self.layers = packed.layers.copy()
        self.layers[: len(sizes), LAYER.first_unit] = new_first
        self.ranges = np.stack([packed.starts[:n][old], packed.starts[1 : n + 1][old]], axis=1)
        sources = np.append(topology.links[:, 0], np.arange(topology.first_output, n))
        self.places = place[sources]


class FewSamples:
    """Computes outputs of one network for a few samples, with little around the arithmetic.

    It takes what most calls pass, and leaves all else to the general way: other kinds of arrays, many
    samples, whatever is wrong. The two ways add up in different orders: their results agree to rounding.
    """

    def __init__(self, packed: Packed, engine: Engine, topology: Topology) -> None:
        self._engine = engine
        n_weights = max(1, topology.n_weights)
        few, single = (FEW_PRODUCTS, SINGLE_PRODUCTS) if topology.is_layered else (FEW_LINKED, SINGLE_LINKED)
        self._most = min(MAX_SAMPLES, few // n_weights) or int(n_weights <= single)
        self._packed, self._topology = packed, topology
        self._dtype, self._n_outputs = packed.params.dtype, topology.n_outputs
        self._row = np.empty((1, self._n_outputs), self._dtype)
        self._arrays: list[Array] = []
        self._plan = np.zeros(PLAN_SIZE, np.int64)
        self._address = self._plan.ctypes.data
        self._forward: Callable[[int, Array, Array], bool] | None = None

    def __call__(self, X: object) -> Array | None:
        """(n_samples, n_outputs), or None if X is for the general way."""
        if type(X) is not np.ndarray or X.dtype is not self._dtype or X.ndim != 2:
            return None
        n_samples = len(X)
        if not 0 < n_samples <= self._most:
            return None
        # A copy is made in half the time of np.empty.
        y = self._row.copy() if n_samples == 1 else np.empty((n_samples, self._n_outputs), self._dtype)
        forward = self._forward or self._compile()
        return y if forward(self._address, X, y) else None

    def _compile(self) -> Callable[[int, Array, Array], bool]:
        self._engine.link(VALUES)
        packed, topology, is_layered = self._packed, self._topology, self._topology.is_layered
        memory = unit_values(packed, 3)  # a line for an error, which is not computed; a; z
        arrays = {plan.PARAMS: packed.params, plan.BLOCKS: packed.blocks, plan.MEMORY: memory}
        if is_layered:
            arrays |= {plan.LAYERS: packed.layers}
        else:
            linked = LinkedUnits(packed, topology)
            arrays |= {plan.LAYERS: linked.layers, plan.STARTS: linked.ranges, plan.LINKS: linked.places}
        self._arrays = list(arrays.values())  # for as long as their addresses stand in the plan
        self._plan[[plan.N_VALUES, plan.N_COMPUTED, plan.LINK_WEIGHTS]] = (
            memory.shape[1], packed.n_computed, topology.weight_offsets[-1],
        )  # fmt: skip
        for place, array in arrays.items():
            self._plan[place : place + 2] = array.ctypes.data, array.size
        call = few.forward_call if is_layered else few_links.forward_links_call
        self._forward = call(self._dtype)
        return self._forward
