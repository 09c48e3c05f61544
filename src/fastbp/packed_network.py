"""`PackedNetwork`: layers, functions and flat parameters, and the views of them."""

from typing import Any, Self

import numpy as np

from fastbp import checks
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.describe import describe
from fastbp.engine import SLOPES, Engine, aligned_zeros, filled_up
from fastbp.kernels.packed import NONE, Packed
from fastbp.losses import LOSSES
from fastbp.single_sample import FewSamples
from fastbp.topology import Topology


class PackedNetwork:
    """What a `Network` is, without what it does."""

    @classmethod
    def assemble(
        cls, topology: Topology, functions: list[Activation], loss: str, dtype: np.dtype, params: Array
    ) -> Self:
        """A network from its parts, already checked."""
        net = cls.__new__(cls)
        net._build(topology, functions, loss, dtype)
        net.params = params
        return net

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self._topology, self._functions, self._loss, self._dtype, self.params.copy())
        return type(self).assemble, parts

    def _build(self, topology: Topology, functions: list[Activation], loss: str, dtype: np.dtype) -> None:
        """Set every attribute; parameters are zero."""
        self._topology, self._functions, self._loss, self._dtype = topology, functions, loss, dtype
        n_filled = filled_up(topology.n_params, dtype)
        self._packed = Packed(
            params=aligned_zeros((n_filled,), dtype),
            layers=topology.layer_table([f.code for f in functions], dtype),
            blocks=topology.block_table(dtype),
            outgoing=topology.outgoing(),
            loss=LOSSES[loss],
        )
        self.engine = Engine(topology, self._packed, functions)
        self._few_outputs = FewSamples(self._packed, self.engine)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer, inputs first."""
        return self._topology.sizes

    @property
    def dtype(self) -> np.dtype:
        """dtype of the parameters: float32 or float64."""
        return self._dtype

    @property
    def n_params(self) -> int:
        """Number of weights and biases."""
        return self._topology.n_params

    @property
    def loss_name(self) -> str:
        """Name of the loss."""
        return self._loss

    @property
    def layer_functions(self) -> tuple[str, ...]:
        """Name of the activation function of each layer after the inputs."""
        return tuple(function.name for function in self._functions)

    @property
    def bias(self) -> bool:
        """Whether units have biases."""
        return self._topology.bias

    @property
    def skip(self) -> tuple[tuple[int, int], ...]:
        """(from_layer, to_layer) of the connections that skip a layer."""
        return tuple(sorted(pair for pair in self._topology.pairs if pair[1] > pair[0] + 1))

    @property
    def params(self) -> Array:
        """All weights, block by block, then all biases: (n_params,). Write into it, or assign to it (it is copied)."""
        return self._packed.params[: self.n_params]

    @params.setter
    def params(self, values: Array) -> None:
        self.params[:] = checks.vector(values, "params", self.n_params, self.dtype)

    @property
    def weights(self) -> list[Array]:
        """Views (n_out, n_in) of the weights into each layer from the one before; row j = what arrives at unit j."""
        return [view for (i, k), view in zip(self._topology.pairs, self._block_views, strict=True) if k == i + 1]

    @property
    def skip_weights(self) -> dict[tuple[int, int], Array]:
        """Views (n_out, n_in) of the weights that skip a layer, by (from_layer, to_layer)."""
        pairs = zip(self._topology.pairs, self._block_views, strict=True)
        return {pair: view for pair, view in pairs if pair[1] > pair[0] + 1}

    @property
    def biases(self) -> list[Array]:
        """Views (n_units,) of the biases of each layer after the inputs; no items without biases."""
        starts = [start for start in self._topology.bias_offsets[:-1] if start != NONE]
        return [self.params[start : start + size] for start, size in zip(starts, self.sizes[1:], strict=False)]

    @property
    def _block_views(self) -> list[Array]:
        offsets, shapes = self._topology.weight_offsets, self._topology.block_shapes
        return [self.params[a : a + n * m].reshape(n, m) for a, (n, m) in zip(offsets, shapes, strict=False)]

    @property
    def topology(self) -> Topology:
        """Layers, blocks and offsets."""
        return self._topology

    @property
    def packed(self) -> Packed:
        """The network as the kernels see it; shares memory with `params`."""
        self.engine.link(SLOPES)
        return self._packed

    def astype(self, dtype: Any) -> Self:
        """A copy with parameters of another dtype."""
        checked = checks.float_dtype(dtype)
        return self.assemble(self._topology, self._functions, self._loss, checked, self.params.astype(checked))

    def __repr__(self) -> str:
        return describe(self)
