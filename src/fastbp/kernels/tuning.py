"""How large parts of the work are: every threshold of the engine, by the registers and caches of the machine.

None of them decides what is computed, some of them in which order it is added up. Those that follow from the L2
cache's size say so by L2_BYTES; the others are numbers. What they were measured on stands beside or above them: Xeon is
one with AVX-512, 48 KiB of L1 cache and 2 MiB of L2 cache a core, Zen 3 one with AVX2, 32 and 512 KiB.
"""

from fastbp.kernels.registers.machine import HAS_CHEAP_MASKS, L2_BYTES, REGISTER_BYTES

CACHE_LINE = 64  # bytes
REGISTERS_OF_LINE = max(1, CACHE_LINE // REGISTER_BYTES)

# Rows of terms that are read again for each 6 sums: terms, and bytes in all, half of an L2 cache. Larger ones are cut
# into parts of their terms, and into columns. Zen 3: 7 to 12 % less time than with a Xeon's megabyte.
BLOCK_TERMS, BLOCK_BYTES = 512, L2_BYTES // 2
# Rows of more bytes fill much of an L2 cache: they are prefetched so many terms before they are added, and after each
# so many terms numbers that are needed later are, see `Prefetch`. Of fewer bytes: 1 to 2 % slower (Xeon).
PREFETCH_BYTES, PREFETCH_DISTANCE, PREFETCH_TERMS = min(3 * L2_BYTES // 8, 3 << 17), 8, 8

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

# ---------------------------------------------------------------------------- tiles, chunks, threads: Xeon

MAX_CHUNKS = 16  # threads beyond this number find nothing to do
# Samples in a tile: as many as the caches of a core hold, within bounds. Weights and gradient of a large layer come
# from memory once for each tile.
MIN_TILE, MAX_TILE, TILE_BYTES = 256, 512, 6 << 20
# Along links z and delta are read at random: they are to be in the L2 cache. A tenth less time for 586 units (Xeon;
# Zen 5 with 1 MiB of L2 cache: 4 % in float32, 11 % in float64).
LINKS_BYTES = 5 * L2_BYTES // 8

# A chunk is worth a thread from about 30 us of work on. Its own gradient is added to the others', so a
# network of many parameters wants many samples in it.
MIN_CHUNK_PRODUCTS = 1 << 20
SMALL_N_PARAMS, MIN_CHUNK_SAMPLES = 1 << 15, 512
MIN_CHUNK_REGISTERS = 8

# A compiled call cannot be interrupted: it does a part of the samples, of so many products, in some 0.05 s. What
# a unit and a sample take besides their products is counted as products.
PART_PRODUCTS, UNIT_PRODUCTS, SAMPLE_PRODUCTS = 1 << 29, 16, 1024
# Fewest samples in a part of a job without gradient, and of one with it: else weights and gradient are moved too often.
MIN_PART, MIN_GRADIENT_PART = 64, MAX_TILE * MAX_CHUNKS
# A share is worth a thread, as a chunk is, from so many products of a weight and a sample on: some 30 us of work.
LOG_SHARE_PRODUCTS = 20

# Second derivatives: samples of a tile, whose products of two inputs, of as many as a layer has, are to stay in a
# cache; rows and columns of a block of the Hessian, in an L2 cache; rows of a matrix that are decomposed together;
# pairs of units, or of inputs, up to which it does not pay to form those of the other kind, if that has so many second
# things for each of them. Zen 5; of few pairs Zen 3
CURVATURE_TILE, CURVATURE_ROWS, CURVATURE_COLUMNS, DECOMPOSED_ROWS, FEW_PAIRS = 64, 48, 384, 24, 12
SECONDS_OF_FEW = 2
# What an assembly keeps of the tiles before it adds to the matrix: bytes that stay in a cache, numbers for each one of
# the matrix if those are more, and bytes at most, unless a single tile takes more. Zen 5
CURVATURE_CACHE, CURVATURE_MATRIX, CURVATURE_BYTES = 1 << 21, 4, 1 << 26

# Numbers in the stripe of gradients of a single sample, or one row, if that is longer
STRIPE_NUMBERS = 512

KEPT_BYTES = 1 << 22  # of z and gradients, up to which a work space is kept: its pages take as long as the work
KEPT_MEMORIES = 2  # one of a training, and one of what is computed between trainings
KEPT_PARAMS = 3  # times the parameters: what a larger one may take, without its gradients, to be the only one kept

# ---------------------------------------------------------------------------- which way a block or a job goes: Xeon

# Fewest units at which a block's weight gradient runs with its inputs in the lanes. The inputs of the
# network come sample by sample anyway; a hidden layer has to be transposed, which pays later.
MIN_OUT_FROM_INPUTS, MIN_OUT_FROM_HIDDEN = 4, 24
# And the least part of the lanes that the inputs must fill: 10 inputs in 2 registers of 8 cost 10-100-1 an eighth.
MIN_FILLED = 0.75
# Fewest units at both ends of a dense block: smaller ones run as links, which need no tile of their own.
MIN_DENSE = 4

# Samples times weights up to which `FewSamples` computes, from which on tiles are faster; and up to which
# other Python threads may be kept waiting, some 0.1 ms, for the answer to a single sample.
FEW_PRODUCTS, SINGLE_PRODUCTS = 1 << 17, 1 << 20
# Along links, where a product takes 0.3 ns, and tiles of 64-256-256-10 with 17 % of its weights 25 us (Zen 5).
FEW_LINKED, SINGLE_LINKED = 1 << 16, 1 << 18
MAX_SAMPLES = 16

# ---------------------------------------------------------------------------- a network in each lane

# Bytes of parameters up to which networks of a population are trained so: in batches of less than a register of
# samples, where the other way leaves lanes empty, and of up to so many registers. Zen 5: half the time or less at a
# half of these, the same at twice as many.
LANE_BYTES, LANE_BYTES_OF_BATCHES, MOST_BATCH_REGISTERS = 3000, 700, 4
# Registers of networks side by side, for each of which on-line learning is compiled: the time of one in which sums wait
# for their terms is that of others. And bytes of their parameters, which are to stay in the L1 cache
LANE_REGISTERS, STATE_BYTES = (1, 2, 4), 1 << 14
# Samples of each network that are gathered at a time, and bytes of what becomes of them
MOST_AHEAD, AHEAD_BYTES = 32, 1 << 17
FEW_TO_LANES = 6  # columns that are copied number by number: more are transposed

# ---------------------------------------------------------------------------- within kernels: Xeon

FEW_ROWS = 4  # up to which sums of rows are cheaper without the registers of all lanes
TWO_COLUMNS = 2  # up to which numbers are copied one by one
FEW_COLUMNS = 4  # up to which a transposition of their own takes half the time
PACKED_TOGETHER = 16  # rows of weights that are copied together
# Registers of samples for which a sum is kept at a time, and links whose gradients are summed at a time
MAX_REGISTERS = 8
