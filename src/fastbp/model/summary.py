"""What `print(net)` shows."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fastbp.model.packed_network import PackedNetwork


MAX_ROWS = 24  # of the table: what is more is left out, but for the first layers and the last ones


def describe(net: "PackedNetwork") -> str:
    """A table of layers with their units, functions and parameters."""
    topology = net.topology
    n_into = np.bincount(topology.connections()[:, 1], minlength=topology.n_units)
    first_units, has_links = topology.first_units, topology.has_links()[0]
    rows = [("layer", "units", "function", "from", "parameters"), ("0 inputs", str(net.n_inputs), "", "", "")]
    for layer, function in enumerate(net.layer_functions, 1):
        units = slice(first_units[layer], first_units[layer] + net.sizes[layer])
        n_params = int(n_into[units].sum()) + net.sizes[layer] * topology.biased[layer - 1]
        kind = "outputs" if layer in topology.outputs else "hidden"
        sources = [str(source) for source in sorted(source for source, target in topology.pairs if target == layer)]
        if has_links[layer]:
            sources.append("links")
        rows.append((f"{layer} {kind}", str(net.sizes[layer]), function, ", ".join(sources), f"{n_params:,}"))
    if len(rows) > MAX_ROWS:
        rows[MAX_ROWS - 4 : -3] = [("...", "", "", "", "")]
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    right = (False, True, False, False, True)
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]
    biases = "" if net.bias else ", no biases"
    head = f"Network: {net.n_params:,} parameters{biases}, loss {net.loss_function}, {net.dtype.name}"
    return "\n".join([head, *("  " + line for line in lines)])
