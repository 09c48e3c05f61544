"""What CONTRIBUTING says of a new activation function, loss and array: two edits each, and a network trains with it."""

import shutil
from pathlib import Path

import pytest
from subprocesses import PACKAGE, run_python

BENT = '''

@kernel
def bent(a):
    """a / (1 + a**2)."""
    return a / (1.0 + a * a)


@kernel
def bent_slope(a, z):
    """(1 - a**2) / (1 + a**2)**2."""
    return (1.0 - a * a) / ((1.0 + a * a) * (1.0 + a * a))
'''

BENT_BEND = '''

@kernel
def bent_bend(a, z):
    """2 a (a**2 - 3) / (1 + a**2)**3."""
    return 2.0 * a * (a * a - 3.0) / ((1.0 + a * a) * (1.0 + a * a) * (1.0 + a * a))
'''

QUARTIC_BEND = '''@kernel
def quartic_bend(y, t, option):
    """Its second derivative by y."""
    return 12.0 * (y - t) * (y - t)


'''

QUARTIC = '''@kernel
def quartic(y, t, option):
    """(y - t)**4."""
    return (y - t) * (y - t) * (y - t) * (y - t)


@kernel
def quartic_slope(y, t, option):
    """Its derivative by y."""
    return 4.0 * (y - t) * (y - t) * (y - t)


'''

TRAIN = """
import copy
import sys
import numpy as np
import fastbp

function, loss, second = sys.argv[1:]
rng = np.random.default_rng(0)
X, T = rng.standard_normal((20, 2)), rng.standard_normal((20, 1))
edges = [(0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]  # by the loops of the derivation, in `jit`
for net in (
    fastbp.Network((2, 3, 1), activation=function, loss=loss, seed=1),
    fastbp.Network.from_edges(2, 1, edges, activation=function, loss=loss, seed=1),
):
    net.params = rng.standard_normal(net.n_params)
    fastbp.check_gradient(net, X, T)
    gradient = np.zeros(net.n_params)
    error = sum(fastbp.jit.gradient(net.packed, x, t, gradient, net.workspace()) for x, t in zip(X, T))
    np.testing.assert_allclose(error, net.gradient(X, T)[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, net.gradient(X, T)[1], rtol=1e-9, atol=1e-12)
    before = net.loss(X, T)
    net.fit(X, T, epochs=5, batch_size=5, learning_rate=1e-2, seed=0)
    assert net.loss(X, T) < before
    if second == "refused":
        try:
            net.hessian(X, T)
        except ValueError as error:
            assert "second derivative" in str(error), error
        else:
            raise AssertionError("a second derivative that nobody has written")
    else:
        H, step = net.hessian(X, T)[2], 1e-6
        for p in range(net.n_params):
            sides = []
            for sign in (1.0, -1.0):
                moved = net.params.copy()
                moved[p] += sign * step
                other = copy.deepcopy(net)
                other.params = moved
                sides.append(other.gradient(X, T)[1])
            np.testing.assert_allclose(H[p], (sides[0] - sides[1]) / (2 * step), rtol=1e-5, atol=1e-6)
print("trained")
"""


def edit(path, before, after):
    """Replace text that occurs once."""
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


@pytest.fixture
def kernels(tmp_path):
    """The kernels of a copy of the package."""
    shutil.copytree(PACKAGE / "fastbp", tmp_path / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "fastbp" / "kernels"


def train(kernels, function, loss, second="known"):
    return run_python(TRAIN, function, loss, second, package=kernels.parents[1], NUMBA_DISABLE_JIT="1").split()


def test_an_activation_function_takes_two_edits(kernels):
    edit(kernels / "codes.py", '    "exp": False,\n', '    "exp": False,\n    "bent": True,\n')
    path = kernels / "formulas" / "activations.py"
    path.write_text(path.read_text() + BENT)
    assert train(kernels, "bent", "squared_error", "refused") == ["trained"]
    path.write_text(path.read_text() + BENT_BEND)
    assert train(kernels, "bent", "squared_error") == ["trained"]


def test_a_loss_takes_two_edits(kernels):
    edit(kernels / "codes.py", '    "quantile",\n)', '    "quantile",\n    "quartic",\n)')
    edit(kernels / "formulas" / "losses.py", "@kernel\ndef linear(", f"{QUARTIC}@kernel\ndef linear(")
    assert train(kernels, "tanh", "quartic", "refused") == ["trained"]
    edit(kernels / "formulas" / "losses.py", "@kernel\ndef linear(", f"{QUARTIC_BEND}@kernel\ndef linear(")
    assert train(kernels, "tanh", "quartic") == ["trained"]


def test_an_array_of_the_tile_takes_two_edits(kernels):
    edit(
        kernels / "many_samples" / "tile.py",
        "    delta: OfSamples  # dE/da\n",
        "    delta: OfSamples\n    spare: OfSamples\n",
    )
    engine = kernels.parent / "engine" / "engine.py"
    edit(
        engine,
        "            weight=rows(stride),\n",
        "            weight=rows(stride),\n            spare=rows(stride),\n",
    )
    assert train(kernels, "tanh", "squared_error") == ["trained"]
    forward = kernels / "many_samples" / "forward.py"  # where a kernel now writes to it
    edit(
        forward,
        "    a_j = rows_of_sums(tile, task)\n    w_ji",
        "    a_j = rows_of_sums(tile, task)\n    tile.spare[0] = 1\n    w_ji",
    )
    assert train(kernels, "tanh", "squared_error") == ["trained"]


def test_contributing_names_the_edits():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    section = text.split("## To add a function or a loss")[1].split("\n## ")[0]
    for name in (
        "kernels/codes.py",
        "formulas/activations.py",
        "formulas/losses.py",
        "formulas/steps.py",
        "_slope",
        "many_samples/tile.py",
        "engine/engine.py",
    ):
        assert name in section
