"""Estimators on dask's arrays and data frames: small ones are arrays, large ones are read block by block."""

import json
import sys

import numpy as np
import pytest
from cases import COMPILED
from subprocesses import run_python

import fastbp
from fastbp.estimators import large

da = pytest.importorskip("dask.array")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N, ROWS = 900, 100
FULL_BATCH = ["rprop", "lbfgs", "lm", "scg", "cg", "newton_cg"]


def samples(seed=0, n=N):
    x = np.random.default_rng(seed).uniform(-1, 1, (n, 3))
    return x, np.sin(2 * x.sum(axis=1))


def collection(*arrays, rows=ROWS):
    return [da.from_array(array, chunks=(rows, *array.shape[1:])) for array in arrays]


def regressor(**given):
    return fastbp.MLPRegressor(**{"hidden_layer_sizes": (6,), "max_iter": 6, "random_state": 0, **given})


def classifier(**given):
    return fastbp.MLPClassifier(**{"hidden_layer_sizes": (6,), "max_iter": 6, "random_state": 0, **given})


@pytest.fixture
def all_are_large(monkeypatch):
    monkeypatch.setattr(large, "SHARE", 0.0)
    monkeypatch.setattr(large, "WINDOW_BYTES", 1)  # windows of four blocks


def same(one, other):
    return all(map(np.array_equal, [*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_]))


def test_small_ones_have_the_bits_of_arrays():
    x, t = samples()
    expected = regressor().fit(x, t)
    assert same(regressor().fit(*collection(x, t)), expected)
    assert same(regressor().fit(da.from_array(x, chunks=(ROWS, 2)), t), expected)


@pytest.mark.parametrize("solver", FULL_BATCH)
@pytest.mark.parametrize("model", [regressor, classifier])
def test_solvers_of_all_samples_find_what_they_find_on_arrays(solver, model, all_are_large):
    x, t = samples()
    y, weight = (t if model is regressor else np.digitize(t, [-0.5, 0.5])), np.linspace(0.5, 2.0, N)
    given = {"solver": solver, "max_iter": 5, "alpha": 0.01}
    expected = model(**given).fit(x, y, weight)
    found = model(**given).fit(*collection(x, y, weight))
    assert found.n_iter_ == expected.n_iter_ and found.loss_ == pytest.approx(expected.loss_, rel=1e-7)
    np.testing.assert_allclose(found.predict(x), expected.predict(x), rtol=1e-4, atol=1e-6)
    one = da.from_array(x, chunks=(-1, -1))
    assert same(model(**given).fit(one, y, weight), expected)  # a block is loaded anyway
    assert same(model(**given).fit(da.from_array(x, chunks=(ROWS, 2)), y, weight), found)  # other blocks of columns


def windows_of(seed, epochs, n_first):
    """The rows of each epoch, as the documentation says: blocks in a random order, and rows of four of them mixed."""
    draw = np.random.RandomState(seed)
    draw.uniform(size=n_first)  # the first weights
    for _ in range(epochs):
        order = draw.permutation(N // ROWS)
        for start in range(0, len(order), 4):
            rows = np.concatenate([np.arange(k * ROWS, (k + 1) * ROWS) for k in order[start : start + 4]])
            yield rows[draw.permutation(len(rows))]


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
def test_batches_go_through_windows_of_blocks(solver, all_are_large):
    x, t = samples()
    given = {"solver": solver, "batch_size": 32, "learning_rate_init": 0.01}
    found = regressor(**given, max_iter=3).fit(*collection(x, t))
    expected = regressor(**given, shuffle=False)
    n_params, losses = found.network_.n_params, []
    for w, rows in enumerate(windows_of(0, 3, n_params)):
        expected.partial_fit(x[rows], t[rows])
        losses += [(w // 3, expected.loss_ * len(rows))]
    assert same(found, expected)
    sums = [sum(loss for epoch, loss in losses if epoch == k) / N for k in range(3)]
    np.testing.assert_allclose(found.loss_curve_, sums, rtol=1e-12)
    assert found.t_ == 3 * N and found.n_iter_ == 3
    ordered = regressor(**given, max_iter=1, shuffle=False).fit(*collection(x, t))
    expected = regressor(**given, shuffle=False)
    for start in range(0, N, 4 * ROWS):
        expected.partial_fit(x[start : start + 4 * ROWS], t[start : start + 4 * ROWS])
    assert same(ordered, expected)


def test_frames_with_empty_partitions_and_any_number_of_threads(all_are_large):
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    x, t = samples()
    frame = pd.DataFrame(np.c_[x, t], columns=list("abct"))
    parts = [frame[start : start + ROWS] for start in range(0, N, ROWS)]
    frames = dd.from_map(lambda part: part, [*parts[:2], frame[:0], *parts[2:]])
    expected = regressor().fit(*collection(x, t))
    found = regressor(n_jobs=1).fit(frames[["a", "b", "c"]], frames["t"])
    assert same(found, expected)
    assert np.array_equal(found.predict(frames[["a", "b", "c"]]), found.predict(x))
    with pytest.raises(ValueError, match="y must be in as many blocks as X, 10; got 3"):
        regressor().fit(frames[["a", "b", "c"]], dd.from_pandas(frame["t"], npartitions=3))
    with pytest.raises(ValueError, match="y must have as many samples as X, 900; got shape"):
        regressor().fit(frames[["a", "b", "c"]], t[:-1])


def test_classes_are_those_of_all_blocks(all_are_large):
    x, t = samples()
    y = np.where(t > 0, "up", "down").astype(object)
    y[-3:] = "last"  # a class of the last block alone
    model = classifier(class_weight="balanced", solver="lbfgs").fit(*collection(x), y)
    expected = classifier(class_weight="balanced", solver="lbfgs").fit(x, y)
    assert model.classes_.tolist() == ["down", "last", "up"]
    assert model.loss_ == pytest.approx(expected.loss_, rel=1e-7)
    weighted = {"last": 5.0, "up": 2.0}
    found = classifier(class_weight=weighted, solver="lbfgs").fit(*collection(x), y)
    weights = np.array([weighted.get(label, 1.0) for label in y])
    assert found.loss_ == pytest.approx(classifier(solver="lbfgs").fit(x, y, weights).loss_, rel=1e-7)
    several = np.stack([t > 0, x[:, 0] > 0], axis=1).astype(int)
    both = classifier(solver="lbfgs").fit(*collection(x, several))
    assert both.loss_ == pytest.approx(classifier(solver="lbfgs").fit(x, several).loss_, rel=1e-7)
    again = classifier(max_iter=2, warm_start=True).fit(*collection(x), y)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        again.fit(*collection(x), np.where(y == "last", "up", y))
    assert again.fit(*collection(x), y).t_ == 4 * N


@pytest.mark.parametrize("solver", ["adam", "lm"])
def test_rows_of_all_blocks_stop_the_training(solver, all_are_large):
    x, t = samples()
    given = {
        "solver": solver,
        "early_stopping": True,
        "max_iter": 40,
        "n_iter_no_change": 3,
        "learning_rate_init": 0.02,
    }
    found = regressor(**given, validation_fraction=0.2).fit(*collection(x, t))
    n_held_out = N - found.t_ // found.n_iter_
    assert 0.1 * N < n_held_out < 0.3 * N
    assert len(found.validation_scores_) == found.n_iter_
    assert found.best_validation_score_ == max(found.validation_scores_) > 0.5
    shown = regressor(max_iter=3).fit(*collection(x, t), eval_set=samples(1))
    assert len(shown.validation_loss_curve_) == 3


def test_an_error_names_the_block_and_changes_no_weight(all_are_large):
    x, t = samples()
    broken = x.copy()
    broken[530, 1] = np.nan
    for solver in ("adam", "rprop", "lbfgs", "lm"):
        model = regressor(solver=solver, max_iter=2, warm_start=True).fit(*collection(x, t))
        before = [array.copy() for array in model.coefs_]
        with pytest.raises(ValueError, match=r"block 5: Input X contains NaN"):
            model.fit(*collection(broken, t))
        assert all(map(np.array_equal, before, model.coefs_))
    labels = np.where(t > 0, 1.0, 0.0)
    labels[310] = np.nan
    with pytest.raises(ValueError, match=r"block 3: Input y contains NaN"):
        classifier().fit(*collection(x, labels))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"n_estimators": 4}, "n_estimators must be 1 for a collection of more than"),
     ({"preset": "realmlp"}, "preset must be None for a collection"),
     ({"alpha": "evidence"}, "alpha must be a number for a collection"),
     ({"batch_size": 500}, "batch_size must be at most the rows of a window of 4 blocks, of which there may be 400"),
     ({"solver": "rprop", "dropout": 0.5}, "dropout must be 0 for solver 'rprop' on a collection")],
)  # fmt: skip
def test_what_needs_all_samples_in_memory_is_refused(given, message, all_are_large):
    x, t = samples()
    model = regressor(**given)
    before = set(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(*collection(x, t))
    assert set(vars(model)) == before


def test_partial_fit_and_predictions_of_collections(all_are_large):
    x, t = samples()
    model = regressor()
    for _ in range(2):
        model.partial_fit(*collection(x, t))
    assert model.t_ == 2 * N
    (X,) = collection(x)
    assert np.array_equal(model.predict(X), model.predict(x)) and model.score(X, t) == model.score(x, t)
    chosen = classifier().fit(X, t > 0)
    assert np.array_equal(chosen.predict_proba(X), chosen.predict_proba(x))
    lazy = X.map_blocks(chosen.predict, drop_axis=1, dtype=bool)
    assert np.array_equal(lazy.compute(), chosen.predict(x))


PEAK = """
import json, sys, warnings
from pathlib import Path
import dask, dask.array as da, numpy as np, fastbp
from fastbp.estimators import large
from large_data import bytes_of

warnings.simplefilter("ignore")
dask.config.set(scheduler="synchronous")

def fitted(n_blocks, rows, solver):
    def block(block_info=None):
        k = block_info[None]["chunk-location"][0]
        return np.random.default_rng(k).uniform(-1, 1, (rows, 16))
    X = da.map_blocks(block, chunks=((rows,) * n_blocks, (16,)), dtype=float)
    model = fastbp.MLPClassifier(hidden_layer_sizes=8, solver=solver, max_iter=2, random_state=0)
    model.fit(X, X[:, 0] > X[:, 1])
    return X.nbytes, len(model.predict(X))

solver = sys.argv[1]
large.SHARE, large.WINDOW_BYTES = 0.0, 1 << 20
fitted(3, 100, solver)  # compiles, and starts the threads
Path("/proc/self/clear_refs").write_text("5")
before = bytes_of("VmRSS")
n_bytes, n_rows = fitted(64, 1 << 13, solver)
print(json.dumps({"bytes": n_bytes, "rows": n_rows, "peak": bytes_of("VmHWM") - before}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sizes of processes are Linux's")
@pytest.mark.skipif(not COMPILED, reason="needs compiled kernels")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_collection_is_never_in_memory(solver):
    found = json.loads(run_python(PEAK, solver, MALLOC_ARENA_MAX="1"))
    print(f"{solver}: peak {found['peak'] / 2**20:.1f} MiB of {found['bytes'] / 2**20:.0f}")
    assert found["rows"] == 64 << 13 and found["bytes"] == 64 << 20
    assert found["peak"] < found["bytes"] // 2
