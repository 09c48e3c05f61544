"""The results as they come in: on the terminal, as Markdown, and every number as JSON."""

import json
import sys

from .tables import Table

WIDTH = 200  # characters, where the output is not a terminal's


class Report:
    """What was measured, on which machine."""

    def __init__(self, machine):
        self.machine = machine
        self.outcomes = {}

    def add(self, outcome):
        self.outcomes[outcome.section] = outcome

    def tables(self):
        """The machine, then those of each section."""
        machine = Table("Machine", ["", ""], [[name, value] for name, value in self.machine.items()])
        return [machine, *(table for outcome in self.outcomes.values() for table in outcome.tables)]

    def print(self):
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        for table in self.tables():
            console.print(table.rich())

    def markdown(self):
        return "\n".join(table.markdown() for table in self.tables())

    def json(self):
        sections = {name: [row._asdict() for row in outcome.rows] for name, outcome in self.outcomes.items()}
        return json.dumps({"machine": self.machine, "sections": sections}, indent=1, default=_plain)


def _plain(value):
    """NumPy's arrays and numbers, and mappings, as JSON knows them."""
    return value.tolist() if hasattr(value, "tolist") else dict(value)
