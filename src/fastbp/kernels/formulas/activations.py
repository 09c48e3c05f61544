"""Activation functions h and their derivatives h', in pairs, of a Vec (`lanes.py`) of float32 or float64.

The bounds in the docstrings are tested over the whole range of both formats. "ulp" is a unit in the last place of the
result. Inputs of +-0, +-inf and NaN give what C's functions give.
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.coefficients import LN2, LOG1P_32, LOG1P_64, LOG2_E
from fastbp.kernels.formulas.elementary import (
    exp,
    exp_by_table,
    exp_minus_square,
    exp_not_above,
    expm1,
    log1p_by_table,
    normal_cdf,
    quotient,
    reciprocal,
    reduce_by_ln2,
    sine,
    tanh_of_small,
    whole,
)
from fastbp.kernels.registers.lanes import (
    absolute,
    any_lane,
    copysign,
    exp2i,
    fma,
    has_lookup,
    library_cos,
    library_sin,
    like,
    maximum,
    minimum,
    polynomial,
    precision,
    scale,
    select,
)  # fmt: skip


@kernel
def identity(a):
    """The input itself."""
    return a


@kernel
def identity_slope(a, z):
    """1."""
    return like(a, 1.0)


@kernel
def tanh(a):
    """Hyperbolic tangent within 3 ulp: (p + p t - 1 + t) / (p + p t + 1 - t) with e**2a = p (1 + t) / (1 - t).

    p is a power of 2, and t the tangent of what is left of a, a polynomial with half the terms of one for e**2a.
    """
    bound = 10.0 if precision(a) == 32 else 20.0
    a = minimum(bound, maximum(-bound, a))
    shifted = fma(a, 2.0 * LOG2_E, whole(a))
    t = tanh_of_small(fma(shifted - whole(a), -0.5 * LN2, a))
    p = exp2i(shifted)
    difference = 1.0 - p  # not p - 1: of a = -0 it would make +0
    return quotient(fma(p + 1.0, t, -difference), fma(-difference, t, p + 1.0))


@kernel
def tanh_slope(a, z):
    """1 - z**2: within 4 units of the last place of 1."""
    return 1.0 - z * z


@kernel
def logistic(a):
    """1 / (1 + e**-a) within 4 ulp, also where it is tiny: p (1 + t) / (p (1 + t) + 1 - t), see `tanh`."""
    lowest, highest = (-104.0, 20.0) if precision(a) == 32 else (-746.0, 40.0)
    n, r = reduce_by_ln2(minimum(highest, maximum(lowest, a)))
    t = tanh_of_small(0.5 * r)
    power = scale(1.0 + t, n)
    return quotient(power, power + (1.0 - t))


@kernel
def logistic_slope(a, z):
    """z (1 - z): within 4 units of the last place of 1."""
    return z * (1.0 - z)


@kernel
def relu(a):
    """The larger of a and 0."""
    return maximum(0.0, a)


@kernel
def relu_slope(a, z):
    """1 if a > 0, and so z > 0; else 0."""
    return select(z > 0.0, like(z, 1.0), 0.0)


@kernel
def leaky_relu(a):
    """a, or a / 100 where a is negative."""
    return maximum(a, 0.01 * a)


@kernel
def leaky_relu_slope(a, z):
    """1 if a > 0, else 1 / 100."""
    return select(z > 0.0, like(z, 1.0), 0.01)


@kernel
def elu(a):
    """a, or e**a - 1 where a is negative; within 2 ulp."""
    return select(a > 0.0, a, expm1(minimum(0.0, a)))


@kernel
def elu_slope(a, z):
    """1, or e**a where a is negative; within 2 ulp."""
    return exp(minimum(0.0, a))


@kernel
def softplus(a):
    """ln(1 + e**a) within 4 ulp: max(a, 0) + log1p(e**-|a|).

    A polynomial of e**-|a| itself: a logarithm's reduction, and its division, take half as long again. In float64 it
    has 20 terms; with tables it has 8.
    """
    if has_lookup(a):
        return maximum(0.0, a) + log1p_by_table(exp_by_table(-absolute(a)))
    u = exp_not_above(-absolute(a))
    if precision(a) == 32:
        return maximum(0.0, a) + fma(u * u, polynomial(u, LOG1P_32), u)
    square = u * u
    fourth = square * square
    even = fma(square, polynomial(fourth, LOG1P_64[2::4]), polynomial(fourth, LOG1P_64[::4]))
    odd = fma(square, polynomial(fourth, LOG1P_64[3::4]), polynomial(fourth, LOG1P_64[1::4]))
    series = fma(u, odd, even)
    return maximum(0.0, a) + fma(square, series, u)


@kernel
def softplus_slope(a, z):
    """The logistic function, within 4 ulp."""
    return logistic(a)


@kernel
def softsign(a):
    """a / (1 + |a|) within 2 ulp."""
    size = minimum(1e30, absolute(a))
    return copysign(size * reciprocal(1.0 + size), a)


@kernel
def softsign_slope(a, z):
    """1 / (1 + |a|)**2 within 3 ulp."""
    s = 1.0 / (1.0 + absolute(a))
    return s * s


@kernel
def gelu(a):
    """a times the normal distribution function, within 20 ulp where that is a normal number."""
    a = maximum(-60.0, a)
    return a * normal_cdf(a)


@kernel
def gelu_slope(a, z):
    """normal_cdf(a) + a normal_pdf(a): within 20 units of the last place of 1."""
    bounded = maximum(-60.0, minimum(60.0, a))
    density = 0.3989422804014327 * exp_minus_square(0.5, bounded)
    return fma(bounded, density, normal_cdf(a))


@kernel
def silu(a):
    """a times its logistic, within 5 ulp where that is a normal number."""
    a = maximum(-800.0, a)
    return a * logistic(a)


@kernel
def silu_slope(a, z):
    """s (1 + a (1 - s)) with s = logistic(a), 1 - s = logistic(-a): within 8 units of the last place of 1."""
    bounded = maximum(-800.0, minimum(800.0, a))
    return logistic(bounded) * fma(bounded, logistic(-bounded), 1.0)


@kernel
def sin(a):
    """Sine: within 2 units of the last place of 1."""
    if any_lane(absolute(a) > (1e4 if precision(a) == 32 else 1e8)):
        return library_sin(a)
    return sine(a, 0.0)


@kernel
def sin_slope(a, z):
    """Cosine: within 2 units of the last place of 1."""
    if any_lane(absolute(a) > (1e4 if precision(a) == 32 else 1e8)):
        return library_cos(a)
    return sine(a, 0.5)


@kernel
def gaussian(a):
    """exp(-a**2) within 4 ulp."""
    return exp_minus_square(1.0, a)


@kernel
def gaussian_slope(a, z):
    """-2 a exp(-a**2) within 5 ulp where z is a normal number."""
    return -2.0 * maximum(-60.0, minimum(60.0, a)) * z


@kernel
def threshold(a):
    """1 if a > 0, else 0. For the forward pass only: its derivative is 0 wherever it exists."""
    return select(a > 0.0, like(a, 1.0), 0.0)


@kernel
def threshold_slope(a, z):
    """0: what it is wherever it exists."""
    return like(a, 0.0)


@kernel
def exp_slope(a, z):
    """e**a again."""
    return z


@kernel
def ramp(a):
    """a between 0 and 1, beyond them the nearer of the two."""
    return minimum(1.0, maximum(0.0, a))


@kernel
def ramp_slope(a, z):
    """1 if 0 < a < 1, and so 0 < z < 1; else 0."""
    return select(z > 0.0, select(z < 1.0, like(z, 1.0), 0.0), 0.0)


# Klambauer, Unterthiner, Mayr and Hochreiter (2017): they keep mean 0 and variance 1 from layer to layer
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
SELU_LOWEST = SELU_SCALE * SELU_ALPHA


@kernel
def selu(a):
    """1.0507 a, or 1.7581 (e**a - 1) where a is negative; within 4 ulp."""
    return select(a > 0.0, SELU_SCALE * a, SELU_LOWEST * expm1(minimum(0.0, a)))


@kernel
def selu_slope(a, z):
    """1.0507, or 1.7581 e**a where a is not positive; within 3 ulp."""
    return select(a > 0.0, like(a, SELU_SCALE), SELU_LOWEST * exp(minimum(0.0, a)))


@kernel
def _mish_powers(a):
    """(u, n) with u = e**a and n = u (u + 2), so that tanh(ln(1 + u)) = n / (n + 2): 1 where u is cut off."""
    u = exp_not_above(minimum(20.0, a))
    return u, u * (u + 2.0)


@kernel
def mish(a):
    """a tanh(softplus(a)), within 6 ulp where e**a is a normal number."""
    a = maximum(-800.0, a)
    _u, n = _mish_powers(a)
    return a * quotient(n, n + 2.0)


@kernel
def mish_slope(a, z):
    """(n + 4 a u (1 + u) / (n + 2)) / (n + 2), u = e**a, n = u (u + 2): within 8 units of the last place of 1."""
    bounded = maximum(-800.0, minimum(20.0, a))
    u, n = _mish_powers(bounded)
    r = reciprocal(n + 2.0)
    return r * fma(4.0 * bounded, fma(u, u, u) * r, n)


# Second derivatives h''(a, z), at a kink 0, as on its left side; and the functions that are straight but for kinks
STRAIGHT = frozenset({"identity", "relu", "leaky_relu", "threshold", "ramp"})


@kernel
def tanh_bend(a, z):
    """-2 z (1 - z**2)."""
    return -2.0 * z * (1.0 - z * z)


@kernel
def logistic_bend(a, z):
    """z (1 - z) (1 - 2 z)."""
    return z * (1.0 - z) * (1.0 - 2.0 * z)


@kernel
def elu_bend(a, z):
    """e**a where a is negative, else 0."""
    return select(a < 0.0, exp(minimum(0.0, a)), 0.0)


@kernel
def softplus_bend(a, z):
    """s (1 - s) with s = logistic(a), 1 - s = logistic(-a)."""
    return logistic(a) * logistic(-a)


@kernel
def softsign_bend(a, z):
    """-2 sign(a) / (1 + |a|)**3."""
    s = 1.0 / (1.0 + absolute(a))
    return copysign(2.0 * s * s * s, -a)


@kernel
def gelu_bend(a, z):
    """normal_pdf(a) (2 - a**2)."""
    bounded = maximum(-60.0, minimum(60.0, a))
    return 0.3989422804014327 * exp_minus_square(0.5, bounded) * (2.0 - bounded * bounded)


@kernel
def silu_bend(a, z):
    """s (1 - s) (2 + a (1 - 2 s)) with s = logistic(a)."""
    bounded = maximum(-800.0, minimum(800.0, a))
    s, rest = logistic(bounded), logistic(-bounded)
    return s * rest * fma(bounded, rest - s, 2.0)


@kernel
def sin_bend(a, z):
    """-sin(a)."""
    return -z


@kernel
def gaussian_bend(a, z):
    """(4 a**2 - 2) exp(-a**2)."""
    bounded = maximum(-60.0, minimum(60.0, a))
    return fma(4.0 * bounded, bounded, -2.0) * z


@kernel
def exp_bend(a, z):
    """e**a once more."""
    return z


@kernel
def selu_bend(a, z):
    """1.7581 e**a where a is negative, else 0."""
    return select(a < 0.0, SELU_LOWEST * exp(minimum(0.0, a)), 0.0)


@kernel
def mish_bend(a, z):
    """4 u r**2 (2 (1 + u) + a (1 - 2 u + 4 u r)), r = 1 / (n + 2), u and n as of `mish_slope`."""
    bounded = maximum(-800.0, minimum(20.0, a))
    u, n = _mish_powers(bounded)
    r = reciprocal(n + 2.0)
    return 4.0 * u * r * r * fma(bounded, fma(u, fma(4.0, r, -2.0), 1.0), fma(2.0, u, 2.0))
