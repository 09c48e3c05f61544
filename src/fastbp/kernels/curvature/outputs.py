"""The loss at the outputs: its first and second derivatives, and where the passes for second derivatives begin.

The Gauss-Newton matrix is sum_n sum_k d_k b_k b_k^T with K rows b_k for each sample. Of a canonical pair it is split
at a, or else at y, where all losses are convex: so no d_k is negative. The rows begin, at the outputs' a, with

    softmax    delta_m = [m = k] - y_m      d_k = t y_k,  t = sum of the targets; or E''(y_k) y_k**2
    others     delta_m = [m = k]            d_k = y_k (1 - y_k), y_k; or E''(y_k) h'(a_k)**2

all d_k times the sample's weight; E'' is kept in `second`, and of canonical pairs the factor that d_k takes.
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.passes import fill
from fastbp.kernels.curvature.plan import last_layer
from fastbp.kernels.formulas.losses import canonical_error_bend, error_bend
from fastbp.kernels.many_samples.outputs import DELTAS, Outputs
from fastbp.kernels.registers.lanes import lanes, load, select, shift, splat, store


@kernel
def losses_of_tile(curve, tile, total):
    """Fill `first` and `second` of the tile; add sum_n weight_n E_n to total[0]."""
    layer, width = last_layer(curve), tile.width
    a, y = shift(tile.a, curve.first_output * width), shift(tile.z, curve.first_output * width)
    outputs = Outputs(
        a, y, tile.t, tile.first, tile.weight, curve.n_outputs, width, width, curve.net.loss_option
    )  # fmt: skip
    DELTAS.call(layer.deltas_address, outputs, total)
    for s in range(0, width, lanes(y)):
        weight = load(tile.weight, s)
        missing = weight == 0.0
        for k in range(curve.n_outputs):
            place = k * width + s
            y_k, t_k = load(y, place), load(tile.t, place)
            if curve.is_canonical:
                second = canonical_bend(curve, tile, place)
            else:
                second = error_bend(curve.net.loss, y_k, t_k, curve.net.loss_option)
            store(tile.second, place, select(missing, 0.0, weight * second))


@kernel
def canonical_bend(curve, tile, place):
    """What of a canonical pair's second derivative by a stands before the unit vectors: see above."""
    if curve.is_softmax:
        total = splat(tile.t, 0.0)
        for k in range(curve.n_outputs):
            total = total + load(tile.t, k * tile.width + place % tile.width)
        return total
    y_k = load(tile.z, curve.first_output * tile.width + place)
    return canonical_error_bend(curve.net.loss, y_k, load(tile.t, place), curve.net.loss_option)


@kernel
def begin_deltas(curve, tile):
    """Where the delta recursion of E_n begins: delta of the outputs (5.54), or their eps."""
    width, count = tile.width, curve.n_outputs * tile.width
    eps, delta = shift(tile.eps, curve.first_output * width), shift(tile.delta, curve.first_output * width)
    slope, y = shift(tile.slope, curve.first_output * width), shift(tile.z, curve.first_output * width)
    if curve.is_softmax and not curve.is_canonical:
        for s in range(0, width, lanes(y)):
            mean = mean_of(tile.first, y, curve.n_outputs, width, s)
            for k in range(curve.n_outputs):
                place = k * width + s
                store(delta, place, load(y, place) * (load(tile.first, place) - mean))
        return
    for p in range(0, count, lanes(y)):
        e = load(tile.first, p)
        store(eps, p, e)
        if not curve.ends_apart:
            store(delta, p, e if curve.is_canonical else e * load(slope, p))


@kernel
def mean_of(values, y, n_outputs, width, s):
    """sum_k y_k values_k of softmax's outputs."""
    mean = splat(y, 0.0)
    for k in range(n_outputs):
        mean = mean + load(values, k * width + s) * load(y, k * width + s)
    return mean


@kernel
def begin_row(curve, tile, k, eps, delta, of_outputs):
    """Where the k-th row b_k begins; with `of_outputs` dy_k/da_m, and the row is that of the Jacobian."""
    width, n = tile.width, curve.n_outputs
    start = curve.first_output * width
    y, slope = shift(tile.z, start), shift(tile.slope, start)
    out = shift(eps, start) if curve.ends_apart else shift(delta, start)
    fill(out, 0, n * width, 0.0)
    for s in range(0, width, lanes(y)):
        one = splat(y, 1.0)
        if curve.is_softmax:
            factor = load(y, k * width + s) if of_outputs else one
            for m in range(n):
                store(out, m * width + s, ((1.0 if m == k else 0.0) - load(y, m * width + s)) * factor)
        elif of_outputs and not curve.ends_apart:
            store(out, k * width + s, load(slope, k * width + s))
        else:
            store(out, k * width + s, one)


@kernel
def row_factor(curve, tile, k, s):
    """d_k of some samples."""
    place = k * tile.width + s
    out = curve.first_output * tile.width + place
    second, y = load(tile.second, place), load(tile.z, out)
    if curve.is_softmax:
        return second * y if curve.is_canonical else second * y * y
    if curve.is_canonical or curve.ends_apart:
        return second
    slope = load(tile.slope, out)
    return second * slope * slope


@kernel
def outputs_along(curve, tile):
    """R{y_k} of softmax: y_k (R{a_k} - sum_m y_m R{a_m}). Of the others the forward pass has it."""
    if not curve.is_softmax:
        return
    width, start = tile.width, curve.first_output * tile.width
    y, r_a, r_y = shift(tile.z, start), shift(tile.r_a, start), shift(tile.r_z, start)
    for s in range(0, width, lanes(y)):
        mean = mean_of(r_a, y, curve.n_outputs, width, s)
        for k in range(curve.n_outputs):
            place = k * width + s
            store(r_y, place, load(y, place) * (load(r_a, place) - mean))


@kernel
def begin_deltas_along(curve, tile, exact):
    """R{delta_k} of the outputs, or R{eps_k}: second derivatives of the loss, and with `exact` of the outputs."""
    width, start = tile.width, curve.first_output * tile.width
    if curve.is_softmax and not curve.is_canonical:
        softmax_deltas_along(curve, tile, exact)
        return
    r_a, r_y, slope = shift(tile.r_a, start), shift(tile.r_z, start), shift(tile.slope, start)
    r_eps, r_delta, bend = shift(tile.r_eps, start), shift(tile.r_delta, start), shift(tile.bend, start)
    for p in range(0, curve.n_outputs * width, lanes(r_a)):
        second = load(tile.second, p)
        if curve.ends_apart:
            store(r_eps, p, second * load(r_y, p))
        elif curve.is_canonical:
            store(r_delta, p, second * (load(r_y, p) if curve.is_softmax else load(r_a, p)))
        else:
            r = second * load(slope, p) * load(r_y, p)
            if exact:
                r = r + load(tile.first, p) * load(bend, p) * load(r_a, p)
            store(r_delta, p, r)


@kernel
def softmax_deltas_along(curve, tile, exact):
    """R{delta_k} of softmax with a loss of its outputs: delta_k = y_k (e_k - sum_m y_m e_m), e_k = dE/dy_k.

    R{delta_k} = y_k (q_k - sum_m y_m q_m), q_k = E'' R{y_k}, is the Gauss-Newton part; with `exact` there is also
    R{y_k} (e_k - sum_m y_m e_m) - y_k sum_m R{y_m} e_m.
    """
    width, start, n = tile.width, curve.first_output * tile.width, curve.n_outputs
    y, r_y, r_delta = shift(tile.z, start), shift(tile.r_z, start), shift(tile.r_delta, start)
    for s in range(0, width, lanes(y)):
        mean_q, moved = splat(y, 0.0), splat(y, 0.0)
        mean_e = mean_of(tile.first, y, n, width, s)
        for k in range(n):
            place = k * width + s
            mean_q = mean_q + load(y, place) * load(tile.second, place) * load(r_y, place)
            moved = moved + load(r_y, place) * load(tile.first, place)
        for k in range(n):
            place = k * width + s
            y_k, r_k = load(y, place), load(r_y, place)
            r = y_k * (load(tile.second, place) * r_k - mean_q)
            if exact:
                r = r + (r_k * (load(tile.first, place) - mean_e) - y_k * moved)
            store(r_delta, place, r)
