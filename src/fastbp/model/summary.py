"""What `print(net)` shows."""

from collections.abc import Sequence

import numpy as np

from fastbp.structure.topology import Topology

MAX_ROWS = 24  # of the table: what is more is left out, but for the first layers and the last ones


def describe(topology: Topology, functions: Sequence[str], head: str) -> str:
    """A line, and a table of layers with their units, functions and parameters."""
    sizes, n_into = topology.sizes, np.bincount(topology.connections()[:, 1], minlength=topology.n_units)
    first_units, has_links = topology.first_units, topology.has_links[0]
    rows = [("layer", "units", "function", "from", "parameters"), ("0 inputs", str(sizes[0]), "", "", "")]
    for layer, function in enumerate(functions, 1):
        units = slice(first_units[layer], first_units[layer] + sizes[layer])
        n_params = int(n_into[units].sum()) + sizes[layer] * topology.biased[layer - 1]
        kind = "outputs" if layer in topology.outputs else "hidden"
        sources = [str(source) for source in sorted(source for source, target in topology.pairs if target == layer)]
        if has_links[layer]:
            sources.append("links")
        rows.append((f"{layer} {kind}", str(sizes[layer]), function, ", ".join(sources), f"{n_params:,}"))
    if len(rows) > MAX_ROWS:
        rows[MAX_ROWS - 4 : -3] = [("...", "", "", "", "")]
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    right = (False, True, False, False, True)
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([head, *("  " + line for line in lines)])
