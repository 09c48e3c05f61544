"""How kernels are compiled: once, into entries and users' functions; and what Numba need not do for it."""

import gc
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba.core import event
from numba.core.errors import TypingError
from subprocesses import run_python

from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import kernel, unkept
from fastbp.kernels.many_samples.weighted_sums import LateShape
from fastbp.kernels.registers.lanes import (
    Doubles,
    Integers,
    Numbers,
    Shape,
    fma,
    get,
    lanes,
    load,
    number,
    outlined,
    put,
    set_number,
    store,
    tile,
    view,
)  # fmt: skip


@kernel
def halved(x, is_halved):
    return 0.5 * x if is_halved else x


@kernel
def left(x):
    return halved(x, True) + 1.0


@kernel
def right(x):
    return halved(x, False) - 1.0 + halved(x, x > 0.0)


EXPECTED = 0.5 * 3.0 + 1.0 + 3.0 - 1.0 + 0.5 * 3.0


def both(x):
    return left(x) + right(x)


class Inner(NamedTuple):
    is_used: bool
    numbers: Numbers


class Outer(NamedTuple):
    count: int
    inner: Inner
    factor: float


@kernel
def doubled(outer):
    """Not part of its caller: the tuple is handed over, and another one back."""
    outlined()
    return Outer(2 * outer.count, outer.inner, 2.0 * outer.factor)


@kernel
def sum_of(outer):
    outlined()
    if outer.count not in (2, 4, 6):
        raise ValueError("count must be 2, 4 or 6")
    total = 0.0
    for k in range(outer.count):
        total += number(outer.inner.numbers, k)
    return outer.factor * total if outer.inner.is_used else 0.0


@kernel
def safe_sum(outer):
    """It raises what it calls raises."""
    return sum_of(doubled(outer)) + 1.0


@unkept
def sum_of_numbers(numbers, count, is_used):
    return safe_sum(Outer(count, Inner(is_used, view(numbers)), 0.5))


NUMBERS = np.arange(8.0)


@pytest.mark.parametrize(("count", "is_used", "expected"), [(1, True, 2.0), (3, True, 16.0), (3, False, 1.0)])
def test_tuples_between_kernels(count, is_used, expected):
    assert sum_of_numbers(NUMBERS, count, is_used) == expected


def test_an_error_passes_through_kernels():
    with pytest.raises(ValueError, match="2, 4 or 6"):
        sum_of_numbers(NUMBERS, 4, True)


@pytest.mark.compiled_only
def test_an_error_in_a_kernel_is_caught_in_a_users_function():
    @numba.njit
    def caught(numbers, count):
        try:
            return safe_sum(Outer(count, Inner(True, view(numbers)), 0.5))
        except Exception:
            return -1.0

    assert [caught(NUMBERS, count) for count in (1, 4, 3)] == [2.0, -1.0, 16.0]


@pytest.mark.compiled_only
def test_what_cannot_fail_is_not_tested_for_errors():
    sum_of_numbers(NUMBERS, 1, True)
    can_fail = {}
    for function in (doubled, sum_of, safe_sum):
        (compiled,) = function.dispatcher.overloads.values()
        can_fail[function.py_func.__name__] = compiled.library.may_raise
    assert can_fail == {"doubled": False, "sum_of": True, "safe_sum": True}


@pytest.mark.compiled_only
def test_kernels_are_unknown_to_numba_until_one_is_compiled():
    """An import, and what comes from the cache, pay for no kernel; one that Python calls says what it is."""

    @kernel
    def tripled(x):
        return 3.0 * x

    def tripled_of(x):
        return tripled(x)

    assert "dispatcher" not in vars(tripled)
    with pytest.raises(TypeError, match="tripled is for kernels"):
        tripled(1.0)
    assert unkept(tripled_of)(2.0) == 6.0
    assert "dispatcher" in vars(tripled)


class Compiled(event.Listener):
    """The signatures that are compiled, by the functions' names."""

    def __init__(self):
        self.names = []

    def on_start(self, e):
        self.names.append(e.data["dispatcher"].py_func.__name__)

    def on_end(self, e):
        pass


@pytest.mark.compiled_only
def test_a_constant_argument_makes_no_second_kernel():
    with event.install_listener("numba:compile", Compiled()) as listener:
        assert unkept(both)(3.0) == EXPECTED
    assert sorted(listener.names) == ["both", "halved", "left", "right"]


def test_a_kernel_that_two_others_call():
    assert unkept(both)(3.0) == EXPECTED


@pytest.mark.compiled_only
def test_a_kernel_in_a_users_function():
    assert numba.njit(both)(3.0) == EXPECTED


@pytest.mark.compiled_only
def test_kernels_in_a_parallel_users_function():
    @numba.njit(parallel=True)
    def fill(values):
        for n in numba.prange(values.size):
            values[n] = both_of(values[n])

    both_of = numba.njit(both)
    values = np.full(100, 3.0)
    fill(values)
    assert (values == EXPECTED).all()


@pytest.mark.compiled_only
@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_left_as_it_was(collects):
    was = gc.isenabled()
    seen = []

    class Watch(event.Listener):
        def on_start(self, e):
            seen.append(gc.isenabled())

        def on_end(self, e):
            pass

    (gc.enable if collects else gc.disable)()
    try:
        with event.install_listener("numba:run_pass", Watch()):
            unkept(lambda x: x + 1.0)(1.0)
        assert gc.isenabled() is collects
        with pytest.raises(numba.TypingError):
            unkept(lambda x: x.nothing)(1.0)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if was else gc.disable)()
    assert seen
    assert not any(seen)


@kernel
def sums(shape, source, out):
    n, step = shape.registers, lanes(source)
    block = tile(shape, source)
    for m in range(shape.units * n):
        put(block, m, load(source, m * step))
    for _k in range(3):
        for q in range(shape.units):
            for r in range(n):
                put(block, q * n + r, fma(get(block, q * n + r), 2.0, load(source, r * step)))
    for m in range(shape.units * n):
        store(out, m * step, get(block, m))


SHAPES = [(1, 1), (2, 3), (6, 4), (12, 1)]


@pytest.mark.parametrize(("units", "registers"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_late_shapes(units, registers, dtype):
    """A tile whose size LLVM learns does what one does whose size Numba knows."""
    early, late = Shape(units, registers), LateShape(units, registers)

    @unkept
    def fill(source, out, out_late):
        sums(early, view(source), view(out))
        sums(late, view(source), view(out_late))

    source = np.random.default_rng(0).standard_normal(24 * 16).astype(dtype)
    out, out_late = np.zeros_like(source), np.zeros_like(source)
    fill(source, out, out_late)
    assert np.any(out)
    np.testing.assert_array_equal(out, out_late)


class Scaling(NamedTuple):
    x: Numbers
    places: Integers
    factor: float


class Shifting(NamedTuple):
    x: Numbers
    places: Integers
    factor: float


SCALING = Slot(Scaling, int, Doubles)


@unkept
def scale(scaling, count, total):
    for k in range(count):
        place = number(scaling.places, k)
        set_number(scaling.x, place, scaling.factor * number(scaling.x, place))
        set_number(total, 0, number(total, 0) + number(scaling.x, place))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_of_views_are_called_by_address(dtype):
    """They have no way in from Python, and need none. A number may be of a narrower kind than the slot says."""

    @unkept
    def call(address, x, places, count, total):
        SCALING.call(address, Scaling(view(x), view(places), 2.0), count, view(total))

    x, total = np.array([3.0, 5.0, 7.0], dtype), np.zeros(1)
    call(SCALING.address(scale, x.dtype), x, np.array([2, 0]), np.int32(2), total)
    assert x.tolist() == [6.0, 5.0, 14.0]
    assert total == 20.0


class Place(NamedTuple):
    x: Numbers
    k: int


PLACE = Slot(Place)


@unkept
def mark(place):
    set_number(place.x, place.k, 1.0)


def test_a_tuple_may_hold_the_index_of_a_parallel_loop():
    """Which Numba types as an unsigned number."""

    @unkept
    def call(address, x):
        PLACE.call(address, Place(view(x), np.uint64(2)))

    x = np.zeros(3)
    call(PLACE.address(mark, x.dtype), x)
    assert x.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.compiled_only
def test_what_returns_something_has_no_address():
    """Its result would be written where a call has no room for it."""

    @unkept
    def first_of(place):
        return number(place.x, place.k)

    with pytest.raises(TypeError, match="first_of must return nothing; it returns float64"):
        PLACE.address(first_of, np.dtype(np.float64))


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    "arguments",
    [
        "Scaling(view(x), view(places), 2.0), 1",
        "Scaling(view(x), view(places), 2.0), 1, view(x), 1",
        "Scaling(view(x), view(places), 2), 1, view(x)",  # in a tuple nothing is converted
        "Scaling(view(places), view(places), 2.0), 1, view(x)",
        "Scaling(view(x), view(x), 2.0), 1, view(x)",
        "Shifting(view(x), view(places), 2.0), 1, view(x)",
        "Scaling(view(x), view(places), 2.0), 1.5, view(x)",
        "Scaling(view(x), view(places), 2.0), view(x), view(x)",
        "Scaling(view(x), view(places), 2.0), 1, view(single)",
        "view(x), 1, view(x)",
    ],
)
def test_a_call_by_address_with_other_arguments_does_not_compile(arguments):
    """It would jump into machine code that takes its arguments for something else."""
    call = f"def call(x, places, single):\n    SCALING.call(0, {arguments})"
    exec(call, {"view": view, **globals()}, names := {})
    with pytest.raises(TypingError, match="Slot"):
        unkept(names["call"])(np.zeros(3), np.zeros(3, np.int64), np.zeros(3, np.float32))


LOADED = """
import sys
import numpy as np
import fastbp

before = set(sys.modules)
net = fastbp.Network((3, 4, 2), seed=0)
net.fit(np.zeros((100, 3)), np.zeros((100, 2)), epochs=1)
print(*sorted(name for name in set(sys.modules) - before if name.split(".")[0] in ("numba", "scipy")))
"""


@pytest.mark.compiled_only
def test_what_numba_compiles_with_is_not_imported_for_kept_code(tmp_path):
    """It would take most of the time of the first training."""
    first = run_python(LOADED, NUMBA_CACHE_DIR=str(tmp_path)).split()
    assert "numba.typed.typeddict" in first
    second = run_python(LOADED, NUMBA_CACHE_DIR=str(tmp_path)).split()
    assert "numba.typed.typeddict" not in second
    assert not any(name.startswith("scipy") for name in second)


TWINS = """
import sys
import numpy as np
from fastbp.kernels.one_sample.outputs import address_of_single_deltas

losses = [int(loss) for loss in sys.argv[1:]]
first = [address_of_single_deltas(loss, 2, np.dtype(np.float64)) for loss in losses]
again = [address_of_single_deltas(loss, 2, np.dtype(np.float64)) for loss in losses]
print(first == again and len(set(again)) == len(losses))
"""


@pytest.mark.compiled_only
def test_functions_of_one_source_from_several_processes_are_told_apart(tmp_path):
    """Each process numbers its functions anew: but for their keys, the symbols in two files may be the same."""
    for loss in ("0", "5", "6"):
        run_python(TWINS, loss, NUMBA_CACHE_DIR=str(tmp_path))
    assert run_python(TWINS, "0", "5", "6", NUMBA_CACHE_DIR=str(tmp_path)).strip() == "True"
