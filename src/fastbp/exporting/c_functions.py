"""The activation functions in C99: the kernels' own formulas, so that a file computes what the network computes.

They are loops without branches, which compilers turn into vector instructions; no call of the C library but for sine
and cosine, so that a file gives the same digits wherever it runs. A bound is drawn in a loop of its own (`at_most`,
`at_least`): in the same loop, compilers make a branch of it. R(x) is the literal x in the network's precision.

Where a formula of the kernels has a fused multiply-add, the constant is in two parts here, or the rounding is added
back: C99 does not have it in hardware everywhere.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fastbp.kernels.formulas import coefficients as co


@dataclass(frozen=True)
class Piece:
    """A piece of C, and the names of those that it calls."""

    text: str
    needs: tuple[str, ...] = ()


# ---------------------------------------------------------------------------- of single numbers

PIECES = {
    "whole": Piece("""
/* x rounded to a whole number: the last bits of x + WHOLE. */
static int32_t whole(real x)
{
    real shifted = x + WHOLE;
    word bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (int32_t)(uint32_t)(bits - WHOLE_BITS);
}
"""),
    "power": Piece("""
/* 2**n */
static real power(int32_t n)
{
    word bits = ((word)n << MANTISSA_BITS) + ONE_BITS;
    real x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
"""),
    "scaled": Piece(
        """
/* x 2**n in two steps, either of which is a normal number */
static real scaled(real x, int32_t n)
{
    return x * power(n / 2) * power(n - n / 2);
}
""",
        ("power",),
    ),
    "exp_less_1": Piece("""
/* exp(r) - 1, |r| <= ln(2) / 2 */
static real exp_less_1(real r)
{
    return r + r * r * ({expm1:r});
}
"""),
    "rest_of": Piece("""
/* x - n ln 2; n times the first part of ln 2 is exact */
static real rest_of(real x, int32_t n)
{
    return (x - (real)n * LN2_HIGH) - (real)n * LN2_LOW;
}
"""),
    "exp_of": Piece(
        """
/* e**x within its bounds */
static real exp_of(real x)
{
    int32_t n = whole(x * LOG2_E);
    return scaled(R(1.0) + exp_less_1(rest_of(x, n)), n);
}
""",
        ("whole", "scaled", "exp_less_1", "rest_of"),
    ),
    "tanh_of_small": Piece("""
/* tanh(h), |h| <= ln(2) / 4 */
static real tanh_of_small(real h)
{
    real q = h * h;
    return h + h * q * ({tanh:q});
}
"""),
    # ------------------------------------------------------------------------ of a run of numbers
    "at_most": Piece("""
static void at_most(int n, real high, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = z[j] > high ? high : z[j];
}
"""),
    "at_least": Piece("""
static void at_least(int n, real low, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = z[j] < low ? low : z[j];
}
"""),
    "h_exp": Piece(
        """
static void h_exp(int n, real *z)
{
    int j;
    at_most(n, EXP_HIGHEST, z);
    at_least(n, EXP_LOWEST, z);
    for (j = 0; j < n; ++j)
        z[j] = exp_of(z[j]);
}
""",
        ("at_most", "at_least", "exp_of"),
    ),
    "h_tanh": Piece(
        """
/* (p + p t - 1 + t) / (p + p t + 1 - t) with e**2a = p (1 + t) / (1 - t), p a power of 2 */
static void h_tanh(int n, real *z)
{
    int j;
    at_most(n, TANH_HIGHEST, z);
    at_least(n, -TANH_HIGHEST, z);
    for (j = 0; j < n; ++j) {
        int32_t m = whole(z[j] * (R(2.0) * LOG2_E));
        real t = tanh_of_small(R(0.5) * rest_of(z[j] + z[j], m)), p = power(m), d = R(1.0) - p;
        z[j] = ((p + R(1.0)) * t - d) / (p + R(1.0) - d * t);
    }
}
""",
        ("at_most", "at_least", "whole", "power", "rest_of", "tanh_of_small"),
    ),
    "h_logistic": Piece(
        """
/* p (1 + t) / (p (1 + t) + 1 - t) with e**a = p (1 + t) / (1 - t), p a power of 2 */
static void h_logistic(int n, real *z)
{
    int j;
    at_most(n, LOGISTIC_HIGHEST, z);
    at_least(n, EXP_LOWEST, z);
    for (j = 0; j < n; ++j) {
        int32_t m = whole(z[j] * LOG2_E);
        real t = tanh_of_small(R(0.5) * rest_of(z[j], m)), p = scaled(R(1.0) + t, m);
        z[j] = p / (p + (R(1.0) - t));
    }
}
""",
        ("at_most", "at_least", "whole", "scaled", "rest_of", "tanh_of_small"),
    ),
    "h_relu": Piece("""
static void h_relu(int n, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = z[j] < R(0.0) ? R(0.0) : z[j];
}
"""),
    "h_leaky_relu": Piece("""
static void h_leaky_relu(int n, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = z[j] < R(0.0) ? R(0.01) * z[j] : z[j];
}
"""),
    "h_elu": Piece(
        """
static void h_elu(int n, real *z)
{
    real s[WIDEST];
    int j;
    memcpy(s, z, (size_t)n * sizeof *z);
    at_most(n, R(0.0), s);
    at_least(n, R(-40.0), s);
    for (j = 0; j < n; ++j) {
        int32_t m = whole(s[j] * LOG2_E);
        real p = power(m);
        s[j] = p * exp_less_1(rest_of(s[j], m)) + (p - R(1.0));
    }
    for (j = 0; j < n; ++j)
        z[j] = z[j] > R(0.0) ? z[j] : s[j];
}
""",
        ("at_most", "at_least", "whole", "power", "exp_less_1", "rest_of"),
    ),
    "h_softplus": Piece(
        """
/* max(a, 0) + ln(1 + u), u = e**-|a| */
static void h_softplus(int n, real *z)
{
    real u[WIDEST];
    int j;
    for (j = 0; j < n; ++j)
        u[j] = z[j] > R(0.0) ? -z[j] : z[j];
    h_exp(n, u);
    for (j = 0; j < n; ++j)
        z[j] = (z[j] > R(0.0) ? z[j] : R(0.0)) + (u[j] + u[j] * u[j] * ({log1p:u[j]}));
}
""",
        ("h_exp",),
    ),
    "h_softsign": Piece(
        """
static void h_softsign(int n, real *z)
{
    int j;
    at_most(n, R(1e30), z);
    at_least(n, R(-1e30), z);
    for (j = 0; j < n; ++j)
        z[j] = z[j] / (R(1.0) + (z[j] < R(0.0) ? -z[j] : z[j]));
}
""",
        ("at_most", "at_least"),
    ),
    "exp_minus_square": Piece(
        """
/* exp(-factor x**2): the rounding of the square, which the exponential multiplies, is added back */
static void exp_minus_square(int n, real factor, real *x)
{
    real rounding[WIDEST];
    int j;
    for (j = 0; j < n; ++j)
        x[j] = x[j] < R(0.0) ? -x[j] : x[j];
    at_most(n, R(60.0), x);
    for (j = 0; j < n; ++j) {
        real high, low, square = x[j] * x[j];
        word bits;
        memcpy(&bits, &x[j], sizeof bits);
        bits &= ~(((word)1 << (MANTISSA_BITS / 2 + 1)) - 1);
        memcpy(&high, &bits, sizeof high);
        low = x[j] - high;
        rounding[j] = ((high * high - square) + R(2.0) * high * low) + low * low;
        x[j] = -factor * square;
    }
    at_least(n, EXP_LOWEST, x);
    for (j = 0; j < n; ++j)
        x[j] = exp_of(x[j]) * (R(1.0) - factor * rounding[j]);
}
""",
        ("at_most", "at_least", "exp_of"),
    ),
    "normal_cdf": Piece(
        """
/* the normal distribution function, erfc(-x / sqrt 2) / 2 */
static void normal_cdf(int n, real *x)
{
    real e[WIDEST], t[WIDEST];
    int j;
    for (j = 0; j < n; ++j)
        t[j] = x[j] < R(0.0) ? -x[j] : x[j];
    at_most(n, R(60.0), t);
    memcpy(e, x, (size_t)n * sizeof *x);
    exp_minus_square(n, R(0.5), e);
    for (j = 0; j < n; ++j) {
        real u, s = R(2.0) / (R(2.0) + t[j] * R(0.7071067811865476));
        u = s + s - R(1.0);
        t[j] = s * ({erfcx:u}) * R(0.5) * e[j];
    }
    for (j = 0; j < n; ++j)
        x[j] = x[j] < R(0.0) ? t[j] : R(1.0) - t[j];
}
""",
        ("at_most", "exp_minus_square"),
    ),
    "h_gelu": Piece(
        """
static void h_gelu(int n, real *z)
{
    real s[WIDEST];
    int j;
    at_least(n, R(-60.0), z);
    memcpy(s, z, (size_t)n * sizeof *z);
    normal_cdf(n, s);
    for (j = 0; j < n; ++j)
        z[j] *= s[j];
}
""",
        ("at_least", "normal_cdf"),
    ),
    "h_silu": Piece(
        """
static void h_silu(int n, real *z)
{
    real s[WIDEST];
    int j;
    at_least(n, R(-800.0), z);
    memcpy(s, z, (size_t)n * sizeof *z);
    h_logistic(n, s);
    for (j = 0; j < n; ++j)
        z[j] *= s[j];
}
""",
        ("at_least", "h_logistic"),
    ),
    "h_sin": Piece("""
static void h_sin(int n, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = SIN(z[j]);
}
"""),
    "h_gaussian": Piece(
        """
static void h_gaussian(int n, real *z)
{
    exp_minus_square(n, R(1.0), z);
}
""",
        ("exp_minus_square",),
    ),
    "h_threshold": Piece("""
static void h_threshold(int n, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = z[j] > R(0.0) ? R(1.0) : R(0.0);
}
"""),
    "h_softmax": Piece(
        """
/* y_k = exp(a_k) / sum_k exp(a_k); the largest a is subtracted from all, which changes nothing */
static void h_softmax(int n, real *z)
{
    real largest = z[0], total = R(0.0);
    int k;
    for (k = 1; k < n; ++k)
        largest = z[k] > largest ? z[k] : largest;
    for (k = 0; k < n; ++k)
        z[k] -= largest;
    h_exp(n, z);
    for (k = 0; k < n; ++k)
        total += z[k];
    for (k = 0; k < n; ++k)
        z[k] /= total;
}
""",
        ("h_exp",),
    ),
}

# ---------------------------------------------------------------------------- derivatives: delta_j *= h'(a_j)


def _slope(name: str, factor: str, *needs: str, before: str = "", scratch: str = "", note: str = "") -> Piece:
    """`delta_j *= factor`, after what fills the scratch arrays."""
    arrays = f"    real {scratch};\n" if scratch else ""
    head = f"/* {note} */\n" if note else ""
    unused = "".join(f"    (void){array};\n" for array in "az" if not re.search(rf"\b{array}\b", before + factor))
    text = (
        f"\n{head}static void slope_{name}(int n, const real *a, const real *z, real *delta)\n{{\n{arrays}    int j;\n"
        f"{unused}{before}    for (j = 0; j < n; ++j)\n        delta[j] *= {factor};\n}}\n"
    )
    return Piece(text, needs)


def _copy_then(function: str, array: str = "s") -> str:
    return f"    memcpy({array}, a, (size_t)n * sizeof *a);\n    {function};\n"


_BOTH_TAILS = (
    "    memcpy(s, a, (size_t)n * sizeof *a);\n    at_most(n, R({0}), s);\n    at_least(n, R(-{0}), s);\n"
    "    memcpy(b, s, (size_t)n * sizeof *a);\n"
)

SLOPES = {
    "tanh": _slope("tanh", "R(1.0) - z[j] * z[j]"),
    "logistic": _slope("logistic", "z[j] * (R(1.0) - z[j])"),
    "relu": _slope("relu", "z[j] > R(0.0) ? R(1.0) : R(0.0)"),
    "leaky_relu": _slope("leaky_relu", "z[j] > R(0.0) ? R(1.0) : R(0.01)"),
    "elu": _slope(
        "elu", "s[j]", "at_most", "h_exp", scratch="s[WIDEST]",
        before="    memcpy(s, a, (size_t)n * sizeof *a);\n    at_most(n, R(0.0), s);\n    h_exp(n, s);\n",
    ),
    "softplus": _slope("softplus", "s[j]", "h_logistic", scratch="s[WIDEST]", before=_copy_then("h_logistic(n, s)")),
    "softsign": _slope(
        "softsign", "s[j] * s[j]", scratch="s[WIDEST]",
        before="    for (j = 0; j < n; ++j)\n        s[j] = R(1.0) / (R(1.0) + (a[j] < R(0.0) ? -a[j] : a[j]));\n",
    ),
    "gelu": _slope(
        "gelu", "s[j] + b[j] * (R(0.3989422804014327) * e[j])", "at_most", "at_least", "normal_cdf", "exp_minus_square",
        scratch="s[WIDEST], b[WIDEST], e[WIDEST]", note="normal_cdf(a) + a normal_pdf(a)",
        before=_BOTH_TAILS.format("60.0") + "    normal_cdf(n, s);\n    memcpy(e, b, (size_t)n * sizeof *a);\n"
        "    exp_minus_square(n, R(0.5), e);\n",
    ),
    "silu": _slope(
        "silu", "s[j] * (R(1.0) + b[j] * c[j])", "at_most", "at_least", "h_logistic",
        scratch="s[WIDEST], b[WIDEST], c[WIDEST]", note="s (1 + a (1 - s)) with s the logistic function of a",
        before=_BOTH_TAILS.format("800.0") + "    h_logistic(n, s);\n    for (j = 0; j < n; ++j)\n"
        "        c[j] = -b[j];\n    h_logistic(n, c);\n",
    ),
    "sin": _slope("sin", "COS(a[j])"),
    "gaussian": _slope(
        "gaussian", "R(-2.0) * b[j] * z[j]", "at_most", "at_least", scratch="b[WIDEST]",
        before="    memcpy(b, a, (size_t)n * sizeof *a);\n    at_most(n, R(60.0), b);\n    at_least(n, R(-60.0), b);\n",
    ),
    "exp": _slope("exp", "z[j]"),
}  # fmt: skip
PIECES |= {f"slope_{name}": piece for name, piece in SLOPES.items()}

FUNCTIONS = frozenset(name.removeprefix("h_") for name in PIECES if name.startswith("h_")) | {"identity"}

_TABLES = {
    "float32": {"expm1": co.EXPM1_32, "tanh": co.TANH_32, "log1p": co.LOG1P_32, "erfcx": co.ERFCX_32},
    "float64": {"expm1": co.EXPM1_64, "tanh": co.TANH_64, "log1p": co.LOG1P_64, "erfcx": co.ERFCX_64},
}


def functions_text(names: Iterable[str], dtype: np.dtype) -> str:
    """C of the pieces `names`, and of all that they call, before them."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        for other in PIECES[name].needs:
            visit(other)
        if name not in ordered:
            ordered.append(name)

    for name in names:
        visit(name)
    text = "".join(PIECES[name].text for name in ordered)
    for table, numbers in _TABLES[dtype.name].items():
        for variable in ("r", "q", "u", "u[j]"):
            text = text.replace(f"{{{table}:{variable}}}", horner(numbers, variable))
    return text


def horner(coefficients: tuple[float, ...], variable: str) -> str:
    """A polynomial as nested products, four coefficients on a line."""
    text, open_brackets = "", 0
    for n, coefficient in enumerate(coefficients):
        last = n == len(coefficients) - 1
        new_line = "\n            " if n % 4 == 0 and n else ""
        text += f"{new_line}R({coefficient!r})" + ("" if last else f" + {variable} * (")
        open_brackets += not last
    return text + ")" * open_brackets


CONSTANTS = {
    "float32": """\
typedef float real;
typedef uint32_t word;

#define R(x) x##f
#define SIN sinf
#define COS cosf
#define MANTISSA_BITS 23
#define ONE_BITS UINT32_C(0x3f800000)
#define WHOLE R(12582912.0) /* 1.5 * 2**23: the last bit of x + WHOLE is worth 1 */
#define WHOLE_BITS UINT32_C(0x4b400000)
#define LOG2_E R(1.4426950408889634)
#define LN2_HIGH R(0.693359375)
#define LN2_LOW R(-2.12194440054690583e-4)
#define EXP_HIGHEST R(89.0)
#define EXP_LOWEST R(-104.0)
#define TANH_HIGHEST R(10.0)
#define LOGISTIC_HIGHEST R(20.0)
""",
    "float64": """\
typedef double real;
typedef uint64_t word;

#define R(x) x
#define SIN sin
#define COS cos
#define MANTISSA_BITS 52
#define ONE_BITS UINT64_C(0x3ff0000000000000)
#define WHOLE R(6755399441055744.0) /* 1.5 * 2**52: the last bit of x + WHOLE is worth 1 */
#define WHOLE_BITS UINT64_C(0x4338000000000000)
#define LOG2_E R(1.4426950408889634)
#define LN2_HIGH R(0.693147180369123816490)
#define LN2_LOW R(1.90821492927058770002e-10)
#define EXP_HIGHEST R(710.0)
#define EXP_LOWEST R(-746.0)
#define TANH_HIGHEST R(20.0)
#define LOGISTIC_HIGHEST R(40.0)
""",
}
