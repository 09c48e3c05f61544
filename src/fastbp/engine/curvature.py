"""What second derivatives of a network are computed with: its tables, its memory, and the jobs."""

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from fastbp import memory
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.engine import aligned_zeros
from fastbp.engine.gate import CheckedSamples
from fastbp.engine.groups import Groups, groups_of
from fastbp.engine.spares import Spares
from fastbp.kernels.codes import IDENTITY, IN_KERNELS, OF_LOSS, SOFTMAX
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.curvature import asking, assembly, blocks, calls, hessians, jacobians, jobs, objective, plan
from fastbp.kernels.curvature import products as kernels
from fastbp.kernels.curvature.loading import Given
from fastbp.kernels.formulas.losses import CANONICAL
from fastbp.kernels.tables import LAYER, NONE, Packed
from fastbp.kernels.tuning import (
    CURVATURE_BYTES,
    CURVATURE_CACHE,
    CURVATURE_MATRIX,
    CURVATURE_TILE,
    KEPT_BYTES,
    KEPT_MEMORIES,
    MAX_CHUNKS,
)
from fastbp.structure.topology import Topology

FLOAT64 = np.dtype(np.float64)
LINE = 8  # numbers of a cache line
SQUARED_ERRORS = (OF_LOSS["squared_error"], OF_LOSS["sse"])  # whose second derivative is a constant
Shapes = tuple[tuple[int, ...], ...]


class Curvature:
    """Jobs for second derivatives of one network, in float64.

    Parameters
    ----------
    packed : Packed
        Of float64, with all addresses.
    topology : Topology
    functions : sequence of Activation
        Of its layers after the inputs.
    """

    topology: Topology
    groups: Groups
    has_rows = True

    def __init__(self, packed: Packed, topology: Topology, functions: Sequence[Activation]) -> None:
        self.topology, self._functions = topology, functions
        layers, output = packed.layers.copy(), functions[-1]
        if topology.ends_in_outputs and output.code not in (SOFTMAX, *IN_KERNELS):
            layers[-1, LAYER.dh_address] = output.address(FLOAT64, slope=True)
        self._packed = packed._replace(layers=layers)
        self.groups = groups_of(topology, shares=_shares(packed, topology, output))
        tasks = self.groups.tasks
        is_softmax = output.code == SOFTMAX
        facts = np.zeros(plan.N_FACTS, np.int64)
        facts[plan.N_COMPUTED], facts[plan.FIRST_OUTPUT] = topology.n_layers, topology.first_output
        facts[plan.N_OUTPUTS], facts[plan.IS_SOFTMAX] = topology.n_outputs, is_softmax
        facts[plan.IS_CANONICAL] = topology.ends_in_outputs and (packed.loss, output.code) in CANONICAL
        facts[plan.ENDS_APART] = not topology.ends_in_outputs
        facts[plan.SUMS], facts[plan.PRODUCTS] = calls.address_of_sums(), calls.address_of_products()
        facts[plan.N_ROWS_APART], facts[plan.SHARES] = self._n_rows_apart, self.groups.are_shared.any()
        facts[plan.N_TASKS], facts[plan.N_ROWS], facts[plan.N_COLUMNS] = len(tasks.table), tasks.n_rows, tasks.n_columns
        self._plan = plan.Plan(
            packed=self._packed,
            bends=np.full(len(layers), NONE, np.int64),
            groups=self.groups.table,
            sources=self.groups.sources,
            places=self.groups.places,
            layers_of=self.groups.layers_of,
            tasks=tasks.table,
            facts=facts,
            zeros=np.zeros(16),
        )
        self._bends_known = False
        self._rooms: Spares[jobs.Room] = Spares(KEPT_MEMORIES)

    def plan(self, *, exact: bool = False) -> plan.Plan:
        """The network as the kernels see it; `exact`: with second derivatives of the activation functions."""
        if exact and not self._bends_known:
            for l, function in enumerate(self._functions, 1):
                self._plan.bends[l] = function.address_of_bend(FLOAT64)
            self._bends_known = True
        return self._plan

    @property
    def params(self) -> Array:
        """The parameters that everything is worked out at, (n_params,): a view."""
        return self._packed.params[: self.n_params]

    @property
    def n_params(self) -> int:
        """Number of parameters."""
        return self.topology.n_params

    def _room(self, n_samples: int, n_slots: int, **sizes: Any) -> jobs.Room:
        """Memory of a job, see `jobs.Room`: to be given back."""
        topology, n_chunks = self.topology, n_chunks_of(n_samples)
        tile = plan.tile_numbers(topology.n_units, topology.n_outputs, CURVATURE_TILE)
        shapes: Shapes = (
            (n_slots, whole_lines(tile)),
            sizes.get("kept", (0, 1)),
            (n_chunks * sizes.get("n_sums", 0), self.n_params),
            (n_chunks,),
            (n_slots, sizes.get("n_scratch", 0)),
        )
        return self._rooms.take(shapes) or jobs.Room(*zeros_of_shapes(shapes))

    @cached_property
    def _n_rows_apart(self) -> int:
        """Rows that an assembly keeps for each unit, beside what the outputs share."""
        return 0 if self.groups.are_shared.all() else self.topology.n_outputs

    def give_back(self, room: jobs.Room) -> None:
        """Keep the memory of a job that is over, if it is small, for the next one like it."""
        if sum(array.nbytes for array in room) <= KEPT_BYTES:
            self._rooms.keep(tuple(array.shape for array in room), room)

    def _run(
        self,
        worker: int,
        given: Given,
        v: Array,
        out: Array,
        *,
        exact: bool = False,
        n_threads: int | None,
        **sizes: int,
    ) -> tuple[float, Array]:
        """One job over all samples: (error, sums over them)."""
        n_samples = len(given.x)
        with threads.limit(n_threads, n_chunks_of(n_samples)) as n_slots:
            room = self._room(n_samples, n_slots, **sizes)
            error = kernels.run_task(self.plan(exact=exact), given, room, worker, _parallel(n_slots), exact, v, out)
        sums = room.sums[: sizes.get("n_sums", 0)].copy()
        self.give_back(room)
        return error, sums

    def products(self, given: Given, v: Array, *, exact: bool, n_threads: int | None = None) -> Array:
        """H v for each row of v, (n_vectors, n_params)."""
        _, sums = self._run(
            kernels.address_of_products_worker(), given, v, NOTHING, exact=exact, n_threads=n_threads, n_sums=len(v)
        )
        return sums

    def outputs_along(self, given: Given, v: Array, n_threads: int | None = None) -> Array:
        """sum_p J v_p, (n_samples, n_outputs)."""
        out = np.empty((len(given.x), self.topology.n_outputs))
        self._run(kernels.address_of_outputs_worker(), given, v, out.reshape(1, -1), n_threads=n_threads)
        return out

    def jacobian(self, given: Given, n_threads: int | None = None) -> Array:
        """dy_k/dw_p, (n_samples, n_outputs, n_params)."""
        shape = (len(given.x), self.topology.n_outputs, self.n_params)
        return self._rows(jacobians.address_of_jacobian_worker(), given, shape, n_threads)

    def sample_gradients(self, given: Given, n_threads: int | None = None) -> Array:
        """dE_n/dw_p, (n_samples, n_params)."""
        shape = (len(given.x), self.n_params)
        return self._rows(jacobians.address_of_gradients_worker(), given, shape, n_threads)

    def _rows(self, worker: int, given: Given, shape: tuple[int, ...], n_threads: int | None) -> Array:
        memory.check(8 * math.prod(shape), "the result", f"{' x '.join(f'{n:,}' for n in shape)} numbers")
        out, n_units = np.empty(shape), self.topology.n_units
        n_scratch = 2 * CURVATURE_TILE * (n_units + 1)
        self._run(worker, given, NOTHING, out.reshape(1, -1), n_threads=n_threads, n_scratch=n_scratch)
        return out

    def hessian(self, given: Given, *, exact: bool, n_threads: int | None = None) -> tuple[float, Array, Array]:
        """(E, gradient, Hessian or its Gauss-Newton part)."""
        memory.check(8 * self.n_params**2, "the Hessian", f"{self.n_params:,} x {self.n_params:,} numbers")
        matrix = np.empty((self.n_params, self.n_params))
        with threads.limit(n_threads, MAX_CHUNKS) as n_slots:
            room, assembler = self.assembly_room(len(given.x), n_slots, exact=exact), self.assembler(n_slots, exact)
            error = hessians.hessian(self.plan(exact=exact), given, room, assembler, matrix.reshape(-1))
        gradient = room.sums[0].copy()
        self.give_back(room)
        return error, gradient, matrix

    def term(
        self, kind: str, given: Given, v: Array | None, *, exact: bool, n_threads: int | None = None
    ) -> tuple[float, Array]:
        """The error of some samples, and what is asked of them: numbers that add up over all samples.

        `kind`: "error", with no number; "gradient"; "product", with the Hessian; "bend", see
        `kernels/curvature/asking.py`; "matrix", the gradient and all rows of the Gauss-Newton matrix.
        """
        if kind == "matrix":
            error, gradient, matrix = self.hessian(given, exact=False, n_threads=n_threads)
            return error, np.concatenate([gradient, matrix.reshape(-1)])
        addresses = {
            "error": asking.address_of_losses,
            "gradient": asking.address_of_gradients,
            "product": kernels.address_of_products_worker,
            "bend": asking.address_of_bends,
        }
        along = np.zeros((1, self.n_params)) if v is None else v.reshape(1, -1)
        n_sums = 0 if kind == "error" else 1
        error, sums = self._run(
            addresses[kind](), given, along, NOTHING, exact=exact, n_threads=n_threads, n_sums=n_sums
        )
        return error, sums.reshape(-1)

    def assembly_room(self, n_samples: int, n_slots: int, *, exact: bool = False) -> jobs.Room:
        """Memory for an assembly."""
        n_kept, most_tiles, n_scratch = self._assembly_sizes[exact]
        n_tiles = min(n_tiles_of(n_samples), most_tiles)
        memory.check(8 * (n_tiles * n_kept + n_slots * n_scratch), "the Hessian", "the passes that it is made of")
        return self._room(n_samples, n_slots, kept=(n_tiles, whole_lines(n_kept)), n_sums=1, n_scratch=n_scratch)

    @cached_property
    def _assembly_sizes(self) -> list[tuple[int, int, int]]:
        """(numbers that are kept of a tile, tiles that are kept, numbers of a slot's scratch); of the exact matrix."""
        topology, groups = self.topology, self.groups
        sizes, tasks = (topology.n_units, topology.n_inputs, self._n_rows_apart), groups.tasks
        kept = [assembly.kept_numbers(*sizes, exact, groups.are_shared.any()) for exact in (False, True)]
        scratch = blocks.scratch_sizes(tasks.n_rows, tasks.n_columns, groups.most_sources, topology.n_outputs)
        return [(n_kept, self._tiles_at_once(n_kept), sum(scratch)) for n_kept in kept]

    def _tiles_at_once(self, n_kept: int) -> int:
        """Tiles that are kept before their products are added to the matrix.

        As many as a cache holds; or more, if the matrix has so many numbers that adding to them would take longer.
        """
        enough = max(CURVATURE_CACHE // (8 * n_kept), CURVATURE_MATRIX * self.n_params**2 // n_kept)
        return max(1, min(enough, CURVATURE_BYTES // (8 * n_kept)))

    def assembler(self, n_slots: int, exact: bool) -> hessians.Assembler:
        """What an assembly calls."""
        keep, tasks, moves = hessians.addresses_of_workers()
        return hessians.Assembler(keep, tasks, moves, _parallel(n_slots), n_slots, exact, self.groups.most_sources)

    def wanted(
        self, n_slots: int, scale: float, decay: Array, *, products: bool = False, exact: bool = False,
        bends: bool = False, rows: bool = False,
    ) -> objective.Wanted:  # fmt: skip
        """What a minimiser asks for, see `kernels/curvature/objective.py`; `products` and so on: whether it does."""
        return objective.Wanted(
            parallel=_parallel(n_slots),
            n_slots=n_slots,
            losses=asking.address_of_losses(),
            gradients=asking.address_of_gradients(),
            products=kernels.address_of_products_worker() if products else NONE,
            bends=asking.address_of_bends() if bends else NONE,
            rows=jacobians.address_of_residual_rows_worker() if rows else NONE,
            scale=scale,
            decay=decay,
            exact=exact,
        )

    def sums_room(self, n_samples: int, n_slots: int) -> jobs.Room:
        """Memory for gradients, and for products with one vector."""
        return self._room(n_samples, n_slots, n_sums=1)

    def rows_room(self, n_samples: int, n_slots: int) -> jobs.Room:
        """The same, and for rows of a Jacobian."""
        return self._room(n_samples, n_slots, n_sums=1, n_scratch=2 * CURVATURE_TILE * (self.topology.n_units + 1))


def _shares(packed: Packed, topology: Topology, output: Activation) -> bool:
    """Whether outputs, more than one, are sums whose errors are squared: see `kernels/curvature/shared.py`."""
    is_sum = topology.ends_in_outputs and output.code == IDENTITY
    return is_sum and packed.loss in SQUARED_ERRORS and topology.n_outputs > 1


def given_of(samples: CheckedSamples) -> Given:
    """Checked samples in float64."""
    x, t, weight, _order = samples.arrays
    return Given(np.asarray(x, FLOAT64), np.asarray(t, FLOAT64), np.asarray(weight, FLOAT64))


def whole_lines(n: int) -> int:
    """n numbers, rounded up to whole cache lines."""
    return -(-n // LINE) * LINE


def zeros_of_shapes(shapes: Shapes) -> list[Array]:
    """Zeros in one piece of memory, which takes a third of the time of five; each from the start of a cache line on."""
    sizes = [math.prod(shape) for shape in shapes]
    starts = list(accumulate(map(whole_lines, sizes), initial=0))
    numbers = aligned_zeros((starts[-1],), FLOAT64)
    return [
        numbers[start : start + size].reshape(shape) for start, size, shape in zip(starts, sizes, shapes, strict=False)
    ]


NOTHING = np.empty((0, 0))


def _parallel(n_slots: int) -> int:
    """Address of what works on several threads, if there are several."""
    return jobs.address_of_parallel() if n_slots > 1 else NONE


def n_tiles_of(n_samples: int) -> int:
    """Tiles of so many samples."""
    return int(in_python(jobs.n_tiles_of)(n_samples))


def n_chunks_of(n_samples: int) -> int:
    """Chunks of so many samples."""
    return int(in_python(jobs.n_chunks_of)(n_samples))
