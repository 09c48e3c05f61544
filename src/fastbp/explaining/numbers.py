"""`Numbers`: what the kernels compute for one sample, by the user's numbers of units and edges."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.explaining.gradient_check import central_difference, step_of
from fastbp.explaining.terms import Output
from fastbp.kernels import codes
from fastbp.kernels.derivation import log_sum_exp
from fastbp.kernels.formulas import losses
from fastbp.kernels.formulas.activation_calls import apply_dh
from fastbp.kernels.tables import LAYER
from fastbp.model.computing import ComputingNetwork

ROUNDINGS = 16  # units in the last place by which a sum of some terms may be off


@dataclass(frozen=True, eq=False)
class Numbers:
    """One sample in a network, in float64 whatever the network's dtype.

    Attributes
    ----------
    net : Network
        A copy: later changes of the parameters don't show here.
    x, t : array (1, n_inputs), (1, n_outputs)
        The sample, in the network's dtype.
    error : float
        E_n.
    a, z, slope, delta : array (n_units,)
        By number of unit; all but z are NaN for the inputs.
    weights, weight_slopes : array (n_edges,)
        w_ji and dE_n/dw_ji in the order of `net.edges`.
    biases, bias_slopes : array (n_units,)
        b_j and dE_n/db_j, NaN where there is none.
    """

    net: ComputingNetwork
    x: Array
    t: Array
    error: float
    a: Array
    z: Array
    slope: Array
    delta: Array
    weights: Array
    weight_slopes: Array
    biases: Array
    bias_slopes: Array

    @classmethod
    def of_sample(cls, net: ComputingNetwork, x: Array, t: Array) -> "Numbers":
        """Ask the kernels; `x` and `t` are checked."""
        (copy, derivatives), params = (net.twin(), net.twin()), net.params
        copy.params[:] = params
        net = copy
        error, derivatives.params[:] = net.gradient(x, t)
        z, delta = np.empty(net.n_units), np.full(net.n_units, np.nan)
        for units, values in zip(net.layer_units, net.activations(x), strict=True):
            z[units] = values[0]
        for units, values in zip(net.layer_units[1:], net.deltas(x, t), strict=True):
            delta[units] = values[0]
        weights, biases = net.edge_weights.astype(float), net.unit_biases.astype(float)
        a = _sums(net, weights, biases, z)
        return cls(
            net=net,
            x=x,
            t=t,
            error=error,
            a=a,
            z=z,
            slope=_slopes(net, a, z),
            delta=delta,
            weights=weights,
            weight_slopes=derivatives.edge_weights.astype(float),
            biases=biases,
            bias_slopes=derivatives.unit_biases.astype(float),
        )

    @property
    def first_output(self) -> int:
        """The unit that is the first output."""
        return self.net.n_units - self.net.n_outputs

    @cached_property
    def layer_of(self) -> Array:
        """Number of the layer of each unit."""
        layers = np.empty(self.net.n_units, np.int64)
        for layer, units in enumerate(self.net.layer_units):
            layers[units] = layer
        return layers

    @cached_property
    def is_softmax(self) -> bool:
        """Whether the outputs depend on each other."""
        return self.net.layer_functions[-1] == "softmax"

    @cached_property
    def is_canonical(self) -> bool:
        """Whether delta_k = y_k - t_k by (5.54), and not by the chain rule, in the kernels."""
        function = int(self.net.packed.layers[-1, LAYER.function])
        return bool(losses.is_canonical(self.net.loss_function.code, function))

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """Each output with its target, its share of E_n, and dE_n/dy."""
        loss, a = self.net.loss_function, self.a[self.first_output :]
        largest, log_sum = log_sum_exp(np.ascontiguousarray(a)) if self.is_softmax else (0.0, 0.0)
        found = []
        for a_k, y, t in zip(a, self.z[self.first_output :], self.t[0].astype(float), strict=True):
            if self.is_canonical:
                error = losses.unit_canonical_error(loss.code, a_k - largest, y, t, log_sum)
            else:
                error = losses.unit_error(loss.code, loss.number, y, t)
            slope = losses.unit_error_slope(loss.code, loss.number, y, t)
            found.append(Output(float(y), float(t), float(error), float(slope)))
        return tuple(found)

    @cached_property
    def into(self) -> list[Array]:
        """For each unit the edges that arrive, as they were given."""
        return _edges_by(self.net.edges[:, 1], self.net.n_units)

    @cached_property
    def out_of(self) -> list[Array]:
        """For each unit the edges that leave, as they were given."""
        return _edges_by(self.net.edges[:, 0], self.net.n_units)

    @cached_property
    def edges(self) -> Array:
        """(from, to) of every edge."""
        return self.net.edges

    @cached_property
    def _bias_place(self) -> dict[int, int]:
        units, places = self.net._bias_places()
        return dict(zip(units.tolist(), places.tolist(), strict=True))

    @cached_property
    def _exact(self) -> ComputingNetwork:
        return self.net.astype(np.float64)

    def difference(self, *, edge: int | None = None, bias: int | None = None) -> float:
        """The central difference of E_n by the weight of an edge, or by the bias of a unit."""
        place = int(self.net.wiring.places[edge]) if bias is None else self._bias_place[bias]
        return central_difference(self._exact, place, self.x, self.t)

    def rounding_of(self, parameter: float) -> float:
        """What rounding alone makes of `difference` where the derivative is 0: the errors are about E_n + step**2."""
        step = step_of(parameter)
        return ROUNDINGS * float(np.finfo(np.float64).eps) * (abs(self.error) / step + step)

    @cached_property
    def rounding_of_delta(self) -> float:
        """Relative error of the outputs' deltas, and so of all: y and t are rounded, and at a minimum all but equal."""
        size = max(abs(value) for output in self.outputs for value in (output.y, output.t))
        delta = float(np.abs(self.delta[self.first_output :]).max())
        return ROUNDINGS * float(np.finfo(self.net.dtype).eps) * size / delta if delta > 0 else np.inf


def _edges_by(ends: Array, n_units: int) -> list[Array]:
    order = np.argsort(ends, kind="stable")
    return np.split(order, np.searchsorted(ends[order], np.arange(1, n_units)))


def _sums(net: ComputingNetwork, weights: Array, biases: Array, z: Array) -> Array:
    """a_j as what its terms add up to; NaN for the inputs."""
    edges = net.edges
    with np.errstate(over="ignore", invalid="ignore"):  # the kernels have warned
        terms = weights * z[edges[:, 0]]
        a = np.bincount(edges[:, 1], terms, minlength=net.n_units) + np.nan_to_num(biases, nan=0.0)
    a[: net.n_inputs] = np.nan
    return np.asarray(a)


def _slopes(net: ComputingNetwork, a: Array, z: Array) -> Array:
    """h'(a_j) by the kernels' functions, from the kernels' z where h' is a function of that; NaN for the inputs."""
    slopes = np.full(net.n_units, np.nan)
    functions = net.unit_activations
    for units in net.layer_units[1:]:
        function, z_j = functions[units[0] - net.n_inputs], z[units]
        is_softmax = function.code == codes.SOFTMAX
        slopes[units] = z_j * (1 - z_j) if is_softmax else _slope(function, net.dtype, a[units], z_j)
    return slopes


def _slope(function: Activation, dtype: np.dtype, a: Array, z: Array) -> Array:
    slope = np.ones(len(a), dtype)
    with np.errstate(over="ignore"):
        apply_dh(function.address(dtype, slope=True), a.astype(dtype), z.astype(dtype), slope)
    return slope
