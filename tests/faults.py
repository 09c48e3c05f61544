"""Copies of the package with a fault in a kernel: do the tests, and the self-check, see it?

    python tests/faults.py packed /tmp/faulty && PYTHONPATH=/tmp/faulty pytest tests/test_thresholds.py -m shapes

Each was in a release, and showed on machines alone whose registers have another shape than the developers'.
"""

import shutil
import sys
from pathlib import Path

import fastbp

# Fault -> file of kernels, and a function that takes the place of the one of that name in it
FAULTS = {
    # 6 packed weights by one register, whatever that holds: AVX2's hold 4 of float64, 128 bits 2 and 4
    "packed": (
        "many_samples/columns.py",
        """
@kernel
def copy_numbers(out, place, numbers, start, n):
    inlined()
    store_first(out, place, load_first(numbers, start, n), n)
""",
    ),
    # Columns so that what is left is whole tiles: the order in which tiles of 4 registers are cut, not those of 2
    "columns": (
        "many_samples/parts.py",
        """
@kernel
def registers_of_column(left, most):
    n_columns = (left + most - 1) // most
    n = (left + n_columns - 1) // n_columns
    return n + (left - n) % TILE_REGISTERS
""",
    ),
    # A row of sums from one register: NEON has rows of 4, and 2 numbers of float64 in a register
    "sums": (
        "registers/blocks.py",
        """
def runs_of_sums(shape, n_lanes):
    return [(q, 0, shape.registers) for q in range(shape.units)]
""",
    ),
}


def package_with(fault, folder):
    """Copy the package into a folder, with a fault; return the folder."""
    name, source = FAULTS[fault]
    shutil.copytree(Path(fastbp.__file__).parent, Path(folder) / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    with (Path(folder) / "fastbp" / "kernels" / name).open("a") as kernels:
        kernels.write("\n" + source)
    return Path(folder)


if __name__ == "__main__":
    package_with(*sys.argv[1:])
