"""Functions that `to_onnx` composed of several nodes, as it says in the metadata of its files.

What a file says there is not believed: the importer compares what comes of it with what the nodes compute.
"""

import json
from typing import TYPE_CHECKING

from fastbp.checks import name_of
from fastbp.exporting.onnx_functions import COMPOSED, METADATA

if TYPE_CHECKING:
    import onnx

PART = "part"  # stands for the function of a node inside of one


def composed_functions(model: "onnx.ModelProto") -> dict[str, tuple[str, str]]:
    """{output: (function, of which tensor)} of functions that are several nodes; (`PART`, "") of these nodes."""
    (described,) = [entry.value for entry in model.metadata_props if entry.key == METADATA] or ["[]"]
    producers = {output: node for node in model.graph.node for output in node.output}
    found: dict[str, tuple[str, str]] = {}
    for function, a, output in json.loads(described):
        if output not in producers or a == output:
            raise ValueError(f"its metadata {METADATA!r} name a tensor that it has not")
        left = [output]
        while left:
            name = left.pop()
            if name != a and name in producers and name not in found:
                found[name] = PART, ""
                left.extend(producers[name].input)
        found[output] = name_of(function, COMPOSED, METADATA), a
    return found
