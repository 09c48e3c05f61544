"""Tables: on the terminal, as Markdown, and the cells in them."""

from typing import NamedTuple

import numpy as np

from .peers import PEERS

# columns in this order; fastbp is the last, beside what it is compared with
LABELS = {"naive": "naive loops"} | {
    name: PEERS[name].label for name in ("numpy", "sklearn", "torch", "torch-compiled", "jax", "fann", "neat", "fastbp")
}


class Table(NamedTuple):
    title: str
    columns: list[str]
    rows: list[list[str]]

    def rich(self):
        from rich.table import Table as RichTable

        table = RichTable(title=self.title, title_justify="left")
        for k, column in enumerate(self.columns):
            table.add_column(column, justify="right" if k else "left", no_wrap=not k)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self):
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines, ""])


class Outcome(NamedTuple):
    """What a section has measured."""

    section: str
    rows: list
    tables: list[Table]


def compared(title, rows, unit, scale, more=()):
    """Two tables of `rows`: times in `unit` (`scale` seconds), and each peer's as multiples of fastbp's.

    The first also names the fastest peer. `more` are further columns: (heading, function of a row).
    """
    labels = {name: label for name, label in LABELS.items() if any(name in (r.seconds | r.absent) for r in rows)}
    fixed = {"fastest peer": fastest_peer, "its time / fastbp": _fastest_ratio} | dict(more)
    times = [
        [r.title, r.dtype, *(seconds_cell(r, name, scale) for name in labels), *(cell(r) for cell in fixed.values())]
        for r in rows
    ]
    others = {name: label for name, label in labels.items() if name != "fastbp"}
    ratios = [[r.title, r.dtype, *(seconds_cell(r, name, r.seconds["fastbp"]) for name in others)] for r in rows]
    return [
        Table(f"{title} ({unit})", ["", "dtype", *labels.values(), *fixed], times),
        Table(f"{title}: times as long as fastbp", ["", "dtype", *others.values()], ratios),
    ]


def seconds_cell(row, name, scale):
    """Median over the rounds in `scale`: seconds, or another peer's time of each round."""
    if name in row.seconds:
        return digits(np.median(row.seconds[name] / scale))
    return row.absent.get(name, "-")


def fastest_name(row):
    """The fastest column but fastbp, or None."""
    medians = {name: np.median(seconds) for name, seconds in row.seconds.items() if name != "fastbp"}
    return min(medians, key=medians.get, default=None)


def fastest_peer(row):
    name = fastest_name(row)
    return LABELS[name] if name else "-"


def _fastest_ratio(row):
    name = fastest_name(row)
    return seconds_cell(row, name, row.seconds["fastbp"]) if name else "-"


def gflops_cell(row):
    return digits(np.median(row.gflops()), 2)


def peak_cell(row):
    return percent(np.median(row.gflops() / row.peak))


ARITHMETIC = (("GFLOP/s", gflops_cell), ("of the peak", peak_cell))


def percent(share):
    return f"{digits(100 * share, 2)} %"


def digits(x, n_digits=3):
    """`x` with so many digits, and no exponent: 0.123, 12.3, 12,300."""
    rounded = float(f"{x:.{n_digits}g}")
    decimals = max(0, n_digits - 1 - int(np.floor(np.log10(rounded))))
    return f"{rounded:,.{decimals}f}"
