"""What `print(net)` shows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastbp.packed_network import PackedNetwork


def describe(net: "PackedNetwork") -> str:
    """A table of layers with their units, functions and parameters."""
    rows = [("layer", "units", "function", "from", "parameters"), ("0 inputs", str(net.sizes[0]), "", "", "")]
    for layer, function in enumerate(net.layer_functions, 1):
        sources = [layer - 1, *sorted(source for source, target in net.skip if target == layer)]
        n_params = net.sizes[layer] * (sum(net.sizes[source] for source in sources) + net.bias)
        kind = "outputs" if layer == len(net.sizes) - 1 else "hidden"
        names = ", ".join(str(source) for source in sorted(sources))
        rows.append((f"{layer} {kind}", str(net.sizes[layer]), function, names, f"{n_params:,}"))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    right = (False, True, False, False, True)
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]
    biases = "" if net.bias else ", no biases"
    head = f"Network: {net.n_params:,} parameters{biases}, loss {net.loss_name}, {net.dtype.name}"
    return "\n".join([head, *("  " + line for line in lines)])
