"""In a C file: the function that takes the raw columns of a table, and its part of the self-test."""

import re
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.c_names import KEYWORDS
from fastbp.exporting.c_selftest import N_CANDIDATES, Further, Samples, draw_samples
from fastbp.exporting.c_source import CNetwork
from fastbp.exporting.c_tables import MULTIPLIER, WORD, checksum, constants, lines
from fastbp.exporting.columns import LARGEST_LOG, Column, Table
from fastbp.exporting.dates import DATE_NUMBERS, FEATURES
from fastbp.scaling import AT_END, END

TYPES = {"number": "double ", "boolean": "int ", "text": "const char *", "date": "double "}
# Words of C, and small letters that are macros of its headers or of some compilers.
MACROS = {"stdin", "stdout", "stderr", "errno", "assert", "signgam", "unix", "linux", "i386", "arm", "mips", "sun"}
NOT_MEMBERS = MACROS.union(KEYWORDS.split())


def c_string(text: str) -> str:
    """A string literal; bytes that are no plain characters, and ? of trigraphs, as octal numbers."""
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return '"' + "".join(plain) + '"'


def _in_comment(text: str) -> str:
    return c_string(text).replace("*/", "*\\057").replace("/*", "\\057*")


def member_names(columns: tuple[Column, ...]) -> list[str]:
    """A name for each column that C allows, each another one."""
    found: list[str] = []
    for column in columns:
        name = re.sub(r"[^a-z0-9_]+", "_", column.name.lower())
        if not re.match(r"[a-z]", name) or name in NOT_MEMBERS:
            name = f"column_{name.strip('_')}"
        number, unique = 2, name
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found


def row_text(c: CNetwork, table: Table, members: list[str]) -> str:
    """The struct of a row, and what is declared of it."""
    fields = "".join(
        f"    {TYPES[column.kind]}{member}; /* {_in_comment(column.name)}{_meaning(column)} */\n"
        for column, member in zip(table.columns, members, strict=True)
    )
    text = "/* A row of the table, column by column. Missing is NAN, -1 of what is 0 or 1, NULL of text. */\n"
    text += f"struct {c.name}_row {{\n{fields}}};\n\n"
    names = ", ".join(_in_comment(name) for name in table.targets)
    if table.is_classification:
        text += (
            f"/* Writes the probability of each class of {names} to y, and returns the number of\n"
            f" * the most probable one; {c.name}_classes has their names. */\n"
            f"extern const char *const {c.name}_classes[{len(table.classes)}];\n"
        )
    else:
        text += f"/* Writes the prediction of {names}, in its own unit, to y, and returns 0. */\n"
    return text + f"int {c.name}_columns(const struct {c.name}_row *row, double *y);\n"


def _meaning(column: Column) -> str:
    """What a number of a column means."""
    since = "midnight" if column.is_time else "1970 began, by the same clock"
    return {"boolean": ", 0 or 1", "date": f", seconds since {since}"}.get(column.kind, "")


def columns_text(c: CNetwork, table: Table, members: list[str]) -> str:
    """The function of a row: inputs from its columns, the network, the prediction from its outputs."""
    body, place = "", 0
    for number, (column, member) in enumerate(zip(table.columns, members, strict=True)):
        body += _column_text(column, number, f"row->{member}", place)
        place += column.n_inputs
    kept = "".join(
        f"static const double {name}[{len(numbers)}] = {{{', '.join(constants(numbers))}}};\n"
        for name, numbers in _numbers(table)
    )
    for name, texts in _texts(c, table):
        form = "" if name.endswith("_classes") else "static "
        kept += f"\n{form}const char *const {name}[{len(texts)}] = {{\n{lines(map(c_string, texts))}\n}};\n"
    helpers = "".join(text for called, text in HELPERS.items() if f"{called}(" in body)
    features = "    double features[8];\n" if "features" in body else ""
    best = "        best = z[k] > z[best] ? k : best;\n    }\n" if table.is_classification else ""
    return f"""\
{kept}
{helpers}int {c.name}_columns(const struct {c.name}_row *row, double *y)
{{
    real x[N_INPUTS], z[N_OUTPUTS];
{features}    int k{", best = 0" if best else ""};

    (void)row;
{body}    {c.name}(x, z);
    for (k = 0; k < N_OUTPUTS; ++k){" {" if best else ""}
        y[k] = {_prediction(table)};
{best}    return {"best" if best else "0"};
}}
"""


def _numbers(table: Table) -> list[tuple[str, Array]]:
    """(what C calls it, doubles) of what the columns and the targets are computed with."""
    found = []
    for number, column in enumerate(table.columns):
        kept = [column.fill] + ([column.first] if column.kind == "date" else [])
        kept += [x for pair in zip(column.means, column.scales, strict=True) for x in pair]
        if column.kind == "boolean" or (column.kind != "text" and column.scales and column.scales[-1] != 0):
            found.append((f"numbers_{number}", np.array(kept)))
    if not table.is_classification:
        found += [("target_means", np.array(table.means)), ("target_scales", np.array(table.scales))]
    return found


def _texts(c: CNetwork, table: Table) -> list[tuple[str, tuple[str, ...]]]:
    """(what C calls it, texts) of the categories of columns, and the classes."""
    found = [(f"names_{k}", column.categories) for k, column in enumerate(table.columns) if column.categories]
    return found + ([(f"{c.name}_classes", table.classes)] if table.is_classification else [])


def _prediction(table: Table) -> str:
    """What the outputs mean."""
    if table.is_classification:
        return "(double)z[k]"
    number = "(double)z[k] * target_scales[k] + target_means[k]"
    return f"exp(fmin({number}, {LARGEST_LOG}))" if table.log else number


def _column_text(column: Column, number: int, value: str, place: int) -> str:
    """The inputs that a column becomes."""
    text = ""
    if column.kind == "text":
        known, n = (f"names_{number}", len(column.categories)) if column.categories else ("NULL", 0)
        return f"    set_category({known}, {n}, {int(column.other)}, {int(column.indicator)}, {value}, x + {place});\n"
    scaled = "clipped" if column.is_clipped else "standardised"
    gap, kept = f"{value} < 0" if column.kind == "boolean" else f"isnan({value})", f"numbers_{number}"
    if column.kind == "boolean":
        text += f"    x[{place}] = {gap} ? (real){kept}[0] : {value} ? R(1.0) : R(0.0);\n"
    elif column.kind == "date" and column.features:
        text += f"    date_numbers(filled({value}, {kept}[0]), {kept}[1], features);\n"
        for k, name in enumerate(column.features):
            at = FEATURES.index(name)
            text += f"    x[{place + k}] = {scaled}(features[{at}], {kept} + {2 + 2 * k}); /* {name} */\n"
    elif column.kind == "number" and column.scales[0] != 0:
        text += f"    x[{place}] = {scaled}(filled({value}, {kept}[0]), {kept} + 1);\n"
    elif column.kind == "number":
        text += f"    x[{place}] = R(0.0); /* {_in_comment(column.name)} had one value in the training */\n"
    if column.indicator:
        text += f"    x[{place + column.n_inputs - 1}] = {gap} ? R(1.0) : R(0.0); /* whether it is missing */\n"
    return text


HELPERS = {
    "set_category": """\
/* 1 for the category, 0 for the others; behind them, if there are such inputs, 1 for another category, 1 for none */
static void set_category(const char *const *names, int n, int other, int gap, const char *category, real *x)
{
    int k, found = 0;
    for (k = 0; k < n; ++k) {
        int is_it = category && strcmp(names[k], category) == 0;
        x[k] = is_it ? R(1.0) : R(0.0);
        found |= is_it;
    }
    if (other)
        x[n] = category && !found ? R(1.0) : R(0.0);
    if (gap)
        x[n + other] = category ? R(0.0) : R(1.0);
}

""",
    "filled": """\
static double filled(double x, double fill)
{
    return isnan(x) ? fill : x;
}

""",
    "standardised": """\
static real standardised(double x, const double *mean_and_scale)
{
    return (real)((x - mean_and_scale[0]) / mean_and_scale[1]);
}

""",
    "clipped": f"""\
/* x / sqrt(1 + (x / 3)**2) of what is scaled: between -3 and 3 */
static real clipped(double x, const double *mean_and_scale)
{{
    double scaled = (x - mean_and_scale[0]) / mean_and_scale[1];
    scaled = fmax(-{AT_END:.1f}, fmin({AT_END:.1f}, scaled));
    return (real)(scaled / sqrt(1.0 + (scaled / {END}) * (scaled / {END})));
}}

""",
    "date_numbers": DATE_NUMBERS,
}


def draw_rows(c: CNetwork, table: Table) -> tuple[list[list[Any]], Samples]:
    """Rows for the self-test such as the training had, and what comes of them."""
    draw = np.random.default_rng(1)
    by_column = [column.draw(draw, N_CANDIDATES) for column in table.columns]
    rows = [list(values) for values in zip(*by_column, strict=True)]
    samples = draw_samples(c.net, c.has_gradient, table.encode(rows, c.net.dtype))
    return [rows[k] for k in samples.chosen], samples


CHECKS = {
    "add_doubles": f"""\
static uint32_t add_doubles(uint32_t h, const double *numbers, int n)
{{
    int k;
    uint64_t bits;
    for (k = 0; k < n; ++k) {{
        memcpy(&bits, &numbers[k], sizeof bits);
        h = h * UINT32_C({MULTIPLIER}) + (uint32_t)(bits & UINT32_C(0xffffffff));
        h = h * UINT32_C({MULTIPLIER}) + (uint32_t)(bits >> 32);
    }}
    return h;
}}
""",
    "add_texts": f"""\
static uint32_t add_texts(uint32_t h, const char *const *texts, int n)
{{
    int k;
    const char *c;
    for (k = 0; k < n; ++k) {{
        for (c = texts[k]; *c; ++c)
            h = h * UINT32_C({MULTIPLIER}) + (unsigned char)*c;
        h *= UINT32_C({MULTIPLIER});
    }}
    return h;
}}
""",
}


def _checks(c: CNetwork, table: Table) -> str:
    """Lines of the self-test that see a changed number or text."""
    numbers, texts = _numbers(table), _texts(c, table)
    total = checksum([np.empty(0), *(values for _, values in numbers), *(_words(values) for _, values in texts)])
    added = "".join(f"    h = add_doubles(h, {name}, {len(values)});\n" for name, values in numbers)
    added += "".join(f"    h = add_texts(h, {name}, {len(values)});\n" for name, values in texts)
    return f"""\
#if DBL_MANT_DIG == 53
    h = 0;
{added}    if (h != UINT32_C({total})) {{
        printf("a number or text of a column was changed: the checksum is %lu, not {total}\\n", (unsigned long)h);
        ++wrong;
    }}
#endif
"""


def _words(texts: tuple[str, ...]) -> Array:
    """Byte by byte, a zero behind each text."""
    return np.frombuffer(b"".join(text.encode() + b"\0" for text in texts), np.uint8).astype(WORD)


def test_of_columns(c: CNetwork, table: Table, rows: list[list[Any]], samples: Samples) -> Further:
    """What the self-test has of columns."""
    written = ",\n".join(
        "    {" + ", ".join(map(_literal, row, [column.kind for column in table.columns])) + "}" for row in rows
    )
    expected: Array = table.decode(samples.y)
    numbers = ",\n".join("    {" + ", ".join(map(repr, row)) + "}" for row in expected.tolist())
    n, k = expected.shape
    tables = (
        f"static const struct {c.name}_row test_row[{n}] = {{\n{written}\n}};\n"
        f"static const double test_prediction[{n}][{k}] = {{\n{numbers}\n}};\n\n"
    )
    scale = np.abs(expected) if table.log else np.ones_like(expected)
    tolerances = 2 * samples.y_tolerance * scale.max(axis=0) * np.array(table.scales)
    tolerances += 4 * np.spacing(np.abs(expected).max(axis=0))  # of C's own exp and sin, and of the scaling
    allowed = f"static const double test_allowed[{k}] = {{{', '.join(map(repr, tolerances.tolist()))}}};\n\n"
    lines_of_main = f"""\
        {{
            double found[N_OUTPUTS];
            int k;
            (void){c.name}_columns(&test_row[n], found);
            for (k = 0; k < N_OUTPUTS; ++k)
                if (!(fabs(found[k] - test_prediction[n][k]) <= test_allowed[k])) {{
                    printf("row %d: prediction %d is %.9g, not %.9g\\n", n, k, found[k], test_prediction[n][k]);
                    ++wrong;
                }}
        }}
"""
    checks = _checks(c, table)
    helpers = "".join(text for called, text in CHECKS.items() if f"{called}(" in checks)
    return Further(f"{tables}{allowed}#if DBL_MANT_DIG == 53\n{helpers}#endif\n\n", checks, lines_of_main)


MISSING = {"number": "NAN", "date": "NAN", "boolean": "-1", "text": "NULL"}


def _literal(value: Any, kind: str) -> str:
    if value is None:
        return MISSING[kind]
    return c_string(value) if isinstance(value, str) else repr(value)
