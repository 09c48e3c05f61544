"""`PackedNetwork`: layers, functions and flat parameters, and the views of them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from fastbp import checks
from fastbp.activations import Activation, check_names
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.engine import Engine, aligned_zeros, filled_up
from fastbp.engine.few_samples import FewSamples, online_memory
from fastbp.kernels.one_sample.online import OnlineMemory
from fastbp.kernels.tables import NONE, Packed
from fastbp.losses import Loss, resolve
from fastbp.model import attributes
from fastbp.model.callable_network import CallableNetwork
from fastbp.model.summary import describe
from fastbp.model.views import FixedCopy, ViewDict, ViewList
from fastbp.structure.topology import Topology
from fastbp.structure.wiring import Wiring


class PackedNetwork(CallableNetwork):
    """What a `Network` is, without what it does."""

    trainer: threads.OneTrainer

    @classmethod
    def assemble(
        cls,
        topology: Topology,
        functions: list[Activation],
        loss: str | Loss,
        dtype: np.dtype,
        params: Array,
        wiring: Wiring | None = None,
    ) -> Self:
        """A network from its parts, already checked."""
        net = cls.__new__(cls)
        net._build(topology, functions, loss, dtype, wiring)
        net.params[:] = params  # whatever they are: a network of NaN can be copied as well
        return net

    def __setattr__(self, name: str, value: object) -> None:
        attributes.check_settable(self, name)
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any] | None:
        """What a user has added."""
        return attributes.own_attributes(self) or None

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        vars(self).update(state or {})

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self._topology, self._functions, self._loss, self._dtype, self.params.copy(), self._wiring)
        return type(self).assemble, parts, self.__getstate__()

    def _build(
        self,
        topology: Topology,
        functions: list[Activation],
        loss: str | Loss,
        dtype: np.dtype,
        wiring: Wiring | None = None,
    ) -> None:
        """Set every attribute; parameters are zero. `wiring`: of a network that was given by its edges."""
        check_names(functions, "activation")
        self._topology, self._functions, self._loss, self._dtype = topology, functions, resolve(loss), dtype
        self._wiring, self._layer_wiring = wiring, wiring
        starts, links = topology.link_tables
        n_filled = filled_up(topology.n_params, dtype)
        packed = Packed(
            params=aligned_zeros((n_filled,), dtype),
            layers=topology.layer_table([f.code for f in functions], dtype),
            blocks=topology.block_table(dtype),
            outgoing=topology.outgoing,
            starts=starts,
            links=links,
            loss=self._loss.code,
            loss_option=self._loss.number,
            n_computed=topology.n_layers,
        )
        self._run_with(packed, Engine(topology, packed, functions))

    def _run_with(self, packed: Packed, engine: Engine) -> None:
        """Set what runs the kernels."""
        self._packed, self._user_calls = packed, None
        vars(self).update(engine=engine, trainer=threads.OneTrainer(), _stream=None, _solver_memory=None)

    @cached_property
    def few_outputs(self) -> FewSamples:
        """The shortest way to the outputs of a few samples."""
        return FewSamples(self._packed, self.engine, self._topology)

    @cached_property
    def online_memory(self) -> OnlineMemory:
        """Work space of on-line learning; each call begins with a copy of the parameters."""
        return online_memory(self._packed)

    def twin(self, params: Array | None = None) -> Self:
        """A network of the same layers, made in a tenth of the time of the first.

        `params`: the memory of its parameters, filled up as `packed.params` is; without it they are zero.
        """
        net = type(self).__new__(type(self))
        vars(net).update(vars(self))
        for cached in ("few_outputs", "online_memory", "_curvature_of"):
            vars(net).pop(cached, None)
        layers = self._packed.layers.copy()
        if params is None:
            params = aligned_zeros(self._packed.params.shape, self._dtype)
        packed = self._packed._replace(params=params, layers=layers)
        net._run_with(packed, self.engine.twin(packed))
        return net

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer, inputs first.

        Of a network that was given by its edges: of the layers that were found in it, see `layer_units`.
        """
        return self._topology.sizes

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return self._topology.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self._topology.n_outputs

    @property
    def n_units(self) -> int:
        """Number of units, the inputs counted."""
        return self._topology.n_units

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
        return self._loss.name

    @property
    def loss_function(self) -> Loss:
        """The loss with its option."""
        return self._loss

    @property
    def layer_functions(self) -> tuple[str, ...]:
        """Name of the activation function of each layer after the inputs."""
        return tuple(function.name for function in self._functions)

    @property
    def bias(self) -> bool:
        """Whether units have biases; of a network that was given by its edges, whether any has."""
        return any(self._topology.biased)

    @property
    def skip(self) -> tuple[tuple[int, int], ...]:
        """(from_layer, to_layer) of the connections that skip a layer."""
        self._needs_layers("skip")
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
        """Views (n_out, n_in) of the weights into each layer from the one before; row j = what arrives at unit j.

        Write into them, or assign to items, or to all of them: the numbers are copied in.
        """
        self._needs_layers("weights")
        pairs = zip(self._topology.pairs, self._block_views, strict=True)
        return ViewList("weights", [view for (i, k), view in pairs if k == i + 1])

    @weights.setter
    def weights(self, values: Sequence[Array]) -> None:
        self.weights[:] = values

    @property
    def skip_weights(self) -> dict[tuple[int, int], Array]:
        """Views (n_out, n_in) of the weights that skip a layer, by (from_layer, to_layer); to be set as `weights`."""
        return self._skip_views

    @skip_weights.setter
    def skip_weights(self, values: Mapping[tuple[int, int], Array]) -> None:
        self._skip_views.fill(values)

    @property
    def _skip_views(self) -> ViewDict:
        self._needs_layers("skip_weights")
        pairs = zip(self._topology.pairs, self._block_views, strict=True)
        return ViewDict("skip_weights", {pair: view for pair, view in pairs if pair[1] > pair[0] + 1})

    @property
    def biases(self) -> list[Array]:
        """Views (n_units,) of the biases of each layer after the inputs; no items without biases. Set as `weights`."""
        self._needs_layers("biases")
        starts = [start for start in self._topology.bias_offsets[:-1] if start != NONE]
        pairs = zip(starts, self.sizes[1:], strict=False)
        return ViewList("biases", [self.params[start : start + size] for start, size in pairs])

    @biases.setter
    def biases(self, values: Sequence[Array]) -> None:
        self.biases[:] = values

    @property
    def is_given_by_edges(self) -> bool:
        """Whether the network was made from single units and edges, not from layers."""
        return self._wiring is not None

    def _needs_layers(self, attribute: str) -> None:
        if self.is_given_by_edges:
            raise AttributeError(
                f"{attribute} is for networks of layers; one that was given by its edges has edges, edge_weights, "
                "unit_biases and layer_units"
            )

    @property
    def wiring(self) -> Wiring:
        """Edges and units as the user numbers them."""
        if self._layer_wiring is None:
            self._layer_wiring = Wiring.of_layers(self._topology)
        return self._layer_wiring

    @property
    def edges(self) -> Array:
        """(from unit, to unit) of every connection: (n_edges, 2), in the order in which they were given.

        Of a network of layers: in the order of `params`, units numbered layer by layer, inputs first.
        """
        return FixedCopy.of(self.wiring.edges.copy(), f"edges cannot be set: {attributes.OTHER_WAYS['edges']}")

    @property
    def edge_weights(self) -> Array:
        """Weights of the connections in the order of `edges`, (n_edges,): a copy; assign all of them to set them."""
        return FixedCopy.of(self._packed.params[self.wiring.places], _all_at_once("edge_weights"))

    @edge_weights.setter
    def edge_weights(self, values: Array) -> None:
        places = self.wiring.places
        self._packed.params[places] = checks.vector(values, "edge_weights", len(places), self.dtype)

    @property
    def layer_units(self) -> tuple[Array, ...]:
        """Numbers of the units of each layer, inputs first: the columns of what `activations` returns."""
        starts = zip(self._topology.first_units, self.sizes, strict=True)
        units = [self.wiring.units[first : first + size].copy() for first, size in starts]
        return tuple(FixedCopy.of(of_layer, "layer_units cannot be set: they follow from edges") for of_layer in units)

    @property
    def unit_activations(self) -> tuple[Activation, ...]:
        """Activation function of each unit after the inputs, by number."""
        functions = np.empty(self.n_units, object)
        for units, function in zip(self.layer_units[1:], self._functions, strict=True):
            functions[units] = function
        return tuple(functions[self.n_inputs :])

    @property
    def unit_functions(self) -> tuple[str, ...]:
        """Name of the activation function of each unit after the inputs, by number."""
        return tuple(function.name for function in self.unit_activations)

    @property
    def unit_biases(self) -> Array:
        """Bias of each unit by number, NaN where it has none: (n_units,), a copy; assign all of them to set them."""
        biases = np.full(self.n_units, np.nan, self.dtype)
        units, places = self._bias_places()
        biases[units] = self._packed.params[places]
        return FixedCopy.of(biases, _all_at_once("unit_biases"))

    @unit_biases.setter
    def unit_biases(self, values: Array) -> None:
        units, places = self._bias_places()
        array = np.asarray(values)
        if array.shape != (self.n_units,):
            raise ValueError(f"unit_biases must have shape ({self.n_units},), one for each unit; got {array.shape}")
        self._packed.params[places] = checks.vector(array[units], "unit_biases", len(units), self.dtype)

    @property
    def biased_units(self) -> Array:
        """Numbers of the units that have a bias, in ascending order."""
        units = np.sort(self._bias_places()[0])
        return FixedCopy.of(units, "biased_units cannot be set: from_edges(..., bias=units) decides which they are")

    def _bias_places(self) -> tuple[Array, Array]:
        """(numbers of the units that have a bias, places of these in the parameters)."""
        starts = zip(self.layer_units, self._topology.bias_offsets, strict=False)
        found = [(units, start + np.arange(len(units))) for units, start in starts if start != NONE]
        empty = [np.empty(0, np.int64)]
        return np.concatenate(empty + [u for u, _ in found]), np.concatenate(empty + [places for _, places in found])

    @property
    def _block_views(self) -> list[Array]:
        offsets, shapes = self._topology.weight_offsets, self._topology.block_shapes
        return [self.params[a : a + n * m].reshape(n, m) for a, (n, m) in zip(offsets, shapes, strict=False)]

    @property
    def topology(self) -> Topology:
        """Layers, blocks and offsets."""
        return self._topology

    def astype(self, dtype: Any) -> Self:
        """Make a copy with parameters of another dtype.

        Parameters
        ----------
        dtype : "float32" or "float64"
            Of parameters and all arithmetic.

        Returns
        -------
        Network
            With the same parameters, rounded if need be.
        """
        checked = checks.float_dtype(dtype)
        params = self.params
        if np.isfinite(params).all():  # or else it is a copy of what is lost already
            params = checks.vector(params, "params", self.n_params, checked)
        parts = (self._topology, self._functions, self._loss, checked, params, self._wiring)
        return type(self).assemble(*parts).with_attributes_of(self)

    def with_attributes_of(self, other: "PackedNetwork") -> Self:
        """The network itself, now with the attributes that a user has added to another one: shared, not copied."""
        self.__setstate__(other.__getstate__())
        return self

    def __repr__(self) -> str:
        biases = "" if self.bias else ", no biases"
        head = f"Network: {self.n_params:,} parameters{biases}, loss {self.loss_function}, {self.dtype.name}"
        return describe(self.topology, self.layer_functions, head)


def _all_at_once(name: str) -> str:
    """What to do instead of an assignment to an item of a copy."""
    return f"{name}[...] would change a copy: w = net.{name}.copy(); w[...] = ...; net.{name} = w"
