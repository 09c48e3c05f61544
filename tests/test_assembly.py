"""What the inner loops of the sums do: nothing but to load and to multiply. A tile that is kept in memory stores there.

Of the machine's own instructions, and of Arm's where the registers are NEON's (registers.py).
"""

import numba
import pytest
from assembly import Loop, assembly_of_sums, inner_loops
from cases import COMPILED

from fastbp.kernels.registers import machine

pytestmark = [
    pytest.mark.shapes,
    pytest.mark.compiled_only,
    pytest.mark.skipif(not COMPILED or bool(numba.config.BOUNDSCHECK), reason="each register is tested then"),
]

IS_NEON = (machine.REGISTER_BYTES, machine.TILE_REGISTERS) == (16, 4)
# Tiles of 6 sums, and the remainder of a row of many registers
TILES = (4, 3) if machine.TILE_REGISTERS == 4 else (2,)


def loops_of_tiles(dtype):
    """Return {registers of a tile: loops over terms with the products of 6 sums of so many}."""
    found = inner_loops(assembly_of_sums(dtype, arm=IS_NEON))
    return {n: [loop for loop in found if loop.n_products == 6 * n] for n in TILES}


@pytest.mark.skipif(
    machine.INSTRUCTIONS == "FASTBP_REGISTERS" and not IS_NEON,
    reason="these instructions are not made for such registers",
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tiles_stay_in_registers(dtype):
    for n, loops in loops_of_tiles(dtype).items():
        assert loops, f"no loop with the products of 6 x {n}: the test would see nothing"
        for loop in loops:
            assert loop.n_stores == 0, f"6 x {n} registers are kept in memory: {loop}"


X86 = """
weights:
	movl	$1, %eax
.LBB0_1:
	vmovups	(%rsi), %ymm1
	vbroadcastss	(%rdi), %ymm2
	vfmadd231ps	%ymm1, %ymm2, %ymm0
	vfmadd231ps	32(%rsi), %ymm2, %ymm3
{}
	jne	.LBB0_1
	retq
"""
ARM = """
.LBB0_1:
	ldp	q1, q2, [x8]
	ld1r	{v3.4s}, [x9]
	fmla	v0.4s, v1.4s, v3.4s
	str	q0, [sp, #16]
	b.ne	.LBB0_1
"""


@pytest.mark.parametrize(
    ("line", "n_stores"),
    [
        ("	vmovups	%ymm0, 64(%rsp)", 1),
        ("	vmovaps	%zmm20, -64(%rbp)", 1),
        ("	movapd	%xmm3, (%rsp)", 1),
        ("	vmovups	64(%rsp), %ymm0", 0),
        ("	vmovaps	%ymm1, %ymm4", 0),
        ("	movq	%rax, 8(%rsp)", 0),
    ],
)
def test_a_store_is_seen(line, n_stores):
    (loop,) = inner_loops(X86.format(line))
    assert (loop.n_products, loop.n_stores) == (2, n_stores)


def test_a_store_is_seen_on_arm():
    assert inner_loops(ARM) == [Loop(5, 1, 2, 1)]


def test_outer_loops_do_not_count():
    text = ".LBB0_0:\n\tvmovups\t%ymm0, (%rsp)\n" + X86.format("") + "\tjne\t.LBB0_0\n"
    assert [loop.n_stores for loop in inner_loops(text)] == [0]
