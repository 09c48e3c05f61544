"""Work spaces that were copied, cut, written over, or whose network is gone: right numbers, or a ValueError."""

import copy
import gc
import pickle
import threading

import numba
import numpy as np
import pytest
from cases import COMPILED
from hypothesis import given
from hypothesis import strategies as st
from subprocesses import run_python

import fastbp
from fastbp import jit
from fastbp.kernels import layout
from fastbp.kernels.compiling import plan_table
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.one_sample import plan

NETWORKS = {
    "layers": lambda dtype: fastbp.Network((3, 7, 2), dtype=dtype, seed=0),
    "softmax": lambda dtype: fastbp.Network((3, 9, 4), output="softmax", loss="cross_entropy", dtype=dtype, seed=0),
    "skip": lambda dtype: fastbp.Network((4, 5, 6, 1), skip="all", activation="gelu", dtype=dtype, seed=0),
    "edges": lambda dtype: fastbp.Network.from_edges(2, 1, [(0, 2), (1, 3), (2, 3), (0, 3)], dtype=dtype, seed=0),
}


@numba.njit
def run_all(packed, x, t, y, grad, dx, work):
    jit.forward(packed, x, y, work)
    error = jit.gradient(packed, x, t, grad, work)
    jit.input_gradient(packed, x, t, dx, work)
    return error


def arrays_of(net):
    """x, t, y, grad, dx."""
    x, t = np.linspace(-1, 1, net.n_inputs), np.linspace(0, 1, net.n_outputs)
    return [array.astype(net.dtype) for array in (x, t, 0 * t, np.zeros(net.n_params), 0 * x)]


def results_with(net, work):
    arrays = arrays_of(net)
    error = run_all(net.packed, *arrays, work)
    return [error, *arrays[2:]]


def assert_works(net, work):
    for got, expected in zip(results_with(net, work), results_with(net, net.workspace()), strict=True):
        assert np.array_equal(got, expected)


@pytest.fixture(params=["float64", "float32"] if COMPILED else ["float64"])
def dtype(request):
    return request.param


# ---------------------------------------------------------------- what works

COPIES = {
    "copy": lambda work: work.copy(),
    "tiled": lambda work: np.tile(work, (3, 1))[2],
    "longer": lambda work: np.concatenate([work, work]),
    "the second half": lambda work: np.concatenate([work, work])[work.size :],
    "pickled": lambda work: pickle.loads(pickle.dumps(work)),
    "deep copy": copy.deepcopy,
    "not aligned": lambda work: np.concatenate([[0], work])[1:],
    "what was computed there": lambda work: np.where(np.arange(work.size) < plan.WORDS, work, -1),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_is_as_good(name, kind, dtype):
    net = NETWORKS[name](dtype)
    assert_works(net, COPIES[kind](net.workspace()))


@numba.njit(parallel=True)
def outputs_of_rows(packed, X, Y, works):
    for r in numba.prange(len(X)):
        for _ in range(100):
            jit.forward(packed, X[r], Y[r], works[r])


@pytest.mark.compiled_only
def test_a_row_of_a_tiled_one_for_each_thread():
    net = NETWORKS["layers"]("float64")
    X = np.random.default_rng(0).normal(size=(64, 3))
    Y = np.zeros((64, 2))
    outputs_of_rows(net.packed, X, Y, np.tile(net.workspace(), (64, 1)))
    assert np.allclose(Y, net.forward(X))


def test_a_copy_outlives_its_network():
    own = fastbp.Activation("bent", lambda a: a / (1 + abs(a)), lambda a: 1 / (1 + abs(a)) ** 2)
    net = fastbp.Network((3, 4, 2), activation=own, seed=0)
    packed, works, arrays = net.packed, np.tile(net.workspace(), (2, 1)), arrays_of(net)
    expected = results_with(net, net.workspace())
    del net, own
    gc.collect()
    junk = [np.full(n, 0x4141414141414141) for n in range(1, 200) for _ in range(20)]  # where freed memory was
    error = run_all(packed, *arrays, works[1])
    assert len(junk) == 3980
    for got, wanted in zip([error, *arrays[2:]], expected, strict=True):
        assert np.array_equal(got, wanted)


# ---------------------------------------------------------------- what is refused


def refused(net, work):
    """The call raises, and nothing was written."""
    arrays, before = arrays_of(net), work.copy()
    with pytest.raises(ValueError, match="work must"):
        run_all(net.packed, *arrays, work)
    assert np.array_equal(work, before)
    assert not any(array.any() for array in arrays[2:])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_one(name, dtype):
    net = NETWORKS[name](dtype)
    work = net.workspace()
    for n_words in {*range(40), work.size // 2, work.size - 1}:
        refused(net, work[:n_words])
    refused(net, work[1:])


def test_one_whose_network_is_gone():
    gone, other = NETWORKS["layers"]("float64"), NETWORKS["layers"]("float64")
    work = gone.workspace().copy()
    del gone
    gc.collect()
    refused(other, work)  # before another plan has its place, and after
    assert other.workspace()[plan.PLACE] >= 0
    refused(other, work) if other.workspace()[plan.PLACE] != work[plan.PLACE] else assert_works(other, work)


def test_one_of_a_twin():
    """A copy of a network has other parameters, and the same sizes."""
    net = NETWORKS["layers"]("float64")
    refused(copy.deepcopy(net), net.workspace())
    refused(net, net.astype("float64").workspace())


def test_places_are_used_again():
    def places():
        return {int(net.workspace()[plan.PLACE]) for net in [NETWORKS["edges"]("float64") for _ in range(5)]}

    before = places()
    gc.collect()
    assert len(before) == 5
    assert before & places()


def test_more_networks_than_there_are_places(monkeypatch):
    net = NETWORKS["layers"]("float64")
    monkeypatch.setattr(plan_table, "MAX_PLANS", 0)
    monkeypatch.setattr(plan_table, "_unused", [])
    with pytest.raises(MemoryError, match="at most 0 networks can have work spaces at a time"):
        net.workspace()


def test_threads_that_make_and_drop_networks():
    def work_on():
        for _ in range(20):
            net = NETWORKS["layers"]("float64")
            assert_works(net, net.workspace().copy())

    threads = [threading.Thread(target=work_on) for _ in range(4 if COMPILED else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


WORD = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 40) | st.sampled_from([plan.STAMP, plan_table.MAX_PLANS])


@given(st.lists(st.tuples(st.integers(0, 200), WORD), min_size=1, max_size=12), st.sampled_from(sorted(NETWORKS)))
def test_words_that_were_written_over(changes, name):
    net = NETWORKS[name]("float64")
    work = net.workspace()
    others = [make("float64") for make in NETWORKS.values()]  # places that a wrong number may name
    spaces = [other.workspace() for other in others]
    for place, word in changes:
        work[place % work.size] = word
    try:
        got = results_with(net, work)
    except ValueError:
        assert not np.array_equal(work[: plan.WORDS], net.workspace()[: plan.WORDS])
    else:
        assert all(np.array_equal(*pair) for pair in zip(got, results_with(net, net.workspace()), strict=True))
    for other, space in zip(others, spaces, strict=True):
        assert_works(other, space)


# ---------------------------------------------------------------- before a page that cannot be read

GUARDED = """
import numpy as np
from guarded import guarded
from test_work_spaces import NETWORKS, arrays_of, run_all
from fastbp import jit

rng, n_refused = np.random.default_rng(0), 0
for dtype in ("float64", "float32"):
    for name, make in NETWORKS.items():
        net = make(dtype)
        packed = jit.with_params(net.packed, guarded(net.params, at_end=True))
        arrays = [guarded(array, at_end=True) for array in arrays_of(net)]
        work = net.workspace()
        run_all(packed, *arrays, guarded(work, at_end=True))
        assert np.allclose(arrays[2], net.forward(arrays[0][None])[0], atol=1e-6)
        cuts = [work[:n] for n in {1, 8, 9, 31, 32, 33, 60, work.size // 2, work.size - 8, work.size - 1}]
        spoiled = [work.copy() for _ in range(200)]
        for space in spoiled:  # a word of the first ones: any bits, or one off
            space[rng.integers(3)] += rng.choice([rng.integers(-2**63, 2**63 - 1), -1, 1, 2**18, -2**62])
        for space in [*cuts, *spoiled]:
            try:
                run_all(packed, *arrays, guarded(space, at_end=True))
            except ValueError:
                n_refused += 1
print(n_refused > 1000)
"""


@pytest.mark.compiled_only
def test_no_byte_behind_an_array_is_touched():
    pytest.importorskip("resource")
    assert run_python(GUARDED) == "True\n"


# ---------------------------------------------------------------- numbers of them


@pytest.mark.parametrize("n", [2**40, 2**62, 2**63 - 1])
def test_more_than_memory_holds(n):
    with pytest.raises(MemoryError, match=rf"n must fit into memory: {n:,} work spaces of [\d,]+ bytes take"):
        fastbp.Network((2, 1)).workspace(n)


@pytest.mark.parametrize(("function", "name"), [("forward", "y"), ("gradient", "grad"), ("input_gradient", "dx")])
def test_arrays_that_cannot_be_written(function, name):
    net = NETWORKS["layers"]("float64")
    x, t, y, grad, dx = arrays_of(net)
    given = {"forward": (x, y), "gradient": (x, t, grad), "input_gradient": (x, t, dx)}[function]
    work = net.workspace()
    for array, argument in ((given[-1], name), (work, "work")):
        array.flags.writeable = False
        with pytest.raises(ValueError, match=f"^{function}: {argument} must be writable, it is read-only"):
            getattr(jit, function)(net.packed, *given, work)
        array.flags.writeable = True
    for array in given[:-1]:  # what is only read may be read-only
        array.flags.writeable = False
    getattr(jit, function)(net.packed, *given, work)
    assert given[-1].any()


@pytest.mark.parametrize("n_in", [1, 3, 511, 512, 513, 5000])
@pytest.mark.parametrize("n_lanes", [2, 8, 16])
def test_the_stripe_has_room_for_what_is_stored(n_in, n_lanes):
    """Rows are stored in whole registers, the last one over its end."""
    n_rows, size = in_python(layout.rows_of_stripe)(n_in), in_python(layout.size_of_stripe)(n_in, n_lanes)
    last_store = (n_rows - 1) * n_in + (n_in - 1) // n_lanes * n_lanes
    assert n_rows >= 1
    assert last_store + n_lanes <= size


def test_layers_of_a_sample_do_not_overlap():
    sizes, n_lanes = (3, 16, 1, 17), 16
    ends = 0
    for l, (first_unit, size) in enumerate(zip(np.cumsum((0, *sizes)), sizes, strict=False)):
        place = in_python(layout.place_of_layer)(first_unit, l, n_lanes)
        assert place >= ends
        ends = place + in_python(layout.whole)(size, n_lanes)
    assert ends <= in_python(layout.place_of_layer)(sum(sizes), len(sizes), n_lanes)
