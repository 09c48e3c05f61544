"""A network in whole numbers as one file of C99: no floating point but in what its comments say."""

from typing import TYPE_CHECKING

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exporting.c_names import PLACEHOLDER, check_name, named
from fastbp.exporting.c_source import places_of, places_table
from fastbp.exporting.c_tables import MULTIPLIER, checksum, table
from fastbp.exporting.fixed_curves import REST_BITS
from fastbp.exporting.fixed_point import FUNCTIONS, LEAK, LEAK_BITS, FixedLayer, FixedNetwork, fixed_point
from fastbp.exporting.fixed_softmax import LARGEST, LOG2_E, PLACES, POWERS, SCALE, TABLE_PLACES
from fastbp.exporting.layers import check_exportable
from fastbp.files.container import StrPath
from fastbp.files.outputs import check_writable, replacing
from fastbp.version import __version__

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

N_SAMPLES = 8
BITS = (8, 16)
SMALLEST = 1e-9  # of x_max


def to_fixed_c(net: "ComputingNetwork", path: StrPath, *, name: str, bits: object, x_max: object = None) -> float:
    """Write a network as one file of C99 in whole numbers, and return the bound of its error: see `Network.to_c`."""
    if bits is None:
        raise ValueError("x_max is for whole numbers: it needs bits=8 or bits=16")
    if isinstance(bits, bool) or bits not in BITS:
        raise ValueError(f"bits must be 8, 16 or None; got {bits!r}")
    largest = 1.0 if x_max is None else checks.number(x_max, "x_max", low=SMALLEST, high=1 / SMALLEST)
    checked = check_name(name)
    check_writable(path)
    check_exportable(net, "fixed point", FUNCTIONS)
    with np.errstate(over="ignore", invalid="ignore"):
        fixed = fixed_point(net, int(bits), largest)
    text = named(fixed_text(net, fixed, PLACEHOLDER), checked)
    with replacing(path) as file:
        file.write(text.encode())
    return float(fixed.error.max())


# Functions by the name that calls of them have; in the order in which they need each other.
HELPERS = {
    "rounded": """\
/* a 2**-bits, rounded to the nearest number, halves up */
static wide rounded(wide a, int bits)
{
    return (a + (((wide)1 << bits) >> 1)) >> bits;
}
""",
    "kept": """\
/* cut off at the largest numbers of so many bits */
static number kept(wide a)
{
    return (number)(a < -MOST - 1 ? -MOST - 1 : a > MOST ? MOST : a);
}
""",
    "from_table": f"""\
/* h(a) on the lines between the entries of a table, which are 2**shift apart from `lowest` on */
static wide from_table(const int16_t *h, int last, wide lowest, int shift, wide a)
{{
    int bits = shift < {REST_BITS} ? shift : {REST_BITS}, k;
    int32_t rest;

    a = a < lowest ? 0 : a - lowest;
    if (a >= (wide)last << shift)
        return h[last];
    k = (int)(a >> shift);
    rest = (int32_t)((a - ((wide)k << shift)) >> (shift - bits));
    return h[k] + rounded(((int32_t)h[k + 1] - h[k]) * rest, bits);
}}
""",
    "leaky": f"""\
/* 0.01 a where a < 0 */
static wide leaky(wide a)
{{
    return a > 0 ? a : (wide)(((int64_t)a * {LEAK} + {1 << (LEAK_BITS - 1)}) >> {LEAK_BITS});
}}
""",
}


def fixed_text(net: "ComputingNetwork", fixed: FixedNetwork, name: str) -> str:
    """The whole file."""
    forward = _forward(net, fixed, name)
    helpers = [text for called, text in HELPERS.items() if f"{called}(" in forward]
    if fixed.layers[-1].layer.function == "softmax":
        helpers.append(_softmax_text(fixed))
    return "\n".join([_head(net, fixed, name), _tables(fixed), *helpers, forward, _self_test(net, fixed, name)])


def _head(net: "ComputingNetwork", fixed: FixedNetwork, name: str) -> str:
    described = "".join(f" *   {line}\n" for line in repr(net).splitlines())
    return f"""\
/* A feed-forward network in whole numbers, written by fastbp {__version__}:
 *
{described} *
 *   void {name}(const int{fixed.bits}_t *x, int32_t *y);
 *
 *   y = outputs ({net.n_outputs}) for the inputs x ({net.n_inputs}). The number q stands for q 2**-s:
 *   x has s = {fixed.x_scale}, so that inputs go up to {fixed.x_max:.9g} in size; y has s = {fixed.y_scale}.
 *   Rounded to the nearest numbers, inputs of up to {fixed.x_max:.9g} give outputs that are off by no more than
 *   {fixed.error.max():.2e}, whatever they are: a bound that was proved, not one that was measured.
 *
 * C99 without any library, without floating point; no memory is allocated, nothing is written but the results: any
 * number of threads may call it. Compiled with -D{name}_TEST, it is a program that returns 0 only if its own
 * samples come out right to the bit. Numbers in brackets are the equations of Bishop, Pattern Recognition and Machine
 * Learning.
 */
#include <stdint.h>

#if (-1 >> 1) != -1
#error "negative numbers must be shifted as if they were divided, and rounded down"
#endif

typedef int{fixed.bits}_t number;
typedef int{fixed.sums_bits}_t wide; /* of sums, which fit */

enum {{ N_INPUTS = {net.n_inputs}, N_OUTPUTS = {net.n_outputs}, N_UNITS = {net.n_units}, MOST = {fixed.most} }};

void {name}(const int{fixed.bits}_t *x, int32_t *y);
"""


def _named_tables(fixed: FixedNetwork) -> list[tuple[str, str, Array]]:
    """(type, name, numbers) of every table of weights, biases and functions."""
    found: list[tuple[str, str, Array]] = []
    for f in fixed.layers:
        l = f.layer.number
        for block, weights in zip(f.layer.blocks, f.weights, strict=True):
            found.append(("number", f"w_{block.source}_{l}", weights))
        if f.link_weights is not None:
            found.append(("number", f"v_{l}", f.link_weights))
        found.append((f"int{fixed.sums_bits}_t", f"b_{l}", f.biases))
        if f.curve is not None:
            found.append(("int16_t", f"h_{l}", f.curve.entries))
    return found


def _tables(fixed: FixedNetwork) -> str:
    text = []
    for kind, name, numbers in _named_tables(fixed):
        dimensions = "".join(f"[{n}]" for n in numbers.shape)
        text.append(table(f"{kind} {name}{dimensions}", numbers))
    return "\n".join(text + [places_table(name, numbers) for name, numbers in _places(fixed)])


def _places(fixed: FixedNetwork) -> list[tuple[str, Array]]:
    """(name, whole numbers) of where links come from, and begin."""
    return places_of([f.layer for f in fixed.layers])


# ---------------------------------------------------------------------------- forward


def _forward(net: "ComputingNetwork", fixed: FixedNetwork, name: str) -> str:
    body = "".join(_layer_text(f, fixed) for f in fixed.layers)
    loops = ", ".join(["i", "j"] + (["e"] if " e = " in body or "(e = " in body else []))
    last = fixed.layers[-1]
    unused = "" if "* z[" in body else "    (void)z;\n"
    sums = f"    wide s[{last.layer.n_units}];\n" if last.layer.function == "softmax" else ""
    return f"""\
void {name}(const int{fixed.bits}_t *x, int32_t *y)
{{
    number z[N_UNITS];
{sums}    int {loops};

    for (i = 0; i < N_INPUTS; ++i)
        z[i] = x[i];
{unused}{body}}}
"""


def _layer_text(f: FixedLayer, fixed: FixedNetwork) -> str:
    """A layer: its sums, and h of them."""
    l, n, first = f.layer.number, f.layer.n_units, f.layer.first_unit
    text = f"\n    /* layer {l}, {f.layer.function}: a 2**-{f.sums_scale}, z 2**-{f.scale} */\n"
    text += f"    for (j = 0; j < {n}; ++j) {{\n        wide a = b_{l}[j];\n"
    for block in f.layer.blocks:
        text += (
            f"        for (i = 0; i < {block.weights.shape[1]}; ++i)\n"
            f"            a += (wide)w_{block.source}_{l}[j][i] * z[{block.first_source} + i];"
            " /* (5.48)  a_j = b_j + sum_i w_ji z_i */\n"
        )
    if f.link_weights is not None:
        text += (
            f"        for (e = start_{l}[j]; e < start_{l}[j + 1]; ++e)\n"
            f"            a += (wide)v_{l}[e] * z[from_{l}[e]]; /* (5.48) */\n"
        )
    k = f"{first - fixed.n_hidden} + j" if first > fixed.n_hidden else "j"
    if f.layer.function == "softmax":  # of the outputs, all of them
        text += f"        s[j] = a;\n    }}\n    softmax({n}, s, y);\n"
        return text + (f"    for (j = 0; j < {n}; ++j)\n        {_kept(f, 'y[j]')}" if l in fixed.feeding else "")
    if f.layer.function != "identity":
        text += f"        a = {_value_text(f)}; /* (5.49)  z_j = h(a_j) */\n"
    if fixed.is_output(f):
        text += f"        y[{k}] = (int32_t)rounded(a, {f.finest - fixed.y_scale});\n"
    if l in fixed.feeding:
        text += "        " + _kept(f, "a")
    elif not fixed.is_output(f):  # units that lead nowhere
        text += "        (void)a;\n"
    return text + "    }\n"


def _kept(f: FixedLayer, value: str) -> str:
    return f"z[{f.layer.first_unit} + j] = kept(rounded({value}, {f.finest - f.scale}));\n"


def _value_text(f: FixedLayer) -> str:
    """What makes h(a) of a, before it is rounded."""
    if f.curve is not None:
        c = f.curve
        return f"from_table(h_{f.layer.number}, {len(c.entries) - 1}, {c.first * (1 << c.shift)}, {c.shift}, a)"
    return {"identity": "a", "relu": "a > 0 ? a : 0", "leaky_relu": "leaky(a)"}[f.layer.function]


def _softmax_text(fixed: FixedNetwork) -> str:
    s = fixed.layers[-1].sums_scale
    d = f"d >> {s - PLACES}" if s > PLACES else f"d << {PLACES - s}"
    limit = LARGEST << s if s >= 0 else LARGEST
    rest_bits, mask = PLACES - TABLE_PLACES, (1 << TABLE_PLACES) - 1
    return (
        table(f"int32_t powers[{len(POWERS)}]", POWERS)
        + f"""
/* y_k = exp(a_k) / sum_k exp(a_k): with d = max a - a_k, exp(-d) = 2**-u, a table's value shifted */
static void softmax(int n, const wide *a, int32_t *y)
{{
    wide largest = a[0];
    int64_t total = 0;
    int k, at;

    for (k = 1; k < n; ++k)
        largest = a[k] > largest ? a[k] : largest;
    for (k = 0; k < n; ++k) {{
        int64_t d = (int64_t)largest - a[k];
        int32_t u, rest;
        d = d > {limit} ? {limit} : d;
        d = {d};
        d = d > {LARGEST << PLACES} ? {LARGEST << PLACES} : d;
        u = (int32_t)((d * {LOG2_E}) >> {PLACES});
        at = (int)((u >> {rest_bits}) & {mask});
        rest = u & {(1 << rest_bits) - 1};
        rest = (int32_t)(((int64_t)(powers[at] - powers[at + 1]) * rest) >> {rest_bits});
        y[k] = (powers[at] - rest) >> (u >> {PLACES});
        total += y[k];
    }}
    for (k = 0; k < n; ++k)
        y[k] = (int32_t)((((int64_t)y[k] << {SCALE}) + (total >> 1)) / total);
}}
"""
    )


# ---------------------------------------------------------------------------- self-test


def _self_test(net: "ComputingNetwork", fixed: FixedNetwork, name: str) -> str:
    """The program behind -D<NAME>_TEST: samples, which must come out to the bit, and a checksum of all tables."""
    x = np.random.default_rng(0).integers(-fixed.most, fixed.most + 1, size=(N_SAMPLES, net.n_inputs))
    y = fixed.forward(x)
    tables = [(t, numbers) for _kind, t, numbers in _named_tables(fixed)] + _places(fixed)
    tables += [("test_x", x), ("test_y", y)]
    added = "".join(
        f"    for (k = 0; k < {numbers.size}; ++k)\n"
        f"        h = h * UINT32_C({MULTIPLIER}) + (uint32_t){'(&' + t + '[0][0])' if numbers.ndim == 2 else t}[k];\n"
        for t, numbers in tables
    )
    total = checksum([numbers.astype(np.uint32) for _name, numbers in tables])
    return f"""\
#ifdef {name}_TEST
#include <stdio.h>

{table(f"number test_x[{N_SAMPLES}][{net.n_inputs}]", x)}
{table(f"int32_t test_y[{N_SAMPLES}][{net.n_outputs}]", y)}
int main(void)
{{
    int32_t y[N_OUTPUTS];
    uint32_t h = 0;
    long k;
    int n, wrong = 0;

{added}    if (h != UINT32_C({total})) {{
        printf("a number was changed: the checksum is %lu, not {total}\\n", (unsigned long)h);
        ++wrong;
    }}
    for (n = 0; n < {N_SAMPLES}; ++n) {{
        {name}(test_x[n], y);
        for (k = 0; k < N_OUTPUTS; ++k)
            if (y[k] != test_y[n][k]) {{
                printf("sample %d: output %ld is %ld, not %ld\\n", n, k, (long)y[k], (long)test_y[n][k]);
                ++wrong;
            }}
    }}
    return wrong != 0;
}}
#endif
"""
