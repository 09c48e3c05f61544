"""In a C file: the function that takes the raw columns of a table, and its part of the self-test."""

import re
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.c_selftest import N_CANDIDATES, Samples, draw_samples
from fastbp.exporting.c_source import CNetwork
from fastbp.exporting.c_tables import lines
from fastbp.exporting.columns import Column, Table

TYPES = {"number": "double ", "boolean": "int ", "text": "const char *"}
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
        f"    {TYPES[column.kind]}{member}; /* {_in_comment(column.name)}{', 0 or 1' * (column.kind == 'boolean')} */\n"
        for column, member in zip(table.columns, members, strict=True)
    )
    text = f"/* A row of the table, column by column as it was read. */\nstruct {c.name}_row {{\n{fields}}};\n\n"
    if table.is_classification:
        text += (
            f"/* Writes the probability of each class of {_in_comment(table.target)} to y, and returns the number of\n"
            f" * the most probable one; {c.name}_classes has their names. */\n"
            f"extern const char *const {c.name}_classes[{len(table.classes)}];\n"
        )
    else:
        text += f"/* Writes the prediction of {_in_comment(table.target)}, in its own unit, to y, and returns 0. */\n"
    return text + f"int {c.name}_columns(const struct {c.name}_row *row, double *y);\n"


def columns_text(c: CNetwork, table: Table, members: list[str]) -> str:
    """The function of a row: inputs from its columns, the network, the prediction from its outputs."""
    names, body, place = "", "", 0
    for number, (column, member) in enumerate(zip(table.columns, members, strict=True)):
        if column.kind == "text":
            literals = lines(map(c_string, column.categories))
            names += f"static const char *const names_{number}[{column.n_inputs}] = {{\n{literals}\n}};\n\n"
            body += f"    set_category(names_{number}, {column.n_inputs}, row->{member}, x + {place});\n"
        elif column.kind == "number" and column.scale != 0:
            body += f"    x[{place}] = (real)((row->{member} - ({column.mean!r})) / {column.scale!r});\n"
        elif column.kind == "boolean":
            body += f"    x[{place}] = row->{member} ? R(1.0) : R(0.0);\n"
        else:
            body += f"    x[{place}] = R(0.0); /* {_in_comment(column.name)} had one value in the training */\n"
        place += column.n_inputs
    if table.is_classification:
        labels = lines(map(c_string, table.classes))
        names += f"const char *const {c.name}_classes[N_OUTPUTS] = {{\n{labels}\n}};\n\n"
    categories = SET_CATEGORY if "set_category" in body else ""
    unused = "" if "row->" in body else "    (void)row;\n"
    return f"""\
{names}{categories}int {c.name}_columns(const struct {c.name}_row *row, double *y)
{{
    real x[N_INPUTS], z[N_OUTPUTS];
    int k, best = 0;

{unused}{body}    {c.name}(x, z);
    for (k = 0; k < N_OUTPUTS; ++k) {{
        y[k] = {"(double)z[k]" if table.is_classification else f"(double)z[k] * {table.scale!r} + ({table.mean!r})"};
        best = z[k] > z[best] ? k : best;
    }}
    return best;
}}
"""


SET_CATEGORY = """\
/* 1 for the category, 0 for the others; all 0 for one that the training did not have */
static void set_category(const char *const *names, int n, const char *category, real *x)
{
    int k;
    for (k = 0; k < n; ++k)
        x[k] = category && strcmp(names[k], category) == 0 ? R(1.0) : R(0.0);
}

"""


def draw_rows(c: CNetwork, table: Table) -> tuple[list[list[Any]], Samples]:
    """Rows for the self-test such as the training had, and what comes of them."""
    draw = np.random.default_rng(1)
    by_column = [column.draw(draw, N_CANDIDATES) for column in table.columns]
    rows = [list(values) for values in zip(*by_column, strict=True)]
    samples = draw_samples(c.net, c.has_gradient, table.encode(rows, c.net.dtype))
    return [rows[k] for k in samples.chosen], samples


def test_of_columns(c: CNetwork, table: Table, rows: list[list[Any]], samples: Samples) -> tuple[str, str]:
    """Tables for the self-test, and its lines for each sample."""
    written = ",\n".join("    {" + ", ".join(_literal(value) for value in row) + "}" for row in rows)
    expected: Array = table.decode(samples.y)
    numbers = ",\n".join("    {" + ", ".join(map(repr, row)) + "}" for row in expected.tolist())
    n, k = expected.shape
    tables = (
        f"static const struct {c.name}_row test_row[{n}] = {{\n{written}\n}};\n"
        f"static const double test_prediction[{n}][{k}] = {{\n{numbers}\n}};\n\n"
    )
    tolerance = repr(2 * samples.y_tolerance * table.scale)
    lines_of_main = f"""\
        {{
            double found[N_OUTPUTS];
            int k;
            (void){c.name}_columns(&test_row[n], found);
            for (k = 0; k < N_OUTPUTS; ++k)
                if (!(fabs(found[k] - test_prediction[n][k]) <= {tolerance})) {{
                    printf("row %d: prediction %d is %.9g, not %.9g\\n", n, k, found[k], test_prediction[n][k]);
                    ++wrong;
                }}
        }}
"""
    return tables, lines_of_main


def _literal(value: Any) -> str:
    return c_string(value) if isinstance(value, str) else repr(value)
