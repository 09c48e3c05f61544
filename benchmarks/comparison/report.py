"""Tables of the results: on the terminal, as Markdown, and every number as JSON."""

import json
import sys
from typing import NamedTuple

import numpy as np

from .peers import PEERS, is_installed

# peers in the order of the columns
LABELS = {"naive": "naive loops"} | {name: PEERS[name].label for name in ("numpy", "sklearn", "torch", "jax", "fastbp")}
SECTIONS = {  # section -> heading, unit, seconds in it
    "training": ("One epoch, shuffled", "ms", 1e-3),
    "on-line": ("On-line learning, one update", "µs", 1e-6),
    "one sample": ("One sample through the network, from Python", "µs", 1e-6),
}
WIDTH = 150  # characters, where the output is not a terminal's


class Table(NamedTuple):
    title: str
    columns: list[str]
    rows: list[list[str]]

    def rich(self):
        from rich.table import Table as RichTable

        table = RichTable(title=self.title, title_justify="left")
        for k, column in enumerate(self.columns):
            table.add_column(column, justify="right" if k else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self):
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines, ""])


class Report:
    """The results as they come in, the machine that they were measured on, and the peers asked for."""

    def __init__(self, peers, machine, dtype):
        self.labels = {name: label for name, label in LABELS.items() if name in peers}
        self.machine, self.dtype = machine, dtype
        self.results = []

    def add(self, result):
        self.results.append(result)

    def tables(self):
        """The machine, then times and ratios of each section."""
        tables = [Table("Machine", ["", ""], [[name, value] for name, value in self.machine.items()])]
        for section, (title, unit, scale) in SECTIONS.items():
            results = [r for r in self.results if r.section == section]
            if results:
                tables.append(self._times(f"{title} ({unit}, {self.dtype})", results, scale))
                if "fastbp" in results[0].seconds and len(results[0].seconds) > 1:
                    tables.append(self._ratios(f"{title}: times as long as fastbp", results))
        return tables

    def _times(self, title, results, scale):
        columns = ["", *self.labels.values()]
        rows = [[r.title, *(_median(name, r.seconds, scale) for name in self.labels)] for r in results]
        if results[0].gflops is not None:
            columns += ["GFLOP/s", "of the peak"]
            for row, r in zip(rows, results, strict=True):
                share = np.median(r.gflops / r.peak)
                row += [_digits(np.median(r.gflops), 2), f"{_digits(100 * share, 2)} %"]
        return Table(title, columns, rows)

    def _ratios(self, title, results):
        others = {name: label for name, label in self.labels.items() if name != "fastbp"}
        rows = [[r.title, *(_median(name, r.seconds, r.seconds["fastbp"]) for name in others)] for r in results]
        return Table(title, ["", *others.values()], rows)

    def print(self):
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        for table in self.tables():
            console.print(table.rich())

    def markdown(self):
        return "\n".join(table.markdown() for table in self.tables())

    def json(self):
        content = {
            "machine": self.machine,
            "dtype": self.dtype,
            "results": [r._asdict() for r in self.results],
        }
        return json.dumps(content, indent=1, default=list)  # arrays as lists


def _median(name, seconds, unit):
    """Median over the rounds of a peer's time in `unit`: seconds, or another peer's time of each round."""
    if name in seconds:
        return _digits(np.median(seconds[name] / unit))
    missing = name in PEERS and not is_installed(PEERS[name])
    return "not installed" if missing else "-"


def _digits(x, n_digits=3):
    """`x` with so many digits, and no exponent: 0.123, 12.3, 12,300."""
    decimals = max(0, n_digits - 1 - int(np.floor(np.log10(x))))
    return f"{float(f'{x:.{n_digits}g}'):,.{decimals}f}"
