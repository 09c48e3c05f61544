"""A cluster of Dask's: the same bits for any number of workers, also when they are killed, join late, or fail."""

import contextlib
import os
import signal
import sys
import threading
from unittest import mock

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp import data

distributed = pytest.importorskip("distributed")
if not COMPILED:
    pytest.skip("workers compile", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")  # of distributed's own, about what is killed on purpose
N = 16


def samples(k):
    x = np.random.default_rng(k).uniform(-1, 1, (200, 3))
    return x, np.sin(x.sum(axis=1))


def partitions():
    return data.partitions(samples, N)


def network(dtype="float64"):
    return fastbp.Network((3, 6, 1), seed=0, dtype=dtype)


@contextlib.contextmanager
def cluster(n_workers):
    from distributed import Client, LocalCluster

    main = sys.modules["__main__"]  # workers would begin with it, and not every way into pytest is made for that
    with (
        mock.patch.object(main, "__file__", None, create=True),
        mock.patch.object(main, "__spec__", None, create=True),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            silence_logs=50,
            dashboard_address=":0",  # any port: the usual one may be that of another cluster, which is warned of
        ) as local,
        Client(local) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with cluster(2) as found:
        yield found


STEPS = {"solver": "rprop", "epochs": 10, "seed": 1}


@pytest.fixture(scope="module")
def expected():
    net = network()
    history = net.fit(partitions(), batch_size=None, **STEPS)
    return net.params.copy(), history.loss


def test_large_batches_keep_each_partition_once(client):
    from fastbp.dask.training import _on_cluster

    found, options = [], {"epochs": 4, "seed": 1, "batch_size": None}
    for per_task in (1, 2):  # tasks of two partitions are other pairs in each epoch
        net, on_cluster = network(), _on_cluster(client, partitions(), 6, per_task, True)
        net.fit(on_cluster, **options)
        found.append(net.params.copy())
        numbers = [k for _, *group in on_cluster._loaded for k in group]
        assert sorted(numbers) == list(range(N))
    np.testing.assert_array_equal(*found)


def test_the_gradient_has_the_bits_of_one_process(client):
    for dtype in ("float32", "float64"):
        net = network(dtype)
        error, gradient = net.gradient(partitions())
        for size in (None, 1, 4, 16):
            found = fastbp.dask.gradient(client, net, partitions(), partitions_per_task=size)
            assert found[0] == error and np.array_equal(found[1], gradient)


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_training_has_the_bits_of_one_process(n_workers, expected):
    with cluster(n_workers) as client:
        for keep in (True, False):
            net = network()
            history = fastbp.dask.fit(client, net, partitions(), keep=keep, **STEPS)
            assert np.array_equal(net.params, expected[0]) and history.loss == expected[1]


@pytest.mark.parametrize(("keep", "n_kills"), [(True, 10), (False, 3)])
def test_a_worker_killed_in_each_step_costs_nothing(keep, n_kills, expected):
    """In the midst of a step: the timer rings when the next one has begun."""
    with cluster(2) as client:
        nannies, killed = list(client.cluster.workers.values()), []

        def kill():
            pids = [nanny.pid for nanny in nannies if nanny.pid is not None]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[len(killed) % len(pids)], signal.SIGKILL)
                killed.append(pids)

        def soon(_net, history):
            if history.n_epochs <= n_kills:
                threading.Timer(0.03, kill).start()

        net = network()
        history = fastbp.dask.fit(client, net, partitions(), keep=keep, callback=soon, **STEPS)
    assert len(killed) >= n_kills - 1  # the last may ring too late
    assert np.array_equal(net.params, expected[0]) and history.loss == expected[1]


@pytest.mark.parametrize("keep", [True, False])
def test_a_worker_that_joins_late_is_used(keep, expected):
    with cluster(1) as client:
        first = set(client.nthreads())

        def join(_net, history):
            if history.n_epochs == 3:
                client.cluster.scale(2)
                client.wait_for_workers(2, timeout=60)

        net = network()
        fastbp.dask.fit(client, net, partitions(), keep=keep, callback=join, partitions_per_task=1, **STEPS)
        (late,) = set(client.nthreads()) - first
        n_tasks = client.run(lambda dask_worker: len(dask_worker.state.log) if hasattr(dask_worker, "state") else 0)
        done = client.run(lambda dask_worker: sum("sum" in str(line) for line in dask_worker.state.log))
        assert n_tasks[late] > 0 and done[late] > 0
    assert np.array_equal(net.params, expected[0])


def test_large_batches_and_what_stands_around_them(client, tmp_path):
    options = {"epochs": 4, "seed": 1, "validation": 0.25, "patience": 10, "partitions_per_step": 5}
    found = []
    for keep in (True, False):
        net = network()
        history = fastbp.dask.fit(client, net, partitions(), keep=keep, **options)
        found.append(net.params.copy())
        assert history.n_epochs == 4 and len(history.validation_loss) == 4
    assert np.array_equal(*found)
    path, net = tmp_path / "a.checkpoint", network()
    for epochs in (2, 4):
        fastbp.dask.fit(client, net, partitions(), checkpoint=path, resume=True, **{**options, "epochs": epochs})
    assert np.array_equal(net.params, found[0])


@pytest.mark.parametrize(("solver", "dtype"), [("lbfgs", "float32"), ("lm", "float64")])
def test_minimisers_have_the_bits_of_one_process(client, solver, dtype):
    options = {"solver": solver, "epochs": 4, "seed": 1, "validation": 0.25}
    net = network(dtype)
    history = net.fit(partitions(), **options)
    for keep in (True, False):
        found = fastbp.dask.fit(client, other := network(dtype), partitions(), keep=keep, **options)
        assert np.array_equal(other.params, net.params) and found.loss == history.loss
    assert history.n_epochs == 4 and history.loss[-1] < history.loss[0]
    with pytest.raises(ValueError, match="partitions_per_step must be None for solver 'lm'"):
        fastbp.dask.fit(client, net, partitions(), solver="lm", partitions_per_step=4)


def test_a_partition_that_a_worker_cannot_read(client):
    def broken(k):
        x, t = samples(k)
        x[3, 1] = np.nan if k == 13 else 0.0
        return x, t

    net = network()
    before = net.params.copy()
    with pytest.raises(ValueError, match=r"partition 13, row 3: X\[:, 1\] must be finite; it is nan"):
        fastbp.dask.fit(client, net, data.partitions(broken, N), **STEPS)
    assert np.array_equal(net.params, before)


def test_arrays_and_frames_of_dasks_own(client):
    da = pytest.importorskip("dask.array")
    x, t = (np.concatenate(parts) for parts in zip(*map(samples, range(N)), strict=True))
    net = network()
    expected = net.gradient(data.arrays(x, t, rows=400))
    blocks = fastbp.dask.arrays(da.from_array(x, chunks=(400, 2)), da.from_array(t, chunks=400))
    for found in (net.gradient(blocks), fastbp.dask.gradient(client, net, blocks)):
        assert found[0] == expected[0] and np.array_equal(found[1], expected[1])
    dd = pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    frame = dd.from_pandas(pd.DataFrame(np.c_[x, t], columns=list("abct")), npartitions=8)
    found = net.gradient(fastbp.dask.arrays(frame[["a", "b", "c"]], frame["t"]))
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-10)
    with pytest.raises(ValueError, match="T must be in as many blocks as X, 8; got 1"):
        fastbp.dask.arrays(da.from_array(x, chunks=(400, 3)), da.from_array(t, chunks=-1))
    with pytest.raises(TypeError, match="X must be a dask array or data frame"):
        fastbp.dask.arrays(x, t)


def test_estimators_take_dasks_arrays_and_frames(client):
    da, dd = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    x, t = (np.concatenate(parts) for parts in zip(*map(samples, range(4)), strict=True))
    expected = fastbp.MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0).fit(x, t)
    found = fastbp.MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0).fit(
        da.from_array(x), da.from_array(t)
    )
    frame = dd.from_pandas(pd.DataFrame(x), npartitions=3)
    framed = fastbp.MLPClassifier(hidden_layer_sizes=(6,), max_iter=5, random_state=0).fit(frame, da.from_array(t > 0))
    arrays = fastbp.MLPClassifier(hidden_layer_sizes=(6,), max_iter=5, random_state=0).fit(x, t > 0)
    assert all(map(np.array_equal, found.coefs_, expected.coefs_))
    assert all(map(np.array_equal, framed.coefs_, arrays.coefs_))


def test_folds_and_searches_by_joblib(client):
    joblib = pytest.importorskip("joblib")
    selection = pytest.importorskip("sklearn.model_selection")
    x, t = (np.concatenate(parts) for parts in zip(*map(samples, range(4)), strict=True))
    model = fastbp.MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0)
    expected = selection.cross_val_score(model, x, t, cv=4)
    with joblib.parallel_config("dask"):
        found = selection.cross_val_score(model, x, t, cv=4)
        search = selection.GridSearchCV(model, {"alpha": [1e-4, 1.0]}, cv=2).fit(x, t)
    assert np.array_equal(found, expected) and set(search.best_params_) == {"alpha"}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table for the command line, in several pieces."""
    pl = pytest.importorskip("polars")
    from fastbp.tables.reading import pieces

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pieces, "TEXT_BYTES", 20_000)
    x, t = (np.concatenate(parts) for parts in zip(*map(samples, range(8)), strict=True))
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "t": t}).write_csv("a.csv")


def on_cluster(client, *options):
    """What the command line says of a training on the cluster, and its model."""
    from command_line import trained

    from fastbp.tables.modelling.model import TableModel

    where = ("--scheduler", client.scheduler.address) if client is not None else ("--stream",)
    usual = ("a.csv", "--ensemble", 1, "--no-plot", "--hidden", 6, "--epochs", 3, "--out", "m")
    return trained(*usual, *options, *where), TableModel.load("m")


@pytest.mark.usefixtures("table")
def test_the_command_line_trains_on_a_cluster(client):
    said, here = on_cluster(client, "--solver", "lbfgs"), on_cluster(None, "--solver", "lbfgs")
    assert np.array_equal(said[1].net.params, here[1].net.params)
    assert said[0]["score"] > said[0]["baseline"] and not any("solver lbfgs" in note for note in said[0]["notes"])


@pytest.mark.usefixtures("table")
def test_lbfgs_is_the_solver_of_the_command_line_on_a_cluster(client):
    said, model = on_cluster(client)  # without --no-tune: nothing is searched for
    asked = on_cluster(client, "--solver", "lbfgs")[1]
    assert model.facts.solver == "lbfgs" and model.facts.tuning is None
    assert np.array_equal(model.net.params, asked.net.params)
    assert any(note.startswith("solver lbfgs: steps on a cluster are few") for note in said["notes"])


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "options",
    [("--solver", "rprop"), ("--batch-size", 300), ("--learning-rate", 0.01), ("--schedule", "cosine")],
)
def test_what_lbfgs_has_not_is_done_by_another_solver(options, client):
    said, model = on_cluster(client, *options, "--no-tune")
    assert model.facts.solver == ("rprop" if "rprop" in options else "adam")
    assert not any(note.startswith("solver") for note in said["notes"])


def test_what_is_refused(client):
    for options, error, message in (
        ({"batch_size": 3}, TypeError, "batch_size must be left out on a cluster"),
        ({"partitions_per_task": 3}, ValueError, "partitions_per_task must be a power of 2; got 3"),
        ({"partitions_per_step": 0}, ValueError, "partitions_per_step must be at least 1; got 0"),
        ({"keep": 1}, TypeError, "keep must be True or False"),
    ):
        with pytest.raises(error, match=message):
            fastbp.dask.fit(client, network(), partitions(), **options)
    with pytest.raises(TypeError, match=r"client must be a distributed.Client; got None"):
        fastbp.dask.fit(None, network(), partitions())
    with pytest.raises(TypeError, match=r"partitions must come from fastbp.data"):
        fastbp.dask.fit(client, network(), samples(0))
    with pytest.raises(ValueError, match="a stream gives them once"):
        fastbp.dask.gradient(client, network(), data.partitions(iter([samples(0)]), 1))
