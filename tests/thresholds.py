"""Networks that cross a threshold of the code, drawn from the constants themselves: they follow when one is changed.

Where sums are cut, packed, shared out or put in another order, a mistake shows in networks of that size alone, and on
machines with registers of one shape alone. So each `THEMES` entry draws networks on either side of a threshold; what
is left open is drawn as it comes, with an eye to odd numbers of registers and to registers that are partly filled.
"""

import math
from typing import NamedTuple

import numpy as np

from fastbp.engine import engine
from fastbp.kernels import tuning
from fastbp.kernels.registers.machine import TILE_REGISTERS, lanes_of
from fastbp.structure import topology

MOST_UNITS, MOST_SAMPLES = 2600, 1200


class Drawn(NamedTuple):
    """Sizes of a network, and samples."""

    sizes: tuple
    n_samples: int

    @property
    def products(self):
        return self.n_samples * sum(n * m for n, m in zip(self.sizes, self.sizes[1:], strict=False))


class Draw:
    """Draws numbers for one dtype. `most_units` and `most_samples` bound what is not decided by a threshold."""

    def __init__(self, rng, dtype, most_units=MOST_UNITS, most_samples=MOST_SAMPLES):
        self.rng, self.dtype = rng, np.dtype(dtype)
        self.lanes = lanes_of(self.dtype)
        self.most_units, self.most_samples = most_units, most_samples

    def one_of(self, *values):
        return int(values[self.rng.integers(len(values))])

    def near(self, value):
        """Return a number on either side of one, next to it or some registers away; 1 at least."""
        step = self.one_of(1, self.lanes, self.lanes * TILE_REGISTERS)
        return max(1, math.ceil(value) + self.one_of(-1, 0, 1) * step + self.one_of(-1, 0, 0, 1))

    def any_of(self, most):
        """Return a number up to `most`, small ones as likely as large ones; often some whole registers and a bit."""
        n = math.exp(self.rng.uniform(0.0, math.log(most)))
        if self.rng.random() < 0.5:
            n = math.ceil(n / self.lanes) * self.lanes + self.one_of(-1, 0, 0, 1)
        return int(min(most, max(1, n)))

    def units(self):
        return self.any_of(self.most_units)

    def samples(self):
        return self.any_of(self.most_samples)

    def rows_of(self, n_bytes):
        """Return two numbers of which the product takes about so many bytes: of rows, and of numbers in each."""
        total = n_bytes // self.dtype.itemsize
        low, high = math.log(max(2, total / self.most_units)), math.log(max(3, min(512, self.most_samples)))
        n = max(2, int(math.exp(self.rng.uniform(min(low, high), high))))
        return self.near(total / n), n

    # ------------------------------------------------------------ a theme each: the sizes that matter, and samples

    def registers(self):
        widths = [self.near(self.lanes * self.one_of(1, 2, 3, 5, TILE_REGISTERS, 7)) for _ in range(3)]
        return widths, self.near(self.lanes * self.one_of(1, 2, 3, 5, 9))

    def terms(self):
        return [self.near(tuning.BLOCK_TERMS * self.one_of(1, 1, 2)), self.any_of(60)], self.any_of(200)

    def terms_back(self):
        return [self.any_of(8), self.any_of(60), self.near(tuning.BLOCK_TERMS * self.one_of(1, 1, 2))], self.any_of(200)

    def far_rows(self):
        n_terms, n_samples = self.rows_of(tuning.PREFETCH_BYTES)
        return [n_terms, self.any_of(60)], n_samples

    def cut_rows(self):
        n_terms, n_samples = self.rows_of(tuning.BLOCK_BYTES)
        return [n_terms, self.any_of(60)], n_samples

    def cut_rows_of_deltas(self):
        n_terms, n_samples = self.rows_of(tuning.BLOCK_BYTES)
        return [self.any_of(8), self.any_of(60), n_terms], n_samples

    def cut_columns(self):
        """Rows of inputs in panels, longer than a block: an odd number of registers as often as an even one."""
        n_inputs, n_samples = self.rows_of(tuning.BLOCK_BYTES * self.one_of(1, 2, 3))
        n_registers = math.ceil(n_inputs / self.lanes) + self.one_of(0, 1, 2, 3)
        n_inputs = n_registers * self.lanes - self.one_of(0, 0, 1)
        return [n_inputs, self.near(self.one_of(topology.MIN_OUT_FROM_INPUTS, 6, 12) + 4)], n_samples

    def wide_stripes(self):
        sizes, n_samples = self.cut_columns()
        return [sizes[0], self.near(tuning.WIDE_STRIPE)], n_samples

    def packed_columns(self):
        n_in = self.any_of(self.most_units // 2) + self.most_units // 64
        return [self.any_of(8), n_in, self.near(tuning.MIN_PACKED / n_in)], self.any_of(60)

    def packed_in_parts(self):
        n_out = self.near(tuning.BLOCK_TERMS * self.one_of(1, 2)) + self.lanes
        return [self.any_of(8), self.near(tuning.MIN_PACKED / n_out), n_out], self.any_of(60)

    def packed_long_rows(self):
        n_in = self.near(tuning.LONG_ROW)
        return [self.any_of(8), n_in, self.near(tuning.MIN_PACKED_OF_LONG_ROWS / n_in)], self.any_of(60)

    def at_once(self):
        n_in, n_samples = self.any_of(60) + 2, self.near(tuning.WIDEST_AT_ONCE / self.dtype.itemsize)
        n_units = self.near(
            self.one_of(tuning.MOST_AT_ONCE / n_in, tuning.FEWEST_AT_ONCE / self.dtype.itemsize / n_samples)
        )
        return [n_in, n_units, self.any_of(4)], n_samples

    def stripes(self):
        widths = [self.near(tuning.STRIPE * self.one_of(0.5, 1, 4)) for _ in range(2)]
        return [self.any_of(30), *widths], self.near(
            self.one_of(tuning.NARROW_ROW, tuning.WIDE_ROW) / self.dtype.itemsize
        )

    def narrow(self):
        n_out = self.one_of(1, 1, tuning.NARROW, tuning.NARROW + 1)
        return [self.any_of(30), self.near(tuning.STRIPE * self.one_of(1, 2, 4)), n_out], self.near(self.lanes * 12)

    def by_inputs(self):
        n_in = math.ceil((self.one_of(0, 1, 2, 5) + topology.MIN_FILLED) * self.lanes) + self.one_of(-1, 0, 1)
        fewest = self.one_of(topology.MIN_OUT_FROM_INPUTS, topology.MIN_OUT_FROM_HIDDEN)
        return [self.any_of(30), max(1, n_in), max(1, fewest + self.one_of(-1, 0, 1))], self.any_of(300)

    def biases(self):
        n_samples = self.any_of(64)
        return [self.near(tuning.FEW_DELTAS / self.dtype.itemsize / n_samples), self.any_of(9)], n_samples

    def tiles(self):
        """Samples beyond one tile, for networks of so many parameters that they are not cut into chunks."""
        n_samples = self.near(self.one_of(engine.MIN_TILE, engine.MAX_TILE, 2 * engine.MAX_TILE))
        return [self.any_of(100), self.near(engine.SMALL_N_PARAMS / 100), 100], n_samples

    def chunks(self):
        n_in, n_out = self.any_of(60), self.any_of(60)
        fewest = max(engine.MIN_CHUNK_REGISTERS * self.lanes, engine.MIN_CHUNK_PRODUCTS // (n_in * n_out))
        return [n_in, n_out], min(self.most_samples, self.near(fewest * self.one_of(1, 2, 3)))

    def anything(self):
        return [self.units() for _ in range(2)], self.samples()


THEMES = (
    "registers", "terms", "terms_back", "far_rows", "cut_rows", "cut_rows_of_deltas", "cut_columns", "wide_stripes",
    "packed_columns", "packed_in_parts", "packed_long_rows", "at_once", "stripes", "narrow", "by_inputs", "biases",
    "tiles", "chunks", "anything",
)  # fmt: skip

# Which theme crosses which threshold, by the module where that stands. A test compares the table with the modules.
CROSSED = {
    "tuning.BLOCK_TERMS": "terms", "tuning.BLOCK_BYTES": "cut_columns", "tuning.PREFETCH_BYTES": "far_rows",
    "tuning.STRIPE": "stripes", "tuning.WIDE_STRIPE": "wide_stripes", "tuning.FEWEST_AT_ONCE": "at_once",
    "tuning.WIDEST_AT_ONCE": "at_once", "tuning.MOST_AT_ONCE": "at_once", "tuning.NARROW": "narrow",
    "tuning.FEW_DELTAS": "biases", "tuning.NARROW_ROW": "stripes", "tuning.WIDE_ROW": "stripes",
    "tuning.MIN_OUT_FROM_INPUTS": "by_inputs",
    "tuning.MIN_OUT_FROM_HIDDEN": "by_inputs", "tuning.MIN_FILLED": "by_inputs", "tuning.LONG_ROW":
    "packed_long_rows", "tuning.MIN_PACKED": "packed_columns", "tuning.MIN_PACKED_OF_LONG_ROWS": "packed_long_rows",
    "tuning.MIN_TILE": "tiles", "tuning.MAX_TILE": "tiles", "tuning.SMALL_N_PARAMS": "tiles",
    "tuning.MIN_CHUNK_REGISTERS": "chunks", "tuning.MIN_CHUNK_PRODUCTS": "chunks",
}  # fmt: skip


# For kernels in plain Python: thresholds as small as lets each kind of cut happen
SMALL = {
    "BLOCK_TERMS": 11, "BLOCK_BYTES": 1 << 12, "PREFETCH_BYTES": 1 << 11, "MIN_PACKED": 150, "LONG_ROW": 24,
    "MIN_PACKED_OF_LONG_ROWS": 60, "MIN_OUT_FROM_HIDDEN": 7, "STRIPE": 12, "WIDE_STRIPE": 24, "MOST_AT_ONCE": 800,
    "FEWEST_AT_ONCE": 1 << 9, "WIDEST_AT_ONCE": 1 << 8, "FEW_DELTAS": 1 << 10, "NARROW_ROW": 128, "WIDE_ROW": 256,
    "MIN_TILE": 64, "MAX_TILE": 64, "SMALL_N_PARAMS": 100, "MIN_CHUNK_PRODUCTS": 600, "MIN_CHUNK_SAMPLES": 64,
    "MIN_CHUNK_REGISTERS": 2,
}  # fmt: skip


def draw_network(rng, dtype, theme, most_products, **bounds):
    """Return a `Drawn` of 1 to 4 layers of weights for a theme, of no more products than so many.

    Further layers stand before and behind those of the theme, small enough for the bound.
    """
    for _attempt in range(1000):
        draw = Draw(rng, dtype, **bounds)
        sizes, n_samples = getattr(draw, theme)()
        sizes = [min(n, draw.most_units) for n in sizes]
        if rng.random() < 0.3 and len(sizes) < 4:
            sizes = [draw.units(), *sizes]
        while len(sizes) < 2 or (rng.random() < 0.5 and len(sizes) < 5):
            sizes = [*sizes, draw.any_of(min(60, draw.most_units))]
        drawn = Drawn(tuple(sizes), min(n_samples, draw.most_samples))
        if drawn.products <= most_products:
            return drawn
    raise AssertionError(f"no network of {theme} has at most {most_products} products")
