"""The self-test of a C file: a few samples with what must come out, and a checksum of all weights.

Samples alone would not see a changed weight of a unit that is off for all of them; the checksum sees each bit of each
table, of the samples too.
"""

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.c_source import CNetwork
from fastbp.exporting.c_tables import MULTIPLIER, WORD, checksum, table

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

N_SAMPLES, N_CANDIDATES = 8, 64
SHAKEN = 1024.0  # eps, by which weights are shaken to see how rounding grows
MARGIN = 64.0  # how much more than what the shaken weights show is let pass


class Samples(NamedTuple):
    """Inputs and outputs, weights of outputs and derivatives by inputs; what may differ; which candidates they are."""

    x: Array
    y: Array
    v: Array
    dx: Array | None
    y_tolerance: float
    dx_tolerance: float
    chosen: Array


def draw_samples(net: "ComputingNetwork", has_gradient: bool, x: Array | None = None) -> Samples:
    """Samples at which the network's outputs depend little on rounding; from those in `x`, if they are given.

    Raises
    ------
    ValueError
        If there are not enough samples at which all outputs are finite.
    """
    draw = np.random.default_rng(0)
    shaken = net.twin()
    eps = float(np.finfo(net.dtype).eps)
    shaken.params = net.params * (1 + SHAKEN * eps * draw.choice([-1.0, 1.0], net.n_params)).astype(net.dtype)
    normal = draw.normal(size=(N_CANDIDATES, net.n_inputs))
    candidates = [x] if x is not None else [(spread * normal).astype(net.dtype) for spread in (1.0, 1e-2, 1e-4, 0.0)]
    v = draw.normal(size=(N_CANDIDATES, net.n_outputs)).astype(net.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for inputs in candidates:
            pairs = [(net.forward(inputs), shaken.forward(inputs))]
            if has_gradient:
                pairs.append((net.input_gradient(inputs, v), shaken.input_gradient(inputs, v)))
            usable = np.all([np.isfinite(part).all(axis=1) for pair in pairs for part in pair], axis=0)
            if usable.sum() >= N_SAMPLES:
                return _steadiest(inputs, v, pairs, usable, eps)
    raise ValueError("params must give finite outputs and derivatives for some inputs, so that a test can show them")


def _steadiest(x: Array, v: Array, pairs: list[tuple[Array, Array]], usable: Array, eps: float) -> Samples:
    """The samples that changed least, each relative to its own largest number, when weights were shaken."""
    changes = [np.abs(np.subtract(*pair, dtype=np.float64)).max(axis=1) for pair in pairs]
    sizes = [np.abs(pair[0]).max(axis=1).astype(np.float64) for pair in pairs]
    smallest = float(np.finfo(x.dtype).tiny)
    with np.errstate(all="ignore"):
        worst = np.max([change / size for change, size in zip(changes, sizes, strict=True)], axis=0)
    alive = usable & np.isfinite(worst)  # all outputs zero, or all derivatives, show little: these come last
    chosen = np.lexsort([worst, ~alive, ~usable])[:N_SAMPLES]
    y_tolerance, dx_tolerance = (
        max(MARGIN * max(float(change[chosen].max()) / SHAKEN, eps * float(size[chosen].max())), smallest)
        for change, size in zip((changes * 2)[:2], (sizes * 2)[:2], strict=True)
    )
    dx = pairs[1][0][chosen] if len(pairs) > 1 else None
    return Samples(x[chosen], pairs[0][0][chosen], v[chosen], dx, y_tolerance, dx_tolerance, chosen)


CHECKS = """\
static uint32_t add_to_checksum(uint32_t h, const real *numbers, size_t n)
{
    size_t k, part;
    word bits;
    for (k = 0; k < n; ++k) {
        memcpy(&bits, &numbers[k], sizeof bits);
        for (part = 0; part < sizeof bits / 4; ++part)
            h = h * UINT32_C(MULTIPLIER) + (uint32_t)(bits >> (part * (sizeof bits > 4 ? 32 : 0)));
    }
    return h;
}

static int differs(const char *what, int sample, int n, const real *found, const real *expected, real tolerance)
{
    int k;
    for (k = 0; k < n; ++k) {
        real difference = found[k] - expected[k];
        if (!(difference <= tolerance && -difference <= tolerance)) {
            printf("sample %d: %s %d is %.9g, not %.9g\\n", sample, what, k, (double)found[k], (double)expected[k]);
            return 1;
        }
    }
    return 0;
}
""".replace("MULTIPLIER", str(MULTIPLIER))


class Further(NamedTuple):
    """What a self-test has besides the network's: tables before main, checks, and lines for each sample."""

    tables: str = ""
    checks: str = ""
    for_each: str = ""


def test_text(c: CNetwork, samples: Samples, further: Further | None = None) -> str:
    """The program behind -D<NAME>_TEST."""
    further = further or Further()
    names = ["x", "y"] + (["v", "dx"] if samples.dx is not None else [])
    arrays = [(f"test_{name}", getattr(samples, name)) for name in names]
    tables = "\n".join(table(f"real {name}[{len(a)}][{a.shape[1]}]", a) for name, a in arrays)
    added, total = _checksum(c, arrays)
    gradient = ""
    if samples.dx is not None:
        gradient = (
            f"        {c.name}_input_gradient(test_x[n], test_v[n], dx);\n"
            f'        wrong += differs("derivative", n, N_INPUTS, dx, test_dx[n], R({samples.dx_tolerance:.3e}));\n'
        )
    return f"""\
#ifdef {c.name}_TEST
#include <stdio.h>

{tables}
{further.tables}{CHECKS}
int main(void)
{{
    real y[N_OUTPUTS]{", dx[N_INPUTS]" if gradient else ""};
    uint32_t h = 0;
    int n, wrong = 0;
{"    long k;" + chr(10) if "(k = " in added else ""}
{added}    if (h != UINT32_C({total})) {{
        printf("a weight was changed: the checksum is %lu, not {total}\\n", (unsigned long)h);
        ++wrong;
    }}
{further.checks}    for (n = 0; n < {N_SAMPLES}; ++n) {{
        {c.name}(test_x[n], y);
        wrong += differs("output", n, N_OUTPUTS, y, test_y[n], R({samples.y_tolerance:.3e}));
{gradient}{further.for_each}    }}
    return wrong != 0;
}}
#endif
"""


def _checksum(c: CNetwork, samples: list[tuple[str, Array]]) -> tuple[str, int]:
    """(lines that compute the checksum of all tables, what it must be)."""
    tables = [*c.tables, *samples]
    lines = "".join(
        f"    h = add_to_checksum(h, {'&' + name + '[0][0]' if numbers.ndim == 2 else name}, {numbers.size});\n"
        for name, numbers in tables
    )
    lines += "".join(
        f"    for (k = 0; k < {len(numbers)}; ++k)\n        h = h * UINT32_C({MULTIPLIER}) + (uint32_t){name}[k];\n"
        for name, numbers in c.places
    )
    places = [numbers.astype(WORD) for _name, numbers in c.places]
    return lines, checksum([np.empty(0, c.net.dtype), *(numbers for _name, numbers in tables), *places])
