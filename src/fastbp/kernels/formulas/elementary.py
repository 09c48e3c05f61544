"""Elementary functions that vectorise, without branches: exp, log, sine, tanh and the normal distribution.

All take a Vec (`lanes.py`), of float32 or float64: a call to the C library for each lane costs far more.
The polynomials' coefficients are in coefficients.py; the bounds in the docstrings are tested over the whole range of
both formats. "ulp" is a unit in the last place of the result.

Inputs of +-0, +-inf and NaN give what C's functions give.
"""

import math

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.coefficients import (
    ATANH_32,
    ATANH_64,
    ERFCX_32,
    ERFCX_64,
    EXPM1_32,
    EXPM1_64,
    EXPM1_TABLE_64,
    INVERSES_64,
    LN2_HIGH_32,
    LN2_HIGH_64,
    LN2_LOW_32,
    LN2_LOW_64,
    LOG1P_TABLE_64,
    LOG2_E,
    LOGS_64,
    PI_32,
    PI_64,
    POWERS_64,
    SIN_32,
    SIN_64,
    TANH_32,
    TANH_64,
    WHOLE_32,
    WHOLE_64,
)
from fastbp.kernels.registers.lanes import (
    absolute,
    copysign,
    exp2i,
    exponent,
    fma,
    has_estimates,
    lookup,
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
    square_root,
)  # fmt: skip


@kernel
def reciprocal(x):
    """1 / x within 2 ulp, for normal x: Newton's iteration y <- y + y (1 - x y) doubles the right bits."""
    if not has_estimates(x):
        return 1.0 / x
    y = reciprocal_estimate(x)
    y = fma(fma(-x, y, 1.0), y, y)
    if precision(x) == 64:
        y = fma(fma(-x, y, 1.0), y, y)
    return y


@kernel
def quotient(x, y):
    """x / y within 1 ulp, for normal y: Newton's iteration, its last round on the quotient itself; -0 stays -0."""
    if not has_estimates(y):
        return x / y
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
def quotient_by_root(x, square, epsilon):
    """x / (sqrt(square) + epsilon) within 4 ulp, for a normal square: a root and a division in one round each.

    With y about 1 / sqrt(v) and e = 1 - v y**2, sqrt(v) is v y (1 + e / 2 + 3/8 e**2 + 5/16 e**3 + ...); with r about
    1 / d and e = 1 - d r, 1 / d is r (1 + e) (1 + e**2) (1 + e**4) ... And the estimate of 1 / d does not wait for the
    root: two rounds of Newton's iteration for each take as many instructions, but one after the other.

    Without estimates a root and a division are two instructions, and faster.
    """
    if not has_estimates(x):
        return x / (square_root(square) + epsilon)
    y = rsqrt_estimate(square)
    root = square * y
    rest, near = fma(-root, y, 1.0), root + epsilon
    r = reciprocal_estimate(near)
    q = x * r
    if precision(x) == 32:
        return q * fma(-fma(root * rest, 0.5, near), r, 2.0)
    series = fma(rest, fma(rest, 0.3125, 0.375), 0.5)
    e = fma(-fma(root * rest, series, near), r, 1.0)
    return fma(q, e, q) * fma(e, e, 1.0)


@kernel
def whole(x):
    """x + whole(x) - whole(x) is x rounded to a whole number."""
    return WHOLE_32 if precision(x) == 32 else WHOLE_64


@kernel
def reduce_by_ln2(x):
    """(n, r) with x = n ln 2 + r, n whole, |r| <= ln(2) / 2."""
    n = fma(x, LOG2_E, whole(x)) - whole(x)
    if precision(x) == 32:
        return n, fma(n, -LN2_LOW_32, fma(n, -LN2_HIGH_32, x))
    return n, fma(n, -LN2_LOW_64, fma(n, -LN2_HIGH_64, x))


@kernel
def _reduce_exp(x):
    """(n, q) with exp(x) = 2**n (1 + q), |q| < 0.42."""
    n, r = reduce_by_ln2(x)
    if precision(x) == 32:
        return n, fma(r * r, polynomial(r, EXPM1_32), r)
    square = r * r
    series = fma(r, polynomial(square, EXPM1_64[1::2]), polynomial(square, EXPM1_64[::2]))
    return n, fma(square, series, r)


@kernel
def exp(x):
    """e**x within 2 ulp; subnormal results within 1 of their units."""
    return exp_not_above(minimum(89.0 if precision(x) == 32 else 710.0, x))


@kernel
def exp_not_above(x):
    """e**x of x up to where it overflows."""
    n, q = _reduce_exp(maximum(-104.0 if precision(x) == 32 else -746.0, x))
    return scale(1.0 + q, n)


@kernel
def exp_by_table(x):
    """`exp_not_above` with fewer terms, where numbers can be looked up: 2**n 2**(k/16) (1 + q), n whole, k < 16."""
    x = maximum(-746.0, x)
    shifted = fma(x, 16.0 * LOG2_E, whole(x))
    sixteenths = shifted - whole(x)
    r = fma(sixteenths, -LN2_LOW_64 / 16.0, fma(sixteenths, -LN2_HIGH_64 / 16.0, x))
    square = r * r
    series = fma(r, polynomial(square, EXPM1_TABLE_64[1::2]), polynomial(square, EXPM1_TABLE_64[::2]))
    q = fma(square, series, r)
    power = lookup(shifted, POWERS_64)
    return scale(fma(power, q, power), sixteenths * 0.0625)


@kernel
def log1p_by_table(u):
    """ln(1 + u), 0 <= u <= 1, within 2 ulp: that of 1 + k / 15, and that of what is left as a factor."""
    place = fma(u, 15.0, whole(u))
    inverse = lookup(place, INVERSES_64)
    r = fma(u, inverse, inverse - 1.0)
    square = r * r
    series = fma(r, polynomial(square, LOG1P_TABLE_64[1::2]), polynomial(square, LOG1P_TABLE_64[::2]))
    return lookup(place, LOGS_64) + fma(square, series, r)


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
def exp_minus_square(factor, x):
    """exp(-factor x**2), factor 1 or 1/2, within 4 ulp: the square's rounding, which exp multiplies, is added back."""
    x = minimum(60.0, absolute(x))
    square = x * x
    rounding = fma(x, x, -square)
    return exp_not_above(-factor * square) * (1.0 - factor * rounding)


@kernel
def normal_cdf(x):
    """Integral of the standard normal density up to x, erfc(-x / sqrt 2) / 2, within 16 ulp of a normal number."""
    t = 2.0 / (2.0 + minimum(60.0, absolute(x)) * 0.7071067811865476)
    u = t + t - 1.0
    if precision(x) == 32:
        tail = t * polynomial(u, ERFCX_32) * 0.5 * exp_minus_square(0.5, x)
    else:
        tail = t * polynomial(u, ERFCX_64) * 0.5 * exp_minus_square(0.5, x)
    return select(x < 0.0, tail, 1.0 - tail)


@kernel
def sine(x, quarter):
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


@kernel
def tanh_of_small(h):
    """tanh(h) of |h| <= ln(2) / 4, within 1 ulp; of -0 it is -0."""
    square = h * h
    if precision(h) == 32:
        return h * fma(square, polynomial(square, TANH_32), 1.0)
    return h * fma(square, polynomial(square, TANH_64), 1.0)
