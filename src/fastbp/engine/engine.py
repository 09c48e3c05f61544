"""Runs the kernels for one network: how many samples at a time, in how many chunks, in which arrays.

How samples are cut into chunks and tiles follows from shapes alone, so that results do not depend on
the number of threads.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numba.core.compiler_lock import global_compiler_lock as compiler_lock

from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.choices import DELTAS, SLOPES, VALUES, Want
from fastbp.engine.first_use import check_new_code
from fastbp.engine.gate import CheckedSamples, Gate, Port
from fastbp.engine.schedule import Schedule, schedule
from fastbp.engine.spares import Spares
from fastbp.kernels.codes import CUSTOM, IN_KERNELS, LINEAR, NEEDS_A, SOFTMAX
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.formulas.losses import CANONICAL
from fastbp.kernels.layout import whole
from fastbp.kernels.many_samples.links import address_of_products, address_of_sums
from fastbp.kernels.many_samples.outputs import address_of_deltas, address_of_softmax, address_of_softmax_slope
from fastbp.kernels.many_samples.tile import PLAN, Memory, Plan
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import LAYER, NONE, Packed
from fastbp.kernels.training.chunks import (
    GRADIENT,
    Wanted,
    parallel_address,
    stride_of,
    worker_address,
)
from fastbp.kernels.training.shares import share_addresses
from fastbp.kernels.tuning import (
    KEPT_BYTES,
    KEPT_MEMORIES,
    KEPT_PARAMS,
    LINKS_BYTES,
    LOG_SHARE_PRODUCTS,
    MAX_CHUNKS,
    MAX_REGISTERS,
    MAX_TILE,
    MIN_CHUNK_PRODUCTS,
    MIN_CHUNK_REGISTERS,
    MIN_CHUNK_SAMPLES,
    MIN_GRADIENT_PART,
    MIN_PART,
    MIN_TILE,
    MOST_AT_ONCE,
    PART_PRODUCTS,
    SAMPLE_PRODUCTS,
    SMALL_N_PARAMS,
    TILE_BYTES,
    UNIT_PRODUCTS,
)
from fastbp.structure.topology import Topology

NO_TASKS = np.zeros(0, np.int64)

ALIGNMENT = 64  # bytes: a 512-bit load that crosses a cache line is two loads


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Zeros whose first number stands at the start of a cache line."""
    n_bytes = math.prod(shape) * dtype.itemsize
    buffer = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def filled_up(n: int, dtype: np.dtype) -> int:
    """n, rounded up to whole cache lines."""
    step = ALIGNMENT // dtype.itemsize
    return int(in_python(whole)(n, step))


def min_chunk(topology: Topology, dtype: np.dtype) -> int:
    """Fewest samples in a chunk."""
    fewest = MIN_CHUNK_REGISTERS * int(lanes_of(dtype))
    fewest = max(fewest, MIN_CHUNK_PRODUCTS // max(1, topology.n_weights))
    return fewest if topology.n_params <= SMALL_N_PARAMS else max(fewest, MIN_CHUNK_SAMPLES)


def even_parts(n: int, n_parts: int, step: int) -> list[int]:
    """n samples in parts as even as whole registers allow: as the kernel `part_of` cuts them."""
    n_registers = -(-n // step)
    ends = [min(k * n_registers // n_parts * step, n) for k in range(n_parts + 1)]
    return [stop - start for start, stop in pairwise(ends)]


Size = tuple[int, int, bool]  # of a work space: samples, threads, whether it is for gradients


def level_of(wanted: Wanted) -> int:
    """What a job needs compiled."""
    if wanted.lowest_delta != NONE:
        return SLOPES
    return DELTAS if wanted.error else VALUES


class Engine:
    """Makes the work space of one network, and runs jobs in it.

    The work spaces of the last jobs are kept for the next ones of that size, of large networks without the gradient:
    to make one takes longer than a small network's arithmetic, and the system clears the pages of a large one.
    """

    gate: Gate
    part_size: int

    def __init__(self, topology: Topology, packed: Packed, functions: Sequence[Activation]) -> None:
        self._packed, self._topology, self._functions = packed, topology, functions
        self.gate = Gate(packed, Port(topology.n_inputs, topology.n_outputs, packed.params.dtype))
        self._linked = 0
        for function in functions:
            if function.code == CUSTOM:  # what cannot be compiled is reported when a network is made
                function.address(packed.params.dtype)
                function.address(packed.params.dtype, slope=True)
        self._dtype = packed.params.dtype
        self._n_by_sample = topology.n_by_sample(self._dtype)
        self._links_in, self._links_out = topology.has_links
        self._min_chunk, self._n_params = min_chunk(topology, self._dtype), topology.n_params
        # Where one thread may form the gradient at once, shares would add it up in another order.
        self._is_shared = packed.params.size > MOST_AT_ONCE
        products = topology.n_weights + UNIT_PRODUCTS * topology.n_units + SAMPLE_PRODUCTS
        self.part_size = max(1, PART_PRODUCTS // products)
        self._keeps_a = any(f.code in NEEDS_A for f in functions)
        self._keeps_a |= any(loss == packed.loss for loss, _function in CANONICAL)
        self._kept: Spares[Memory] = Spares(KEPT_MEMORIES)
        codes = tuple(function.code for function in functions)
        self._schedules: dict[tuple[Wanted, bool, bool, int], Schedule] = topology.once(
            ("schedules", codes, packed.loss, self._dtype), dict
        )

    def twin(self, packed: Packed) -> Self:
        """An engine for another network of the same layers, with the same work spaces.

        `packed` has a copy of this one's table of layers.
        """
        engine = type(self).__new__(type(self))
        vars(engine).update(vars(self))
        vars(engine).pop("for_inputs", None)
        engine._packed, engine.gate = packed, Gate(packed, self.gate.port)
        return engine

    def link(self, level: int) -> None:
        """Compile the functions that the kernels call by address, if that is still to be done."""
        if self._linked < level:
            with compiler_lock:  # another thread's kernels must not see addresses that are half written
                if self._linked < level:
                    self._link(level)

    def _link(self, level: int) -> None:
        dtype, layers, output = self._dtype, self._packed.layers, int(self._packed.layers[-1, LAYER.function])
        softmax, canonical = output == SOFTMAX, (self._packed.loss, output) in CANONICAL
        for row, function in zip(layers[1:], self._functions, strict=False):
            if function.code not in (SOFTMAX, *IN_KERNELS):
                row[LAYER.h_address] = function.address(dtype)
                if level == SLOPES:
                    row[LAYER.dh_address] = function.address(dtype, slope=True)
        self._link_links(level)
        if softmax:
            layers[-1, LAYER.h_address] = address_of_softmax(dtype)
        if level >= DELTAS:
            layers[-1, LAYER.deltas_address] = address_of_deltas(self._packed.loss, output, dtype)
        if level == SLOPES and (softmax or canonical):
            layers[-1, LAYER.dh_address] = NONE if canonical else address_of_softmax_slope(dtype)
        self._linked = level

    def _link_links(self, level: int) -> None:
        """The addresses of what goes along links, for the layers that have some."""
        dtype = self._dtype
        for row, arriving, leaving in zip(self._packed.layers, self._links_in, self._links_out, strict=False):
            if arriving:
                row[LAYER.links_in] = address_of_sums(dtype)
            if leaving and level == SLOPES:
                row[LAYER.links_out] = address_of_sums(dtype)
            if arriving and level == SLOPES:
                row[LAYER.links_gradient] = address_of_products(dtype)

    @cached_property
    def for_inputs(self) -> Gate:
        """For INPUT_DELTA: the network with a loss whose derivative by y are the targets, and no canonical pair."""
        self.link(SLOPES)
        dtype, layers = self._dtype, self._packed.layers.copy()
        output = int(layers[-1, LAYER.function])
        layers[0, LAYER.dh_address] = NONE
        sent = self._topology.links[:, 0] < self._topology.sizes[0]
        if sent.any() or all(source > 0 for source, _target in self._topology.pairs):  # if nothing leaves: zeros
            layers[0, LAYER.links_out] = address_of_sums(dtype)
        layers[-1, LAYER.deltas_address] = address_of_deltas(LINEAR, output, dtype)
        if output == SOFTMAX:
            layers[-1, LAYER.dh_address] = address_of_softmax_slope(dtype)
        elif output not in IN_KERNELS:
            layers[-1, LAYER.dh_address] = self._functions[-1].address(dtype, slope=True)
        return Gate(self._packed._replace(layers=layers, loss=LINEAR), self.gate.port)

    def n_chunks(self, n_samples: int) -> int:
        """Chunks into which so many samples are cut."""
        return max(1, min(MAX_CHUNKS, n_samples // self._min_chunk))

    def tiles(self, n_samples: int) -> tuple[int, int]:
        """Number of the tiles into which a gradient's samples are cut, and samples of the largest."""
        most = self.most_samples(GRADIENT)
        n_calls, rest = divmod(n_samples, most)
        whole, last = self._tiles_of_call(most) if n_calls else [], self._tiles_of_call(rest) if rest else []
        return n_calls * len(whole) + len(last), max(whole + last)

    def _tiles_of_call(self, n_samples: int) -> list[int]:
        """Samples of each tile in one compiled call: of chunks, and the tiles of each."""
        step, most = int(lanes_of(self._dtype)), self._max_tile()
        chunks = even_parts(n_samples, self.n_chunks(n_samples), step)
        return [n for chunk in chunks for n in even_parts(chunk, -(-chunk // most), step)]

    def most_threads(self, n_samples: int) -> int:
        """Threads that find something to do in a gradient: a chunk each, or a share of the only one.

        A share has a register of samples or more.
        """
        n_chunks, n_params = self.n_chunks(n_samples), self._packed.params.size
        if n_chunks > 1 or not self._is_shared:
            return n_chunks
        n_registers = n_samples // int(lanes_of(self._dtype))
        return max(1, min(MAX_CHUNKS, n_registers, n_samples * n_params >> LOG_SHARE_PRODUCTS))

    def scheduled(self, memory: Memory, wanted: Wanted, *, dropout: bool = False) -> Memory:
        """A work space with the lists of tasks for a job: itself, if it has them."""
        shared = self._is_shared and int(memory.plan[PLAN.n_threads]) > 1
        tasks, bounds = self._schedule(wanted, dropout, shared, memory.z.shape[1])
        return memory if memory.bounds is bounds else memory._replace(tasks=tasks, bounds=bounds)

    def _schedule(self, wanted: Wanted, dropout: bool, shared: bool, n_numbers: int) -> Schedule:
        """The lists of tasks for a job, whose work space has so many numbers for z of a tile."""
        key = wanted, dropout, shared, n_numbers
        if key not in self._schedules:
            want = Want(level_of(wanted), wanted.gradient, dropout, shared)
            self.link(want.level)
            packed = self.for_inputs.packed if wanted.lowest_delta == 0 else self._packed
            most_registers = n_numbers // (self._topology.n_units * int(lanes_of(self._dtype)))
            self._schedules[key] = schedule(packed, want, most_registers)
        return self._schedules[key]

    def _max_tile(self) -> int:
        """Most samples in a tile."""
        step, n_units = int(lanes_of(self._dtype)), self._topology.n_units
        if len(self._topology.links):
            n_samples = LINKS_BYTES // (2 * n_units * self._dtype.itemsize)
            registers = max(MAX_REGISTERS, min(MAX_TILE, n_samples) // step)
            return int(registers // MAX_REGISTERS * MAX_REGISTERS * step)
        n_samples = TILE_BYTES // ((3 * n_units + self._n_by_sample) * self._dtype.itemsize)
        return max(MIN_TILE, min(MAX_TILE, n_samples)) // step * step

    def memory(self, n_samples: int, n_threads: int = 1, *, dropout: bool = False) -> Memory:
        """Work space for gradients of up to `n_samples` samples at a time, on `n_threads` threads: to be given back."""
        return self.scheduled(self.take((n_samples, n_threads, True)), GRADIENT, dropout=dropout)

    def _memory(self, n_samples: int, n_threads: int, *, with_gradient: bool) -> Memory:
        """Work space without a schedule.

        No kernel of batches runs without one: machine code that nobody has had checked before is checked here.
        """
        topology, dtype = self._topology, self._dtype
        check_new_code(dtype)
        step, n_chunks = int(lanes_of(dtype)), self.n_chunks(n_samples)
        n_slots = min(n_threads, n_chunks)
        max_tile = self._max_tile()
        n_registers = min(max_tile, in_python(whole)(n_samples, step)) // step
        stride = in_python(stride_of)(n_registers) * step
        parallel = parallel_address(dtype) if n_slots > 1 else NONE
        by_shares = share_addresses(dtype) if n_threads > 1 and self._is_shared else (NONE, NONE, NONE)

        plan = Plan(max_tile, self._min_chunk, n_slots, n_threads, worker_address(dtype), parallel, *by_shares)

        def rows(n: int) -> Array:
            return aligned_zeros((n_slots, filled_up(n, dtype)), dtype)

        z = rows(stride * topology.n_units)
        return Memory(
            a=rows(stride * topology.n_units) if self._keeps_a else z,
            z=z,
            delta=rows(stride * topology.n_units),
            t=rows(stride * topology.n_outputs),
            weight=rows(stride),
            by_sample=rows(stride * self._n_by_sample),
            columns=aligned_zeros((topology.n_packed,), dtype),
            constants=np.repeat(np.arange(2, dtype=dtype), step),
            order=np.zeros((n_slots, filled_up(stride, dtype)), np.int64),
            grads=self._gradients(n_chunks, n_slots if with_gradient else 0),
            errors=np.zeros(n_chunks),
            tasks=NO_TASKS,
            bounds=NO_TASKS,
            plan=np.array(plan, np.int64),
        )

    def _gradients(self, n_chunks: int, n_slots: int) -> Array:
        """A gradient for each slot, and one for their sum if there are several chunks."""
        n_sums = 1 if n_slots and n_chunks > 1 else 0
        return aligned_zeros((n_slots + n_sums, self._packed.params.size), self._dtype)

    def run(
        self,
        samples: CheckedSamples,
        wanted: Wanted,
        *,
        first_unit: int = 0,
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, Array]:
        """Do one job with all samples: (error, gradient of all parameters if that is the job).

        Many samples are done a part at a time, and Ctrl-C is heard in between.
        """
        check_new_code(self._dtype)
        self.link(level_of(wanted))
        n_samples, most = len(samples), self.most_samples(wanted)
        if n_samples <= most:
            return self._run(samples, wanted, first_unit, samples.x if out is None else out, n_threads)
        error, gradient = 0.0, np.zeros(self._n_params if wanted.gradient else 0, self._dtype)
        for start in range(0, n_samples, most):
            stop = start + most
            part = samples.part(start, stop)
            part_out = part.x if out is None else out[start:stop]
            part_error, part_gradient = self._run(part, wanted, first_unit, part_out, n_threads)
            error += part_error
            if wanted.gradient:
                gradient += part_gradient
        return error, gradient

    def most_samples(self, wanted: Wanted) -> int:
        """Most samples of a job in one compiled call."""
        return max(self.part_size, MIN_GRADIENT_PART if wanted.gradient else MIN_PART)

    def _run(
        self, samples: CheckedSamples, wanted: Wanted, first_unit: int, out: Array, n_threads: int | None
    ) -> tuple[float, Array]:
        """`run` in one compiled call."""
        n_samples, with_gradient = len(samples), wanted.gradient
        gate = self.for_inputs if wanted.lowest_delta == 0 else self.gate
        most = self.most_threads(n_samples) if with_gradient else self.n_chunks(n_samples)
        with threads.limit(n_threads, most) as n_used:
            memory = self.scheduled(self.take((n_samples, n_used, with_gradient)), wanted)
            error = gate.run_job(samples, memory, wanted, first_unit, out)
        gradient = memory.grads[0, : self._n_params] if with_gradient else memory.errors
        if with_gradient and (_is_small(memory) or len(memory.grads) > 1):
            gradient = gradient.copy()  # of a large network this would take too long
        self.give_back((n_samples, n_used, with_gradient), memory)
        return error, gradient

    def take(self, size: Size) -> Memory:
        """A kept work space of this size, or else a new one: as of `_memory`, with what was computed there last."""
        kept = self._kept.take(size)
        if kept is not None:
            return self._with_gradients(size, kept)
        return self._memory(size[0], size[1], with_gradient=size[2])

    def _with_gradients(self, size: Size, memory: Memory) -> Memory:
        """A kept work space, with gradients again if it was kept without."""
        n_samples, n_threads, with_gradient = size
        if len(memory.grads) or not with_gradient:
            return memory
        n_chunks = self.n_chunks(n_samples)
        return memory._replace(grads=self._gradients(n_chunks, min(n_threads, n_chunks)))

    def give_back(self, size: Size, memory: Memory) -> None:
        """Keep a work space, if it is small beside the network, for who takes one of its size next."""
        if _is_small(memory):
            self._kept.keep(size, memory)
        elif _n_bytes(memory) <= KEPT_PARAMS * self._packed.params.nbytes:
            self._kept.clear()
            self._kept.keep(size, memory._replace(grads=memory.grads[:0].copy()))


def _is_small(memory: Memory) -> bool:
    """Whether a work space is kept as it is; most of it are these two."""
    return memory.z.nbytes + memory.grads.nbytes <= KEPT_BYTES


def _n_bytes(memory: Memory) -> int:
    """Bytes of a work space without its gradients."""
    arrays = {id(array): array.nbytes for array in memory}  # a may be z
    return sum(arrays.values()) - memory.grads.nbytes
