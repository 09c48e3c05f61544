"""What the kernels must not do: call a matrix product of NumPy's, which would be BLAS; import from above.

And that each vector instruction has a stand-in for uncompiled kernels.
"""

import ast
import sys
from pathlib import Path

import pytest

import fastbp
from fastbp.kernels.registers import arithmetic, blocks, memory, plain, rows

KERNELS = sorted((Path(fastbp.__file__).parent / "kernels").rglob("*.py"))
PRODUCTS = {"dot", "vdot", "inner", "matmul", "tensordot", "einsum", "linalg"}


def products_in(source):
    """Return the lines of `source` with a matrix product."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult))
            or (isinstance(node, ast.Attribute) and node.attr in PRODUCTS)
            or (isinstance(node, ast.ImportFrom) and {name.name for name in node.names} & PRODUCTS)
        ):
            found.append(node.lineno)
    return found


def test_all_kernels_are_looked_at():
    assert len(KERNELS) >= 50
    assert {"derivation.py", "chunks.py", "weighted_sums.py", "plan.py"} <= {path.name for path in KERNELS}


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_no_matrix_product_of_a_library(path):
    assert products_in(path.read_text()) == []


def test_a_matrix_product_would_be_found():
    source = "from numpy import matmul\na = b @ c\na @= b\nnp.dot(a, b)\nnumpy.linalg.norm(a)\n@kernel\ndef f(): pass\n"
    assert sorted(set(products_in(source))) == [1, 2, 3, 4, 5]


ALLOWED = {"fastbp.kernels", "llvmlite", "numba", "numpy"}  # and what comes with Python


def imports_from_above(source):
    """Return the modules that `source` imports and kernels must not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module and node.level == 0 else ["." * node.level]
            names = [f"fastbp.{name.name}" for name in node.names] if names == ["fastbp"] else names
        else:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            known = parts[0] in sys.stdlib_module_names or parts[0] in ALLOWED or ".".join(parts[:2]) in ALLOWED
            found += [] if known else [name]
    return found


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_nothing_is_imported_from_above(path):
    assert imports_from_above(path.read_text()) == []


def test_an_import_from_above_would_be_found():
    source = (
        "import os, numba.core\nfrom fastbp.kernels.tables import Net\nfrom fastbp import kernels\nimport numpy as np\n"
    )
    assert imports_from_above(source) == []
    above = "from fastbp.checks import Array\nimport fastbp.engine.threads\nfrom fastbp import engine\nimport scipy\n"
    above += "from .. import x\n"
    assert imports_from_above(above) == ["fastbp.checks", "fastbp.engine.threads", "fastbp.engine", "scipy", ".."]


def stand_ins():
    """Return the public names of `plain` that it does not import by `from`, or that stand for a function of NumPy's."""
    imported = ("Any", "Callable", "NamedTuple", "REGISTER_BYTES")
    return {name for name, value in vars(plain).items() if callable(value) and name[0] != "_" and name not in imported}


def test_each_instruction_has_a_stand_in():
    """`lanes` takes all names of one side: a name that the other side lacks would fail in one mode alone."""
    modules = (arithmetic, blocks, memory, rows)
    instructions = [
        name
        for module in modules
        for name, value in vars(module).items()
        if name[0] != "_" and hasattr(value, "__wrapped__") and value.__module__ == module.__name__
    ]
    assert len(instructions) > 50
    assert sorted(instructions) == sorted(set(instructions)), "two modules have an instruction of one name"
    assert set(instructions) | {"Shape"} == stand_ins()
