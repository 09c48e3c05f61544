"""As many multiply-adds as the registers hold, none waiting for another: the peak of a core."""

import numba

from fastbp.kernels.lanes import Shape, fma, get, lanes, put, splat, store, tile

CHAINS = 12  # more than latency times throughput (4 cycles, 2 a cycle) asks for, fewer than registers
_SHAPE = Shape(CHAINS, 1)


@numba.njit
def fma_chains(out, n_steps):
    """`n_steps` times c <- x c + x in each of the chains; returns the lanes of a register."""
    width = lanes(out)
    chains = tile(_SHAPE, out)
    x = splat(out, out[0])
    for k in range(CHAINS):
        put(chains, k, splat(out, out[k]))
    for _ in range(n_steps):
        for k in range(CHAINS):
            put(chains, k, fma(x, get(chains, k), x))
    for k in range(CHAINS):  # used, so that LLVM cannot leave them out
        store(out, k * width, get(chains, k))
    return width
