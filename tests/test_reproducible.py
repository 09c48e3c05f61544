"""The same seed gives the same bits: for any number of threads, any threading layer, run after run."""

import functools

import numpy as np
import pytest
from cases import Case, draw
from subprocesses import run_python, start_python

import fastbp

# Few parameters and many samples; many parameters and fewer samples; both sides of whatever divides the work.
CASES = [
    Case((3, 5, 2), n_samples=3001, weighted=True),
    Case((40, 130, 70, 3), "relu", "softmax", "cross_entropy", n_samples=1903),
    Case((400, 300, 10), "gelu", n_samples=1200),
    Case((60, 70, 50, 1), "tanh", "logistic", "binary_cross_entropy", skip="all", n_samples=1517),
    Case((64, 64), "tanh", n_samples=1100),
]


def n_chunks(case, dtype="float64"):
    """Return into how many parts the samples are cut that threads work on."""
    net = draw(case, dtype).net
    return net.engine.memory(case.n_samples).errors.size


DIGESTS = """
import hashlib
import sys
from cases import draw
from test_reproducible import CASES

def digest(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]

for case in CASES:
    for dtype in ("float64", "float32"):
        for n_threads in (1, 2, 4):
            net, X, T, weight = draw(case, dtype)
            E, grad = net.gradient(X, T, sample_weight=weight, n_threads=n_threads)
            steps = []
            for batch_size in (None, 32, 200):
                history = net.fit(X, T, sample_weight=weight, batch_size=batch_size, epochs=2, seed=3,
                                  learning_rate=0.01, validation=0.2, n_threads=n_threads)
                steps += [net.params.copy()]
            print(n_threads, digest(grad, *steps), repr(E), history.loss, history.validation_loss)
import numba
print(numba.threading_layer())
"""


@pytest.fixture(scope="module")
def digests():
    """Return, for each threading layer there is, what the script prints."""
    found = {}
    for layer in ("omp", "workqueue"):
        process = start_python(DIGESTS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="4")
        if process.returncode == 0:
            *lines, used = process.stdout.splitlines()
            assert used == layer
            found[layer] = lines
        else:
            assert "threading layer" in process.stderr, process.stderr[-3000:]
    return found


def test_threads_have_something_to_share():
    assert n_chunks(CASES[0]) == 1
    assert min(map(n_chunks, CASES[1:])) > 1


@pytest.mark.compiled_only
def test_same_bits_for_any_number_of_threads(digests):
    assert "workqueue" in digests
    for lines in digests.values():
        assert len(lines) == len(CASES) * 2 * 3
        for one, two, four in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
            assert (one[0], two[0], four[0]) == ("1", "2", "4")
            assert one[1:] == two[1:] == four[1:]


@pytest.mark.compiled_only
def test_same_bits_under_every_threading_layer(digests):
    if len(digests) < 2:
        pytest.skip("one threading layer only")
    assert digests["omp"] == digests["workqueue"]


EVERY_SOLVER = """
from cases import draw
from test_reproducible import SHARED, SOLVERS
import numpy as np, numba

net, X, T, _ = draw(SHARED)
start = net.params.copy()
for n_threads in range(1, 9):
    net.params = start
    print(n_threads, "gradient", net.gradient(X, T, n_threads=n_threads)[1].tobytes().hex()[-400:])
    for solver, options in SOLVERS:
        net.params = start
        net.fit(X, T, solver=solver, epochs=2, seed=3, n_threads=n_threads, **options)
        assert np.isfinite(net.params).all() and not np.array_equal(net.params, start)
        print(n_threads, solver, options, hash(net.params.tobytes()))
print(numba.threading_layer())
"""

SHARED = Case((20, 64, 32, 3), "tanh", n_samples=1000)
SOLVERS = [
    ("sgd", {"batch_size": None}),
    ("sgd", {"batch_size": 700, "momentum": 0.9, "l2": 0.01}),
    ("sgd", {"batch_size": 700, "momentum": 0.9, "nesterov": True}),
    ("adam", {"batch_size": 700}),
    ("rmsprop", {"batch_size": 700, "validation": 0.2}),
    ("rprop", {}),
    ("rprop", {"variant": "irprop+"}),
    ("quickprop", {}),
    ("adam", {"batch_size": 1}),
]


@pytest.mark.compiled_only
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_every_solver_has_the_same_bits_on_one_to_eight_threads(layer):
    """And in every process: the last lines are those of another one."""
    assert min(draw(SHARED).net.engine.n_chunks(n) for n in (700, 1000)) > 1
    environment = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "8", "PYTHONHASHSEED": "1"}
    process = start_python(EVERY_SOLVER, **environment)
    if "No threading layer could be loaded" in process.stderr:
        pytest.skip(f"no {layer} here")
    assert process.returncode == 0, process.stderr[-3000:]
    *lines, used = process.stdout.splitlines()
    assert used == layer
    runs = [[line.partition(" ")[2] for line in lines if line.startswith(f"{n} ")] for n in range(1, 9)]
    assert len(runs[0]) == 1 + len(SOLVERS)
    assert len(set(runs[0])) == len(runs[0])
    assert all(run == runs[0] for run in runs)
    assert bits_of_one_thread() == runs[0]


@functools.cache
def bits_of_one_thread():
    """Return what a process with a single thread of Numba's prints."""
    script = EVERY_SOLVER.replace("range(1, 9)", "[1]")
    lines = run_python(script, NUMBA_NUM_THREADS="1", PYTHONHASHSEED="1").splitlines()
    return [line.partition(" ")[2] for line in lines[:-1]]


def train(seed, dtype="float64", **options):
    net = fastbp.Network([3, 6, 2], seed=seed, dtype=dtype)
    _, X, T, _ = draw(Case((3, 5, 2), n_samples=50))
    history = net.fit(X, T, epochs=3, seed=seed, **options)
    return net, history


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("options", [{}, {"batch_size": 1, "solver": "sgd"}, {"validation": 0.3}], ids=str)
def test_a_seed_fixes_every_bit(options, dtype):
    one, first = train(7, dtype, **options)
    two, second = train(7, dtype, **options)
    other, _ = train(8, dtype, **options)
    assert np.array_equal(one.params, two.params)
    assert first.loss == second.loss
    assert first.validation_loss == second.validation_loss
    assert not np.array_equal(one.params, other.params)


def test_the_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    one, _ = train(1)
    assert np.random.random() == expected  # noqa: NPY002
    two, _ = train(1)
    assert np.array_equal(one.params, two.params)


def test_without_a_seed_each_network_is_another():
    assert not np.array_equal(fastbp.Network([3, 4]).params, fastbp.Network([3, 4]).params)


# ---------------------------------------------------------------- other machines' registers

GRADIENTS = """
import numpy as np
from cases import assert_gradients_equal, describe, draw, flatten
from fastbp.kernels.registers.machine import INSTRUCTIONS
from test_reproducible import MACHINE_CASES
import oracle

for case in MACHINE_CASES:
    net, X, T, weight = draw(case)
    E, grad = net.gradient(X, T, sample_weight=weight)
    data = X.tolist(), T.tolist(), None if weight is None else weight.tolist()
    ref_E, d_weights, d_biases = oracle.gradient(describe(net), *data)
    assert abs(E - ref_E) <= 1e-12 * abs(ref_E)
    assert_gradients_equal(net, grad, flatten(net, d_weights, d_biases), rtol=1e-12)
    single = draw(case, "float32").net
    assert_gradients_equal(net, single.gradient(X, T, sample_weight=weight)[1].astype(float), grad, rtol=1e-4)
print(INSTRUCTIONS)
"""

MACHINE_CASES = [
    Case((3, 7, 13, 2), ["tanh", "relu"], n_samples=33, weighted=True),
    Case((17, 6, 5), "gelu", "softmax", "cross_entropy", n_samples=19),
    Case((2, 12, 3, 1), "elu", "logistic", "binary_cross_entropy", skip="all", n_samples=9, bias=False),
    Case((5, 33, 2), "sin", "exp", "poisson", n_samples=66),
]


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("instructions", "environment"),
    [
        ("AVX2", {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}),
        ("128-bit", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}),
    ],
)
def test_gradients_with_smaller_registers(instructions, environment):
    import platform

    if instructions == "AVX2" and platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("an x86 machine's registers")
    printed = run_python(GRADIENTS, FASTBP_REGISTERS="", **environment)
    assert printed.split() == [instructions]


BITS = """
import hashlib, os
import numpy as np
import fastbp
from fastbp.kernels import tuning

assert tuning.BLOCK_BYTES == int(os.environ["FASTBP_L2_BYTES"]) // 2
rng, found = np.random.default_rng(0), hashlib.sha256()
for dtype in ("float32", "float64"):
    net = fastbp.Network((700, 1300, 520, 3), activation="relu", dtype=dtype, seed=0)
    X, T = rng.standard_normal((300, 700)), rng.standard_normal((300, 3))
    found.update(net.gradient(X, T)[1].tobytes())
    found.update(net.forward(X).tobytes())
print(found.hexdigest())
"""


@pytest.mark.compiled_only
def test_the_bits_do_not_depend_on_the_caches():
    assert run_python(BITS, FASTBP_L2_BYTES="262144") == run_python(BITS, FASTBP_L2_BYTES="4194304")
