"""How large sums are cut: into parts of their terms, and into columns of their rows."""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import inlined
from fastbp.kernels.registers.machine import TILE_REGISTERS
from fastbp.kernels.tuning import BLOCK_TERMS


@kernel
def n_parts_of_terms(n_terms):
    """Number of parts in which so many terms are added up."""
    return (n_terms + BLOCK_TERMS - 1) // BLOCK_TERMS


@kernel
def terms_of_part(n_terms, part, n_parts):
    """First term of a part, and the one behind its last."""
    return part * n_terms // n_parts, (part + 1) * n_terms // n_parts


@kernel
def next_registers(left):
    """Registers of the next tile of a row: 4, or 3 so that none of the last ones is alone and waits for its sums."""
    inlined()
    return registers_of_tile(left, TILE_REGISTERS)


@kernel
def registers_of_tile(left, most):
    """`next_registers`, of tiles with at most 2 or 4."""
    inlined()
    if most == 4 and left > 4:
        return 4 - min(left % 4, 1)
    return min(left, most)


@kernel
def registers_of_column(left, most):
    """Registers of s that are worked on together, of those that are left: about `most`; whole panels."""
    n_columns = (left + most - 1) // most
    wanted, n = (left + n_columns - 1) // n_columns, 0
    while n < wanted:  # the very tiles that the whole row is cut into: panels of terms stand in their order
        n += next_registers(left - n)
    return n
