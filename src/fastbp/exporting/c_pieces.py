"""Pieces of C of which the functions of a file are put together: what they need of single numbers and of runs of them.

R(x) is the literal x in the network's precision; {expm1:r} the polynomial of that name in r, from the kernels' tables.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A piece of C, and the names of those that it calls."""

    text: str
    needs: tuple[str, ...] = ()


NUMBERS = {
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
}
