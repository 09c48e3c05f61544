"""The memory of a tile of samples: as arrays, as views of all of them, and as views of one tile's.

An array of the tile is named once, in `Memory`, and gets its size in `engine/engine.py`. What kernels know of it, the
views of `Space` and `Tile`, is made from that: Numba has no loop over the fields of a tuple, so it is written out.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np

from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import Doubles, Integers, Numbers, shift, view
from fastbp.kernels.tables import NONE, Layer


class Dropout(NamedTuple):
    """What dropout needs of the samples that are worked on, see dropout.py; the views stand at the first of them."""

    address: int  # of what leaves out units; NONE: nothing does
    rates: Doubles  # of the layers
    samples: Integers  # keys of the samples
    slopes: Numbers  # as `Tile.z`: what delta is multiplied by


@kernel
def no_dropout(numbers, doubles, integers):
    """The dropout that leaves out nothing; the views stand where it would have its own."""
    return Dropout(NONE, doubles, integers, numbers)


@kernel
def dropout_from(dropout, sample, place):
    """Dropout of the samples from `sample` on, whose numbers begin at `place`."""
    if dropout.address == NONE:
        return dropout
    return Dropout(dropout.address, dropout.rates, shift(dropout.samples, sample), shift(dropout.slopes, place))


# Arrays that have a row for each slot, where one tile at a time is worked on: numbers or integers, and whether those of
# a thread's part of the samples begin at its first sample
OfSamples = Annotated[np.ndarray, Numbers, True]
IntegersOfSamples = Annotated[np.ndarray, Integers, True]
OfTile = Annotated[np.ndarray, Numbers, False]
# Arrays that all slots share
Shared = Annotated[np.ndarray, Numbers]
SharedIntegers = Annotated[np.ndarray, Integers]
SharedDoubles = Annotated[np.ndarray, Doubles]


class Memory(NamedTuple):
    """Work space; `engine.py` has the sizes. In a tile unit j, sample s, stands at j * stride + s."""

    a: OfSamples  # inputs of the units; the same memory as z where no derivative needs them
    z: OfSamples  # outputs of the units
    delta: OfSamples  # dE/da
    t: OfSamples  # targets: output k of sample s at k * stride + s
    weight: OfSamples  # weights of the samples, 0 in lanes without one
    by_sample: OfTile  # copies of z, sample by sample: see `rows_of_layer`
    order: IntegersOfSamples  # room for that of the samples, see `order_of_tile`
    columns: Shared  # columns of weight matrices, packed: see columns.py
    constants: Shared  # a register of 0, for sums that begin with it, and one of 1
    grads: Shared  # (n_slots, one more if there are several chunks; n_params filled up)
    errors: SharedDoubles  # (n_chunks_max,)
    tasks: SharedIntegers  # (n_tasks, columns): see `Task`
    bounds: SharedIntegers  # see `bounds_of`
    plan: SharedIntegers  # see `Plan`


class Plan(NamedTuple):
    """What `Memory.plan` holds. The addresses are NONE where there is no such function."""

    max_tile: int  # most samples in a tile
    min_chunk: int  # fewest in a chunk
    n_slots: int  # chunks at a time
    n_threads: int
    worker: int  # address of `work_on_chunk`
    parallel: int  # of `in_parallel`, for chunks on several threads
    sharer: int  # for one chunk, of `work_by_shares`, and of the two functions that it calls
    share_worker: int
    shares_parallel: int


PLAN = Plan(*range(len(Plan._fields)))  # the places of its numbers


class PartOfTile(NamedTuple):
    """What a `Tile` has besides the arrays."""

    columns: Numbers
    constants: Numbers
    n_samples: int
    width: int  # n_samples, filled up to whole registers
    stride: int  # from one unit to the next
    dropout: Dropout
    first: int  # of a part of a tile: the sample of the whole one that it begins with; or 0
    n_rows: int  # width of the whole tile


KINDS = {name: kind.__metadata__ for name, kind in Memory.__annotations__.items()}
OF_SLOTS = {name: begins_at_first for name, (_view, *of_slot) in KINDS.items() for begins_at_first in of_slot}

Tile = NamedTuple("Tile", [*((name, KINDS[name][0]) for name in OF_SLOTS), *PartOfTile.__annotations__.items()])
Space = NamedTuple(
    "Space",
    [
        *((name, kind[0]) for name, kind in KINDS.items() if name != "plan"),
        *((f"n_{name}", int) for name in (*OF_SLOTS, "params", "chunks_max")),
        *Plan.__annotations__.items(),
    ],
)
Tile.__doc__ = "Memory of the samples that are worked on together: the views of `Memory`'s arrays, and a `PartOfTile`."
Space.__doc__ = "A `Memory` as views, with the lengths of its rows, and its `Plan`."


def written_out(name: Any, arguments: Any, form: Any, fields: Any) -> Any:
    """A kernel that returns a tuple of a form; `fields`: the expressions of its fields."""
    exec(f"def {name}({arguments}):\n    return form({', '.join(fields)})", known := {
        "form": form, "shift": shift, "view": view,
    })  # fmt: skip
    return kernel(known[name])


_views = [f"view(memory.{name})" for name in KINDS if name != "plan"]
_lengths = [f"memory.{name}.shape[1]" for name in (*OF_SLOTS, "grads")]
_plan = [f"memory.plan[{place}]" for place in PLAN]
# (memory): its views
space_of: Callable[..., Any] = written_out(
    "space_of", "memory", Space, [*_views, *_lengths, "memory.errors.size", *_plan]
)

_places = [f"slot * space.n_{name}" + " + part.first" * moves for name, moves in OF_SLOTS.items()]
_rows = [f"shift(space.{name}, {place})" for name, place in zip(OF_SLOTS, _places, strict=True)]
_part = [f"part.{name}" for name in PartOfTile._fields]
# (space, slot, part): a part of the tile in a slot
tile_from: Callable[..., Any] = written_out("tile_from", "space, slot, part", Tile, [*_rows, *_part])

DROP = Slot(Layer, Tile, float, int, int)  # what is called through `Dropout.address`
