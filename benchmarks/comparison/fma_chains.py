"""As many multiply-adds as the registers hold, none waiting for another: the peak of a core."""

import numba

from fastbp.kernels.registers.lanes import Shape, fma, get, lanes, put, splat, store, tile, view

CHAINS = 12  # more than latency times throughput (4 cycles, 2 a cycle) asks for, fewer than registers
_SHAPE = Shape(CHAINS, 1)


@numba.njit(nogil=True)
def fma_chains(out, n_steps):
    """`n_steps` times c <- x c + x in each of the chains; returns the lanes of a register."""
    registers = view(out)
    width, chains, x = lanes(registers), tile(_SHAPE, registers), splat(registers, out[0])
    for k in range(CHAINS):
        put(chains, k, splat(registers, out[k]))
    for _ in range(n_steps):
        for k in range(CHAINS):
            put(chains, k, fma(x, get(chains, k), x))
    for k in range(CHAINS):  # used, so that LLVM cannot leave them out
        store(registers, k * width, get(chains, k))
    return width
