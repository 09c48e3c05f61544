"""How large parts of the work are: every threshold of the engine, by the registers and caches of the machine.

None of them decides what is computed, some of them in which order it is added up. Those in bytes follow from the
caches' sizes. What they were measured on stands beside them: Xeon is one with AVX-512, 48 KiB of L1 cache and 2 MiB of
L2 cache a core, Zen 3 one with AVX2, 32 and 512 KiB.
"""

from fastbp.kernels.registers.machine import HAS_CHEAP_MASKS, L2_BYTES, REGISTER_BYTES

CACHE_LINE = 64  # bytes
REGISTERS_OF_LINE = max(1, CACHE_LINE // REGISTER_BYTES)

# Rows of terms that are read again for each 6 sums: terms, and bytes in all, half of an L2 cache. Larger ones are cut
# into parts of their terms, and into columns. Zen 3: 7 to 12 % less time than with a Xeon's megabyte.
BLOCK_TERMS, BLOCK_BYTES = 512, L2_BYTES // 2
# Rows of more bytes fill much of an L2 cache: they are prefetched so many terms before they are added, and after each
# so many terms numbers that are needed later are, see `Ahead`. Of fewer bytes: 1 to 2 % slower (Xeon).
FAR_BYTES, TERMS_AHEAD, ASK_TERMS = min(3 * L2_BYTES // 8, 3 << 17), 8, 8

# Fewest weights of a block whose columns are packed for the delta recursion. Fewer take longer than that saves
# (Xeon: 1 to 4 % of an epoch at 128 x 128 to 300 x 300; but a narrower register has fewer samples to share a weight
# among: Zen 3 takes a quarter less for the sums of 64-256-256-10). Rows of LONG_ROW inputs evict each other sooner (1
# to 4 % at 100 x 1,024).
MIN_PACKED = 1 << 17 if HAS_CHEAP_MASKS else 1 << 14
LONG_ROW, MIN_PACKED_OF_LONG_ROWS = 1024, 8192

# Units that are processed at a time, a multiple of the 6 of a tile: their rows stay in the L1 cache from one step to
# the next. Narrow rows, of so many bytes, leave room for more, and each stripe costs some 50 ns.
STRIPE = 24  # 20 KB of 200 samples
NARROW_ROW, WIDE_ROW = 256, 1024
WIDE_STRIPE = 192  # of a gradient whose rows are long: each part of them is read again for so many

NARROW = 3  # units, fed by many: their weights' gradient is summed up where the block leaves, while z is in a cache

# The gradient is worked out along with the delta recursion where z and delta would leave the L1 cache before it, but
# those of a stripe do not, and the parameters, which are all stepped along at the end, stay in the L2 cache.
FEWEST_AT_ONCE = 1 << 13  # bytes of z
WIDEST_AT_ONCE = 1 << 11  # bytes of a row
MOST_AT_ONCE = 1 << 14  # parameters

FEW_DELTAS = 1 << 13  # bytes of delta that are in the L1 cache when the biases' sums come to them
STEP_NUMBERS = 2048  # of the gradient, from which on a step along them is worth a call
