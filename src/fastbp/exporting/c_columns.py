"""In a C file: the function that takes the raw columns of a table, and its part of the self-test."""

import re
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.c_selftest import N_CANDIDATES, Samples, draw_samples
from fastbp.exporting.c_source import CNetwork
from fastbp.exporting.c_tables import lines
from fastbp.exporting.columns import LARGEST_LOG, Column, Table
from fastbp.exporting.dates import DATE_NUMBERS, FEATURES

TYPES = {"number": "double ", "boolean": "int ", "text": "const char *", "date": "double "}
NOT_MEMBERS = frozenset({"unix", "linux", "i386"})  # macros of some compilers


def c_string(text: str) -> str:
    """A string literal; bytes that are no plain characters, and ? of trigraphs, as octal numbers."""
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return '"' + "".join(plain) + '"'


def _in_comment(text: str) -> str:
    return c_string(text).replace("*/", "*\\057").replace("/*", "\\057*")


def member_names(columns: tuple[Column, ...], reserved: frozenset[str] | set[str]) -> list[str]:
    """A name for each column that C allows, each another one."""
    found: list[str] = []
    for column in columns:
        name = re.sub(r"[^a-z0-9_]+", "_", column.name.lower())
        if not re.match(r"[a-z]", name) or name in reserved or name in NOT_MEMBERS:
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
    names, body, place = "", "", 0
    for number, (column, member) in enumerate(zip(table.columns, members, strict=True)):
        if column.kind == "text" and column.categories:
            literals = lines(map(c_string, column.categories))
            names += f"static const char *const names_{number}[{len(column.categories)}] = {{\n{literals}\n}};\n\n"
        body += _column_text(column, number, f"row->{member}", place)
        place += column.n_inputs
    if table.is_classification:
        labels = lines(map(c_string, table.classes))
        names += f"const char *const {c.name}_classes[N_OUTPUTS] = {{\n{labels}\n}};\n\n"
    else:
        names += "".join(
            f"static const double target_{what}[N_OUTPUTS] = {{{', '.join(map(repr, numbers))}}};\n"
            for what, numbers in (("means", table.means), ("scales", table.scales))
        )
    helpers = "".join(text for called, text in HELPERS.items() if f"{called}(" in body)
    numbers = "    double numbers[8];\n" if "numbers" in body else ""
    best = "        best = z[k] > z[best] ? k : best;\n    }\n" if table.is_classification else ""
    return f"""\
{names}
{helpers}int {c.name}_columns(const struct {c.name}_row *row, double *y)
{{
    real x[N_INPUTS], z[N_OUTPUTS];
{numbers}    int k{", best = 0" if best else ""};

    (void)row;
{body}    {c.name}(x, z);
    for (k = 0; k < N_OUTPUTS; ++k){" {" if best else ""}
        y[k] = {_prediction(table)};
{best}    return {"best" if best else "0"};
}}
"""


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
    gap = f"{value} < 0" if column.kind == "boolean" else f"isnan({value})"
    if column.kind == "boolean":
        text += f"    x[{place}] = {gap} ? R({column.fill:.1f}) : {value} ? R(1.0) : R(0.0);\n"
    elif column.kind == "date" and column.features:
        text += f"    date_numbers(filled({value}, {column.fill!r}), {column.first!r}, numbers);\n"
        for k, (name, mean, scale) in enumerate(zip(column.features, column.means, column.scales, strict=True)):
            at = FEATURES.index(name)
            text += f"    x[{place + k}] = (real)((numbers[{at}] - ({mean!r})) / {scale!r}); /* {name} */\n"
    elif column.kind == "number" and column.scales[0] != 0:
        mean, scale = column.means[0], column.scales[0]
        text += f"    x[{place}] = (real)((filled({value}, {column.fill!r}) - ({mean!r})) / {scale!r});\n"
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
    "date_numbers": DATE_NUMBERS,
}


def draw_rows(c: CNetwork, table: Table) -> tuple[list[list[Any]], Samples]:
    """Rows for the self-test such as the training had, and what comes of them."""
    draw = np.random.default_rng(1)
    by_column = [column.draw(draw, N_CANDIDATES) for column in table.columns]
    rows = [list(values) for values in zip(*by_column, strict=True)]
    samples = draw_samples(c.net, c.has_gradient, table.encode(rows, c.net.dtype))
    return [rows[k] for k in samples.chosen], samples


def test_of_columns(c: CNetwork, table: Table, rows: list[list[Any]], samples: Samples) -> tuple[str, str]:
    """Tables for the self-test, and its lines for each sample."""
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
    return tables + allowed, lines_of_main


MISSING = {"number": "NAN", "date": "NAN", "boolean": "-1", "text": "NULL"}


def _literal(value: Any, kind: str) -> str:
    if value is None:
        return MISSING[kind]
    return c_string(value) if isinstance(value, str) else repr(value)
