"""Elementary functions that vectorise, activation functions h and their derivatives h'.

All take a Vec (`lanes.py`), of float32 or float64, and have no branches: a call to the C library for
each lane costs ten times as much. The polynomials' coefficients are in coefficients.py; the bounds in
the docstrings are tested over the whole range of both formats.
"ulp" is a unit in the last place of the result.

Inputs of +-0, +-inf and NaN give what C's functions give.
"""

import math

from fastbp.kernels.coefficients import (
    ATANH_32,
    ATANH_64,
    ERFCX_32,
    ERFCX_64,
    EXPM1_32,
    EXPM1_64,
    LN2,
    LN2_HIGH_32,
    LN2_HIGH_64,
    LN2_LOW_32,
    LN2_LOW_64,
    LOG1P_32,
    LOG1P_64,
    LOG2_E,
    PI_32,
    PI_64,
    SIN_32,
    SIN_64,
    TANH_32,
    TANH_64,
    WHOLE_32,
    WHOLE_64,
)
from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import (
    absolute,
    any_lane,
    copysign,
    exp2i,
    exponent,
    fma,
    library_cos,
    library_sin,
    like,
    mantissa,
    maximum,
    minimum,
    polynomial,
    precision,
    reciprocal_estimate,
    rint,
    rsqrt_estimate,
    scale,
    select,
)  # fmt: skip

# ---------------------------------------------------------------------------- elementary functions


@kernel
def reciprocal(x):
    """1 / x within 2 ulp, for normal x: Newton's iteration y <- y + y (1 - x y) doubles the right bits."""
    y = reciprocal_estimate(x)
    y = fma(fma(-x, y, 1.0), y, y)
    if precision(x) == 64:
        y = fma(fma(-x, y, 1.0), y, y)
    return y


@kernel
def quotient(x, y):
    """x / y within 1 ulp, for normal y: Newton's iteration, its last round on the quotient itself; -0 stays -0."""
    r = reciprocal_estimate(y)
    if precision(y) == 64:
        r = fma(fma(-y, r, 1.0), r, r)
    q = x * r
    return fma(-fma(y, q, -x), r, q)


@kernel
def smallest_normal(x):
    """The smallest normal number of the format of x."""
    return 1.1754943508222875e-38 if precision(x) == 32 else 2.2250738585072014e-308


@kernel
def square_root(x):
    """sqrt(x) within 2 ulp, for normal x; for smaller ones that of the smallest normal number.

    Newton's iteration for y = 1 / sqrt(x), y <- y + y (1 - x y**2) / 2, with r = x y carried along instead of y.
    """
    x = maximum(smallest_normal(x), x)
    y = rsqrt_estimate(x)
    if precision(x) == 64:
        y = fma(0.5 * y, fma(-x * y, y, 1.0), y)
    r = x * y
    return fma(r, fma(-r, 0.5 * y, 0.5), r)


@kernel
def whole(x):
    """x + whole(x) - whole(x) is x rounded to a whole number."""
    return WHOLE_32 if precision(x) == 32 else WHOLE_64


@kernel
def _reduce(x):
    """(n, r) with x = n ln 2 + r, n whole, |r| <= ln(2) / 2."""
    n = fma(x, LOG2_E, whole(x)) - whole(x)
    if precision(x) == 32:
        return n, fma(n, -LN2_LOW_32, fma(n, -LN2_HIGH_32, x))
    return n, fma(n, -LN2_LOW_64, fma(n, -LN2_HIGH_64, x))


@kernel
def _reduce_exp(x):
    """(n, q) with exp(x) = 2**n (1 + q), |q| < 0.42."""
    n, r = _reduce(x)
    if precision(x) == 32:
        return n, fma(r * r, polynomial(r, EXPM1_32), r)
    square = r * r
    series = fma(r, polynomial(square, EXPM1_64[1::2]), polynomial(square, EXPM1_64[::2]))
    return n, fma(square, series, r)


@kernel
def exp(x):
    """e**x within 2 ulp; subnormal results within 1 of their units."""
    return _exp_not_above(minimum(89.0 if precision(x) == 32 else 710.0, x))


@kernel
def _exp_not_above(x):
    """e**x of x up to where it overflows."""
    n, q = _reduce_exp(maximum(-104.0 if precision(x) == 32 else -746.0, x))
    return scale(1.0 + q, n)


@kernel
def expm1(x):
    """e**x - 1 of x <= 40 within 2 ulp."""
    return copysign(_expm1_unsigned(maximum(-40.0, x)), x)  # the sign of -0 is lost in n * ln 2


@kernel
def _expm1_unsigned(x):
    """e**x - 1 of x in [-40, 40]; +0 of -0."""
    n, q = _reduce_exp(x)
    power = exp2i(n + whole(x))
    return fma(power, q, power - 1.0)


@kernel
def _atanh2(s):
    """2 atanh(s), |s| <= 1/3."""
    square = s * s
    if precision(s) == 32:
        return fma(s * square, polynomial(square, ATANH_32), s + s)
    return fma(s * square, polynomial(square, ATANH_64), s + s)


@kernel
def log(x):
    """ln x of positive normal numbers, within 2 ulp; near x = 1 within 2 ulp of x - 1. Infinity and NaN stay."""
    m, n = mantissa(x), exponent(x)
    large = m > 1.4142135
    m = select(large, m * 0.5, m)
    n = select(large, n + 1.0, n)
    fraction = _atanh2((m - 1.0) / (m + 1.0))
    if precision(x) == 32:
        result = fma(n, LN2_HIGH_32, fma(n, LN2_LOW_32, fraction))
    else:
        result = fma(n, LN2_HIGH_64, fma(n, LN2_LOW_64, fraction))
    return select(x < math.inf, result, x)  # their mantissa would pass for a number's


@kernel
def _exp_minus_square(factor, x):
    """exp(-factor x**2), factor 1 or 1/2, within 4 ulp: the square's rounding, which exp multiplies, is added back."""
    x = minimum(60.0, absolute(x))
    square = x * x
    rounding = fma(x, x, -square)
    return _exp_not_above(-factor * square) * (1.0 - factor * rounding)


@kernel
def normal_cdf(x):
    """Integral of the standard normal density up to x, erfc(-x / sqrt 2) / 2, within 16 ulp of a normal number."""
    t = 2.0 / (2.0 + minimum(60.0, absolute(x)) * 0.7071067811865476)
    u = t + t - 1.0
    if precision(x) == 32:
        tail = t * polynomial(u, ERFCX_32) * 0.5 * _exp_minus_square(0.5, x)
    else:
        tail = t * polynomial(u, ERFCX_64) * 0.5 * _exp_minus_square(0.5, x)
    return select(x < 0.0, tail, 1.0 - tail)


@kernel
def _sine(x, quarter):
    """sin(x + pi quarter), quarter 0 or 1/2, of moderate x."""
    n = rint(fma(x, 0.3183098861837907, quarter))
    m = quarter - n
    parity = n - 2.0 * rint(n * 0.5)  # 0 or +-1
    sign = 1.0 - 2.0 * parity * parity
    if precision(x) == 32:
        r = fma(m, PI_32[2], fma(m, PI_32[1], fma(m, PI_32[0], x)))
        return sign * fma(r * r * r, polynomial(r * r, SIN_32), r)
    r = fma(m, PI_64[2], fma(m, PI_64[1], fma(m, PI_64[0], x)))
    return sign * fma(r * r * r, polynomial(r * r, SIN_64), r)


# ---------------------------------------------------------------------------- h and h', in pairs


@kernel
def identity(a):
    """The input itself."""
    return a


@kernel
def identity_slope(a, z):
    """1."""
    return like(a, 1.0)


@kernel
def _tanh_of_small(h):
    """tanh(h) of |h| <= ln(2) / 4, within 1 ulp; of -0 it is -0."""
    square = h * h
    if precision(h) == 32:
        return h * fma(square, polynomial(square, TANH_32), 1.0)
    return h * fma(square, polynomial(square, TANH_64), 1.0)


@kernel
def tanh(a):
    """Hyperbolic tangent within 3 ulp: (p + p t - 1 + t) / (p + p t + 1 - t) with e**2a = p (1 + t) / (1 - t).

    p is a power of 2, and t the tangent of what is left of a, a polynomial with half the terms of one for e**2a.
    """
    bound = 10.0 if precision(a) == 32 else 20.0
    a = minimum(bound, maximum(-bound, a))
    shifted = fma(a, 2.0 * LOG2_E, whole(a))
    t = _tanh_of_small(fma(shifted - whole(a), -0.5 * LN2, a))
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
    n, r = _reduce(minimum(highest, maximum(lowest, a)))
    t = _tanh_of_small(0.5 * r)
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

    A polynomial of e**-|a| itself: a logarithm's reduction, and its division, take half as long again.
    """
    u = _exp_not_above(-absolute(a))
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
    density = 0.3989422804014327 * _exp_minus_square(0.5, bounded)
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
    return _sine(a, 0.0)


@kernel
def sin_slope(a, z):
    """Cosine: within 2 units of the last place of 1."""
    if any_lane(absolute(a) > (1e4 if precision(a) == 32 else 1e8)):
        return library_cos(a)
    return _sine(a, 0.5)


@kernel
def gaussian(a):
    """exp(-a**2) within 4 ulp."""
    return _exp_minus_square(1.0, a)


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
