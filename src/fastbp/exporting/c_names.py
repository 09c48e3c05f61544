"""What a function in C may be called, and how it gets its name in a file."""

import re

# Words of C, and what its library calls something that takes or gives a number.
RESERVED = frozenset(
    """
    auto break case char const continue default do double else enum extern float for goto if inline int long main
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    abs div labs exit free malloc
    """.split()  # noqa: SIM905
) | {
    word + suffix
    for suffix in ("", "f", "l")
    for word in """
    acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 expm1 frexp ilogb ldexp log log10 log1p
    log2 logb modf scalbn scalbln cbrt fabs hypot pow sqrt erf erfc lgamma tgamma ceil floor nearbyint rint lrint llrint
    round lround llround trunc fmod remainder remquo copysign nan nextafter nexttoward fdim fmax fmin fma gamma drem j0
    j1 jn y0 y1 yn significand pow10 exp10 sincos
    """.split()  # noqa: SIM905
}
PLACEHOLDER = "\ue000"  # stands for the name until it is known that no other thing in the file has it


def check_name(name: object) -> str:
    """The name of a function that C allows."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, what to call the function in C; got {type(name).__name__}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,50}", name) or name in RESERVED:
        raise ValueError(
            f"name must be a letter and up to 50 letters, digits and underscores, and no word of C; got {name!r}"
        )
    return name


def named(text: str, name: str) -> str:
    """C with the name in its place; ValueError if the file calls something else so."""
    code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', "", text, flags=re.DOTALL)
    if {name, f"{name}_input_gradient", f"{name}_columns"} & set(re.findall(r"[A-Za-z_]\w*", code)):
        raise ValueError(f"name must not be what the file calls something else; got {name!r}")
    return text.replace(f"{PLACEHOLDER}_TEST", f"{name.upper()}_TEST").replace(PLACEHOLDER, name)
