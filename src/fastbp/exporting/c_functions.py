"""What a C file has of functions: those that it calls, what they need, the constants of its precision."""

from collections.abc import Collection

import numpy as np

from fastbp.exporting.c_activations import RUNS, in_lanes
from fastbp.exporting.c_pieces import NUMBERS, Piece
from fastbp.exporting.c_slopes import SLOPES
from fastbp.kernels.formulas import coefficients as co

PIECES = NUMBERS | RUNS | {f"slope_{name}": piece for name, piece in SLOPES.items()}

FUNCTIONS = frozenset(name.removeprefix("h_") for name in PIECES if name.startswith("h_")) | {"identity"}

_TABLES = {
    "float32": {"expm1": co.EXPM1_32, "tanh": co.TANH_32, "log1p": co.LOG1P_32, "erfcx": co.ERFCX_32},
    "float64": {"expm1": co.EXPM1_64, "tanh": co.TANH_64, "log1p": co.LOG1P_64, "erfcx": co.ERFCX_64},
}


def functions_text(calls: Collection[tuple[str, int]], dtype: np.dtype) -> str:
    """C of the pieces that are called, (name, for how many numbers), and of all that they call, before them."""
    ordered: list[str] = []
    lengths: dict[str, set[int]] = {}

    def visit(name: str, n: int) -> None:
        for other in PIECES[name].needs:
            visit(other, 0)
        if name not in ordered:
            ordered.append(name)
        lengths.setdefault(name, set()).add(n)

    for name, n in calls:
        visit(name, n)
    text = "".join(_piece(name, lengths[name]).text for name in ordered)
    for table, numbers in _TABLES[dtype.name].items():
        for variable in ("r", "q", "u", "u[j]"):
            text = text.replace(f"{{{table}:{variable}}}", horner(numbers, variable))
    return text


def _piece(name: str, lengths: set[int]) -> Piece:
    """For runs of one length as it is: compilers see that length, which other pieces and several lengths hide."""
    is_run = name.startswith("h_") and name != "h_softmax"
    return in_lanes(name) if is_run and (len(lengths) > 1 or 0 in lengths) else PIECES[name]


def horner(coefficients: tuple[float, ...], variable: str) -> str:
    """A polynomial as nested products, four coefficients on a line."""
    text, open_brackets = "", 0
    for n, coefficient in enumerate(coefficients):
        last = n == len(coefficients) - 1
        new_line = "\n            " if n % 4 == 0 and n else ""
        text += f"{new_line}R({coefficient!r})" + ("" if last else f" + {variable} * (")
        open_brackets += not last
    return text + ")" * open_brackets


# always_inline where it makes loops of a known number of rounds, but not where code is to be small
INLINE = """\
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static
#endif
#define LANES 8
"""
LANES = 8  # as there: numbers that a run of any length takes at a time

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
