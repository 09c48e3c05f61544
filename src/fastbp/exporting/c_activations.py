"""The activation functions in C99, of a run of numbers in place: the kernels' own formulas.

They are loops without branches, which compilers turn into vector instructions: cautious ones (gcc -O2) only where they
know how many rounds there are, so a run of any length is done LANES numbers at a time (`in_lanes`). There is no call of
the C library but for sine and cosine, so that a file gives the same digits wherever it runs. A bound is drawn in a loop
of its own (`at_most`, `at_least`): in the same loop, compilers make a branch of it.

Where a formula of the kernels has a fused multiply-add, the constant is in two parts here, or the rounding is added
back: C99 does not have it in hardware everywhere.
"""

from fastbp.exporting.c_pieces import Piece

RUNS = {
    "at_most": Piece("""
INLINE void at_most(int n, real high, real *z)
{
    int j;
    for (j = 0; j < n; ++j)
        z[j] = z[j] > high ? high : z[j];
}
"""),
    "at_least": Piece("""
INLINE void at_least(int n, real low, real *z)
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
    "h_ramp": Piece(
        """
static void h_ramp(int n, real *z)
{
    at_most(n, R(1.0), z);
    at_least(n, R(0.0), z);
}
""",
        ("at_most", "at_least"),
    ),
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
INLINE void exp_minus_square(int n, real factor, real *x)
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
INLINE void normal_cdf(int n, real *x)
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
    "h_selu": Piece(
        """
static void h_selu(int n, real *z)
{
    int j;
    h_elu(n, z);
    for (j = 0; j < n; ++j)
        z[j] *= z[j] > R(0.0) ? R(1.0507009873554805) : R(1.7580993408473766);
}
""",
        ("h_elu",),
    ),
    "h_mish": Piece(
        """
/* a tanh(ln(1 + u)) = a m / (m + 2), u = e**a, m = u (u + 2); the quotient is 1 where u is cut off */
static void h_mish(int n, real *z)
{
    real u[WIDEST];
    int j;
    at_least(n, R(-800.0), z);
    memcpy(u, z, (size_t)n * sizeof *z);
    at_most(n, R(20.0), u);
    at_least(n, EXP_LOWEST, u);
    for (j = 0; j < n; ++j) {
        real e = exp_of(u[j]), m = e * (e + R(2.0));
        z[j] *= m / (m + R(2.0));
    }
}
""",
        ("at_most", "at_least", "exp_of"),
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


def in_lanes(name: str) -> Piece:
    """The piece of that name for runs of any length: some numbers at a time, and what is left."""
    piece, run = RUNS[name], name.replace("h_", "run_", 1)
    text = piece.text.replace(f"static void {name}(", f"INLINE void {run}(")
    driver = f"""
static void {name}(int n, real *z)
{{
    for (; n >= LANES; n -= LANES, z += LANES)
        {run}(LANES, z);
    {run}(n, z);
}}
"""
    return Piece(text + driver, piece.needs)
