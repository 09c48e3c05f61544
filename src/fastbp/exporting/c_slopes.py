"""Derivatives of the activation functions in C99, as factors of a run of numbers: delta_j *= h'(a_j)."""

import re

from fastbp.exporting.c_pieces import Piece


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


_EXP_OF_NEGATIVE = "    memcpy(s, a, (size_t)n * sizeof *a);\n    at_most(n, R(0.0), s);\n    h_exp(n, s);\n"

_BOTH_TAILS = (
    "    memcpy(s, a, (size_t)n * sizeof *a);\n    at_most(n, R({0}), s);\n    at_least(n, R(-{0}), s);\n"
    "    memcpy(b, s, (size_t)n * sizeof *a);\n"
)

SLOPES = {
    "tanh": _slope("tanh", "R(1.0) - z[j] * z[j]"),
    "logistic": _slope("logistic", "z[j] * (R(1.0) - z[j])"),
    "relu": _slope("relu", "z[j] > R(0.0) ? R(1.0) : R(0.0)"),
    "ramp": _slope("ramp", "z[j] > R(0.0) && z[j] < R(1.0) ? R(1.0) : R(0.0)"),
    "leaky_relu": _slope("leaky_relu", "z[j] > R(0.0) ? R(1.0) : R(0.01)"),
    "elu": _slope(
        "elu", "s[j]", "at_most", "h_exp", scratch="s[WIDEST]",
        before=_EXP_OF_NEGATIVE,
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
    "selu": _slope(
        "selu", "s[j] * (a[j] > R(0.0) ? R(1.0507009873554805) : R(1.7580993408473766))", "at_most", "h_exp",
        scratch="s[WIDEST]", before=_EXP_OF_NEGATIVE,
    ),
    "mish": _slope(
        "mish", "r[j] * (m[j] + R(4.0) * b[j] * (u[j] + u[j] * u[j]) * r[j])", "at_most", "at_least", "h_exp",
        scratch="b[WIDEST], u[WIDEST], m[WIDEST], r[WIDEST]", note="r (m + 4 a u (1 + u) r), u = e**a, r = 1 / (m + 2)",
        before="    memcpy(b, a, (size_t)n * sizeof *a);\n    at_most(n, R(20.0), b);\n    at_least(n, R(-800.0), b);\n"
        "    memcpy(u, b, (size_t)n * sizeof *a);\n    h_exp(n, u);\n    for (j = 0; j < n; ++j) {\n"
        "        m[j] = u[j] * (u[j] + R(2.0));\n        r[j] = R(1.0) / (m[j] + R(2.0));\n    }\n",
    ),
    "sin": _slope("sin", "COS(a[j])"),
    "gaussian": _slope(
        "gaussian", "R(-2.0) * b[j] * z[j]", "at_most", "at_least", scratch="b[WIDEST]",
        before="    memcpy(b, a, (size_t)n * sizeof *a);\n    at_most(n, R(60.0), b);\n    at_least(n, R(-60.0), b);\n",
    ),
    "exp": _slope("exp", "z[j]"),
}  # fmt: skip
