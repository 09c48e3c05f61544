"""A network in whole numbers of 8 or 16 bits: a scale, a power of 2, for each layer, and how far outputs are off.

What stands for x is the whole number q with x about q 2**-scale. Sums of a layer have one scale, that of their weights'
plus that of what these are multiplied by; they are formed in 32 bits where they surely fit, else in 64. The bound of
the error goes through the network with the numbers:

    |a_j - a'_j| <= sum_i (|w_ji| e_i + |w_ji - w'_ji| (|z_i| + e_i)) + |b_j - b'_j|      e_i = |z_i - z'_i|
    |z_j - z'_j| <= max |h'| |a_j - a'_j| + what the table of h, and rounding, add

with what the whole numbers stand for dashed. It holds for all inputs within their bound.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.fixed_curves import BOUNDS, Curve, curve, rounded
from fastbp.exporting.fixed_ranges import Range
from fastbp.exporting.fixed_softmax import softmax, softmax_error
from fastbp.exporting.layers import Layer, layers_of

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

LINEAR = frozenset({"identity", "relu", "leaky_relu"})
FUNCTIONS = frozenset(BOUNDS) | LINEAR | {"softmax"}
MOST_SCALE = 30  # bits behind the point: of sums of tiny weights there would be more
SMALL_SUMS, LARGE_SUMS = (
    29,
    48,
)  # bits of sums that are formed in 32 and in 64: differences, and LEAK times them, fit too
MOST_SUM = 2.0**100  # of a unit: its square, in the bounds of tables, is a number too
LEAK, LEAK_BITS = 5243, 19  # 0.01, of leaky_relu


@dataclass(frozen=True, eq=False)
class FixedLayer:
    """A layer in whole numbers: `weights` (n_units, n) of each block, of the links; scales of sums and of z; h's table.

    `finest`: the scale that h of the sums has before it is rounded to that of z or of the outputs.
    """

    layer: Layer
    weights: list[Array]
    link_weights: Array | None
    biases: Array
    sums_scale: int
    finest: int
    scale: int
    curve: Curve | None


@dataclass(frozen=True, eq=False)
class FixedNetwork:
    """Layers in whole numbers, sums of 32 or 64 bits, scales of inputs and outputs; how far outputs are off, at most.

    `n_hidden`: units before the first output; `feeding`: numbers of the layers that others take as inputs.
    """

    bits: int
    sums_bits: int
    x_max: float
    x_scale: int
    y_scale: int
    n_hidden: int
    feeding: frozenset[int]
    layers: list[FixedLayer]
    error: Array

    @property
    def most(self) -> int:
        """The largest number of so many bits."""
        return (1 << (self.bits - 1)) - 1

    def is_output(self, fixed: FixedLayer) -> bool:
        """Whether units of a layer are outputs."""
        return fixed.layer.first_unit >= self.n_hidden

    def forward(self, x: Array) -> Array:
        """Outputs (n_samples, n_outputs) for inputs, all of them whole numbers, as the C file computes them."""
        z = np.zeros((len(x), self.n_hidden + len(self.error)), np.int64)
        y = np.zeros((len(x), len(self.error)), np.int64)
        z[:, : x.shape[1]] = x
        for fixed in self.layers:
            first, stop = fixed.layer.first_unit, fixed.layer.first_unit + fixed.layer.n_units
            values = _values(fixed, _sums(fixed, z))
            z[:, first:stop] = np.clip(rounded(values, fixed.finest - fixed.scale), -self.most - 1, self.most)
            if self.is_output(fixed):
                y[:, first - self.n_hidden : stop - self.n_hidden] = rounded(values, fixed.finest - self.y_scale)
        return y


def _values(fixed: FixedLayer, sums: Array) -> Array:
    """h of the sums of a layer, before it is rounded."""
    if fixed.layer.function == "softmax":
        return softmax(sums, fixed.sums_scale)
    return fixed.curve(sums) if fixed.curve is not None else linear(fixed.layer.function, sums)


def linear(function: str, sums: Array) -> Array:
    """The functions that need no table."""
    if function == "identity":
        return sums
    return np.where(sums > 0, sums, 0 if function == "relu" else rounded(sums * LEAK, LEAK_BITS))


def _sums(fixed: FixedLayer, z: Array) -> Array:
    """a of a layer."""
    total = np.tile(fixed.biases, (len(z), 1))
    for block, weights in zip(fixed.layer.blocks, fixed.weights, strict=True):
        total += z[:, block.first_source : block.first_source + weights.shape[1]] @ weights.T
    links = fixed.layer.links
    if links is not None:
        products = z[:, links.sources] * fixed.link_weights
        for j, (start, stop) in enumerate(zip(links.starts[:-1], links.starts[1:], strict=True)):
            total[:, j] += products[:, start:stop].sum(axis=1)
    return total


# ---------------------------------------------------------------------------- from a network


def fixed_point(net: "ComputingNetwork", bits: int, x_max: float) -> FixedNetwork:
    """A network in whole numbers of so many bits, for inputs of up to `x_max` in size.

    Raises
    ------
    ValueError
        For an exponential of sums that may be too large.
    """
    x_scale = math.floor(math.log2(((1 << (bits - 1)) - 1) / x_max))
    ranges, scales = _of_inputs(net, x_max, x_scale), np.full(net.n_units, x_scale)
    found, largest, outputs = [], 0.0, []
    for layer in layers_of(net):
        fixed, known, largest_sum = _fixed_layer(layer, (ranges, scales), bits)
        found.append(fixed)
        largest = max(largest, largest_sum)
        units = slice(layer.first_unit, layer.first_unit + layer.n_units)
        error = np.maximum(known.error + _rounding(fixed.scale, fixed.finest), 2.0**-fixed.scale)  # cut off at `most`
        ranges.low[units], ranges.high[units], ranges.error[units] = known.low, known.high, error
        scales[units] = fixed.scale
        if layer.first_unit >= net.topology.first_output:
            outputs.append((units, fixed.finest, known))
    y_scale = min(_scale_for(30, known.largest + known.error, finest) for _units, finest, known in outputs)
    for units, finest, known in outputs:
        ranges.error[units] = known.error + _rounding(y_scale, finest)
    sums_bits, first = 32 if largest <= 2.0**SMALL_SUMS else 64, net.topology.first_output
    return FixedNetwork(
        bits, sums_bits, float(x_max), x_scale, y_scale, first, _feeding(found), found, ranges.error[first:]
    )


def _of_inputs(net: "ComputingNetwork", x_max: float, x_scale: int) -> Range:
    """What is known of units, as far as the inputs."""
    low, high, error = np.zeros((3, net.n_units))
    low[: net.n_inputs], high[: net.n_inputs], error[: net.n_inputs] = -x_max, x_max, 2.0 ** -(x_scale + 1)
    return Range(low, high, error)


def _feeding(layers: list[FixedLayer]) -> frozenset[int]:
    """Numbers of the layers that others take as inputs."""
    found = {block.source for fixed in layers for block in fixed.layer.blocks}
    for fixed in layers:
        units = range(fixed.layer.first_unit, fixed.layer.first_unit + fixed.layer.n_units)
        others = [other.layer.links.sources for other in layers if other.layer.links is not None]
        if any(np.isin(sources, units).any() for sources in others):
            found.add(fixed.layer.number)
    return frozenset(found)


def _scale_for(bits: int, largest: Array, finest: int) -> int:
    """The finest scale, up to `finest`, for which numbers up to `largest` have so many bits."""
    return min(finest, math.floor(math.log2(2.0**bits / max(float(largest.max()), 2.0**-MOST_SCALE))))


def _rounding(scale: int, finest: int) -> float:
    """How far rounding to a scale moves numbers of a finer one."""
    return 2.0 ** -(scale + 1) if scale < finest else 0.0


def _matrix(layer: Layer, n_sources: int) -> Array:
    """All weights into a layer, (n_units, n_sources), with zeros where there is no connection."""
    matrix = np.zeros((layer.n_units, n_sources))
    for block in layer.blocks:
        matrix[:, block.first_source : block.first_source + block.weights.shape[1]] = block.weights
    if layer.links is not None:
        targets = np.repeat(np.arange(layer.n_units), np.diff(layer.links.starts))
        matrix[targets, layer.links.sources] = layer.links.weights
    return matrix


def _sums_scale(matrix: Array, biases: Array, scales: Array, bits: int) -> int:
    """The finest scale of sums for which weights have so many bits, and sums fit into 32, or 64, bits."""
    most = (1 << (bits - 1)) - 1
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    used = np.flatnonzero(largest)
    fitting = [math.floor(math.log2(most) - math.log2(largest[i])) + int(scales[i]) for i in used]
    found = min([*fitting, MOST_SCALE])
    sums_bits = SMALL_SUMS if bits == 8 else LARGE_SUMS
    while _largest_sum(matrix, biases, scales, found, bits) > 2.0**sums_bits:
        found -= 1
    return found


def _largest_sum(matrix: Array, biases: Array, scales: Array, sums_scale: int, bits: int) -> float:
    """What a sum cannot exceed, whatever numbers of so many bits are multiplied by the weights."""
    whole = np.abs(matrix) * 2.0 ** (sums_scale - scales) + (matrix != 0)
    return float((whole.sum(axis=1) * 2.0 ** (bits - 1) + np.abs(biases) * 2.0**sums_scale + 1).max())


def _fixed_layer(layer: Layer, before: tuple[Range, Array], bits: int) -> tuple[FixedLayer, Range, float]:
    """(a layer in whole numbers, what is known of its z, its largest sum); `before`: what is known of units, scales."""
    ranges, scales = before
    matrix = _matrix(layer, len(scales))
    biases = np.zeros(layer.n_units) if layer.biases is None else layer.biases.astype(np.float64)
    up, down = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    low, high = (up @ a + down @ b + biases for a, b in ((ranges.low, ranges.high), (ranges.high, ranges.low)))
    if not max(-low.min(), high.max()) <= MOST_SUM:
        raise ValueError(
            f"params must be so small that no sum exceeds {MOST_SUM:.3g}, to be written as whole numbers; those of "
            f"layer {layer.number} may reach {max(-low.min(), high.max()):.3g}"
        )
    sums_scale = _sums_scale(matrix, biases, scales, bits)
    whole = np.rint(matrix * 2.0 ** (sums_scale - scales)).astype(np.int64)
    whole_biases = np.rint(biases * 2.0**sums_scale).astype(np.int64)
    largest = _largest_sum(matrix, biases, scales, sums_scale, bits)
    # What the numbers stand for; how far sums are off; between what they are.
    off = np.abs(matrix - whole * 2.0 ** (scales - sums_scale))
    error = np.abs(matrix) @ ranges.error + off @ (ranges.largest + ranges.error)
    error += np.abs(biases - whole_biases * 2.0**-sums_scale)
    of_sums = Range(low, high, error)
    table = None
    if layer.function not in LINEAR | {"softmax"}:
        table = curve(layer.function, sums_scale, float(low.min()), float(high.max()), bits)
    of_z, finest = _outputs(layer.function, of_sums, table, sums_scale)
    scale = _scale_for(bits - 1, of_z.largest, finest)
    weights = [whole[:, b.first_source : b.first_source + b.weights.shape[1]] for b in layer.blocks]
    link_weights = None
    if layer.links is not None:
        targets = np.repeat(np.arange(layer.n_units), np.diff(layer.links.starts))
        link_weights = whole[targets, layer.links.sources]
    return FixedLayer(layer, weights, link_weights, whole_biases, sums_scale, finest, scale, table), of_z, largest


def _outputs(function: str, sums: Range, table: Curve | None, sums_scale: int) -> tuple[Range, int]:
    """What is known of h of sums, and the scale that it has before it is rounded."""
    if function == "softmax":
        return softmax_error(sums.error, sums_scale)
    if table is None:
        return _linear_range(function, sums, sums_scale), sums_scale
    ones = np.ones_like(sums.error)
    return Range(table.low * ones, table.high * ones, table.slope * sums.error + table.error), table.scale


def _linear_range(function: str, sums: Range, sums_scale: int) -> Range:
    if function == "identity":
        return sums
    slope = 0.0 if function == "relu" else 0.01
    low, high = (np.where(a > 0, a, slope * a) for a in (sums.low, sums.high))
    leak = abs(LEAK * 2.0**-LEAK_BITS - 0.01) * np.abs(np.minimum(sums.low - sums.error, 0.0)) + 2.0 ** -(
        sums_scale + 1
    )
    return Range(low, high, sums.error + (leak if slope else 0.0))
