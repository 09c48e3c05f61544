"""What the kernels must not do: call a matrix product of NumPy's, which would be BLAS."""

import ast
from pathlib import Path

import pytest

import fastbp

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
    assert {"sample.py", "batch.py", "tile.py", "plan.py"} <= {path.name for path in KERNELS}


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_no_matrix_product_of_a_library(path):
    assert products_in(path.read_text()) == []


def test_a_matrix_product_would_be_found():
    source = "from numpy import matmul\na = b @ c\na @= b\nnp.dot(a, b)\nnumpy.linalg.norm(a)\n@kernel\ndef f(): pass\n"
    assert sorted(set(products_in(source))) == [1, 2, 3, 4, 5]
