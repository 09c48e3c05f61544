"""After `warm_up` nothing is compiled any more."""

import pytest
from subprocesses import run_python

import fastbp

USE = """
import warnings

import numpy as np
from numba.core import event
import fastbp
from fastbp import jit

compiled = []

class Listener(event.Listener):
    def on_start(self, e):
        compiled.append(str(e.data["dispatcher"].py_func.__qualname__))

    def on_end(self, e):
        pass

event.register("numba:compile", Listener())
rng = np.random.default_rng(0)
X, T = rng.uniform(0.1, 0.9, (3000, 5)), rng.uniform(0.1, 0.9, (3000, 2))
for activation, output, loss in (
    ("tanh", "identity", "squared_error"),
    ("gelu", "softmax", "cross_entropy"),
    ("relu", "logistic", "binary_cross_entropy"),
    ("sin", "softmax", "huber"),
):
    net = fastbp.Network((5, 40, 30, 2), activation=activation, output=output, loss=loss, seed=0)
    net.forward(X), net.forward(X[:1]), net.loss(X, T), net.gradient(X, T, n_threads=2)
    x, t, work = X[0], T[0], net.workspace()
    jit.forward(net.packed, x, t.copy(), work), jit.input_gradient(net.packed, x, t, x.copy(), work)
    jit.gradient(net.packed, x, t, net.params.copy(), work)
    for solver, options in (
        ("sgd", {"batch_size": 1}),
        ("sgd", {"nesterov": True}),
        ("adam", {"batch_size": 1}),
        ("rmsprop", {}),
        ("rprop", {}),
        ("rprop", {"variant": "irprop+"}),
        ("rprop", {"variant": "rprop+"}),
        ("rprop", {"variant": "rprop-"}),
        ("quickprop", {}),
        ("lm", {}),
        ("scg", {}),
        ("cg", {}),
        ("lbfgs", {}),
        ("newton_cg", {}),
    ):
        net.fit(X[:40], T[:40], solver=solver, epochs=1, **options)
for name, target in (("MLPClassifier", T[:, 0] > 0.5), ("MLPClassifier", X[:, 0] // 0.3), ("MLPRegressor", T)):
    for solver in ("adam", "lbfgs"):
        options = {"solver": solver, "early_stopping": True, "random_state": 0}
        estimator = getattr(fastbp, name)(hidden_layer_sizes=5, max_iter=1, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, target).predict(X[:1])
print(compiled)
"""


@pytest.mark.compiled_only
def test_nothing_is_compiled_after_warm_up(tmp_path):
    run_python("import fastbp; fastbp.warm_up(['float64'])", NUMBA_CACHE_DIR=str(tmp_path))
    assert run_python(USE, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "[]"


@pytest.mark.parametrize("dtypes", [["float16"], ["float32", "int"]])
def test_other_dtypes_are_refused(dtypes):
    with pytest.raises(ValueError, match=r"dtypes\[\d\] must be"):
        fastbp.warm_up(dtypes)
