"""Training on partitions: bits, order, checkpoints, errors in mid-epoch, streams."""

import itertools
import warnings

import numpy as np
import pytest

import fastbp
from fastbp import data

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (1000, 3))
T = np.sin(X.sum(axis=1, keepdims=True))
WEIGHT = RNG.uniform(0.5, 2, 1000)


def network(dtype="float64", **options):
    return fastbp.Network((3, 6, 1), seed=0, dtype=dtype, **options)


def trained(samples, *others, dtype="float64", **options):
    net = network(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastbp.TrainingWarning)
        history = net.fit(samples, *others, **({"epochs": 3, "seed": 1} | options))
    return net.params.copy(), history


def close(one, two, dtype="float64"):
    np.testing.assert_allclose(
        one, two, rtol=1e-10 if dtype == "float64" else 1e-4, atol=1e-12 if dtype == "float64" else 1e-5
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_is_the_sum_over_partitions(dtype):
    net = network(dtype)
    error, gradient = net.gradient(X, T, WEIGHT)
    found = [net.gradient(data.arrays(X, T, WEIGHT, rows=130), n_threads=n) for n in (1, 2, 4)]
    assert np.abs(gradient).max() > 1.0
    np.testing.assert_allclose(
        found[0][1], gradient, rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-3 if dtype == "float32" else 1e-11
    )
    np.testing.assert_allclose(found[0][0], error, rtol=1e-6)
    for other in found[1:]:
        assert other[0] == found[0][0] and np.array_equal(other[1], found[0][1])
    np.testing.assert_allclose(net.loss(data.arrays(X, T, WEIGHT, rows=130)), error, rtol=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "lm"])
def test_a_single_window_counts_as_arrays(solver):
    options = {"solver": solver, "validation": 0.2} if solver in ("adam", "sgd") else {"solver": solver}
    if solver in ("adam", "sgd"):
        options["batch_size"] = 32
    found, history = trained(data.arrays(X, T, WEIGHT, rows=300), **options)
    expected, other = trained(X, T, sample_weight=WEIGHT, **options)
    assert np.array_equal(found, expected) and history.loss == other.loss


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "rprop"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_batch_learning_follows_the_sum(solver, reduction):
    rate = {} if reduction == "mean" or solver != "sgd" else {"learning_rate": 1e-4}
    options = {"solver": solver, "reduction": reduction, "batch_size": None, "l2": 1e-3, "epochs": 8, **rate}
    found, history = trained(data.arrays(X, T, WEIGHT, rows=90), **options)
    expected, other = trained(X, T, sample_weight=WEIGHT, **options)
    close(found, expected)
    close(history.loss, other.loss)
    assert history.best_epoch == other.best_epoch


@pytest.mark.parametrize("batch_size", [1, 30])
def test_without_shuffling_windows_are_batches_in_their_order(batch_size):
    # windows of 300 rows hold whole batches of 30: the steps are those of arrays
    options = {"shuffle": False, "batch_size": batch_size}
    found, history = trained(data.arrays(X[:900], T[:900], rows=100, window=3), **options)
    expected, other = trained(X[:900], T[:900], **options)
    close(found, expected)
    close(history.loss, other.loss)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_files_that_are_read_into_the_window_have_the_bits_of_arrays(tmp_path, dtype):
    pq = pytest.importorskip("pyarrow.parquet")
    x, t = X.astype(dtype), T[:, 0].astype(dtype)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t)
    table = dict(zip("abct", [*x.T, t], strict=True))
    pq.write_table(pytest.importorskip("pyarrow").table(table), tmp_path / "a.parquet", row_group_size=130)
    sources = (
        data.memmap(tmp_path / "x.npy", tmp_path / "t.npy", rows=130, window=3),
        data.parquet(tmp_path / "a.parquet", targets="t", window=3),
    )
    for kind in ("float32", "float64"):
        expected, _ = trained(data.arrays(x, t, rows=130, window=3), dtype=kind)
        for source in sources:
            assert np.array_equal(trained(source, dtype=kind)[0], expected)


def test_every_sample_once_an_epoch_and_another_order_in_each():
    net = fastbp.Network((1, 1), seed=0, bias=False)
    seen = []
    rows = np.arange(1.0, 101.0).reshape(-1, 1)

    def give(k):
        seen.append(k)
        return rows[10 * k : 10 * k + 10], rows[10 * k : 10 * k + 10]

    net.fit(data.partitions(give, 10, window=3), epochs=3, seed=0, batch_size=30, learning_rate=1e-9)
    orders = [seen[1 + 10 * k : 11 + 10 * k] for k in range(3)]  # the first is for a look
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize(
    "options", [{}, {"dropout": 0.3}, {"batch_size": 1, "epochs": 2}, {"batch_size": None, "epochs": 6}]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads(options, dtype):
    samples = data.arrays(X, T, rows=110, window=2)
    found = [trained(samples, dtype=dtype, n_threads=n, **options)[0] for n in (1, 2, 4)]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    assert not np.array_equal(found[0], trained(samples, dtype=dtype, **({**options, "epochs": 1}))[0])


def test_validation_holds_out_whole_partitions():
    seen = []

    def give(k):
        seen.append(k)
        return X[100 * k : 100 * k + 100], T[100 * k : 100 * k + 100]

    samples = data.partitions(give, 10, window=2)
    net, losses = network(), []
    history = net.fit(
        samples, epochs=4, seed=3, validation=0.2, callback=lambda net, _: losses.append(net.params.copy())
    )
    held_out = sorted(seen[-2:])
    assert len(seen) == 1 + 4 * 10 and all(k not in seen[1:9] for k in held_out)
    rows = np.concatenate([np.arange(100 * k, 100 * k + 100) for k in held_out])
    check = network()
    for params, loss in zip(losses, history.validation_loss, strict=True):
        check.params = params
        np.testing.assert_allclose(check.loss(X[rows], T[rows]) / 200, loss, rtol=1e-12)
    own = trained(data.arrays(X, T, rows=100), validation=data.arrays(X[rows], T[rows], rows=50))[1]
    arrays = trained(data.arrays(X, T, rows=100), validation=(X[rows], T[rows]))[1]
    close(own.validation_loss, arrays.validation_loss)
    with pytest.raises(ValueError, match="validation must leave a partition for training"):
        network().fit(data.arrays(X, T, rows=300, window=1), validation=0.9)


@pytest.mark.parametrize("options", [{"validation": 0.2, "patience": 30}, {"batch_size": None, "solver": "rprop"}])
def test_a_partition_that_cannot_be_read_costs_nothing(options, tmp_path):
    broken = True
    held_out = [False]

    def give(k):
        x = X[50 * k : 50 * k + 50].copy()
        if k == 17 and broken and held_out[0]:
            x[3, 1] = np.nan
        return x, T[50 * k : 50 * k + 50]

    samples = data.partitions(give, 20, window=2)
    wanted = {"epochs": 5, "seed": 2, **options}
    expected, _ = trained(samples, **wanted)
    net, path = network(), tmp_path / "a.checkpoint"
    calls = []

    def spoil(_net, history):
        calls.append(history.n_epochs)
        held_out[0] = history.n_epochs == 2

    with pytest.raises(ValueError, match=r"partition 17, row 3: X\[:, 1\] must be finite; it is nan"):
        net.fit(samples, checkpoint=path, callback=spoil, **wanted)
    assert calls == [1, 2]
    broken = False
    found = network()
    history = found.fit(samples, checkpoint=path, resume=True, **wanted)
    assert np.array_equal(found.params, expected) and history.n_epochs == 5


def test_a_checkpoint_goes_on_in_mid_epoch(tmp_path):
    path, n_read = tmp_path / "a.checkpoint", [0]

    def give(k):
        n_read[0] += 1
        return X[100 * k : 100 * k + 100], T[100 * k : 100 * k + 100]

    def stopping(k):
        if n_read[0] == 1 + 10 + 7:
            raise KeyboardInterrupt
        return give(k)

    samples, broken = data.partitions(give, 10, window=1), data.partitions(stopping, 10, window=1)
    expected, other = trained(samples, epochs=3)
    n_read[0] = 0
    history = network().fit(broken, epochs=3, seed=1, checkpoint=path)
    assert history.stopped_by == "interrupt" and history.n_epochs == 1
    n_read[0] = 0
    net = network()
    history = net.fit(samples, epochs=3, seed=1, checkpoint=path, resume=True)
    assert n_read[0] < 1 + 5 + 10 + 1 and np.array_equal(net.params, expected) and history.loss == other.loss
    with pytest.raises(ValueError, match="partitions"):
        network().fit(data.partitions(give, 9, window=1), epochs=3, seed=1, checkpoint=path, resume=True)


@pytest.mark.compiled_only
@pytest.mark.parametrize("solver", ["lbfgs", "cg", "scg", "newton_cg", "lm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_minimisers_follow_the_sum(solver, dtype):
    options = {"solver": solver, "epochs": 3, "l2": 1e-3, "dtype": dtype}
    found, history = trained(data.arrays(X, T, WEIGHT, rows=180), **options)
    expected, other = trained(X, T, sample_weight=WEIGHT, **options)
    close(found, expected, dtype)
    close(history.loss, other.loss, dtype)
    assert history.n_epochs == 3 and history.loss[-1] < 0.9 * history.loss[0]
    again, _ = trained(data.arrays(X, T, WEIGHT, rows=180), n_threads=2, **options)
    assert np.array_equal(again, found)


@pytest.mark.compiled_only
def test_minimisers_with_what_stands_around_them(tmp_path):
    samples, path = data.arrays(X, T, rows=100, window=2), tmp_path / "a.checkpoint"
    options = {"solver": "lbfgs", "validation": 0.2, "patience": 5}
    expected, other = trained(samples, epochs=6, **options)
    assert len(other.validation_loss) == 6
    for epochs in (3, 6):
        found, history = trained(samples, epochs=epochs, checkpoint=path, resume=True, **options)
    assert np.array_equal(found, expected) and history.loss == other.loss
    reached = trained(samples, solver="lm", epochs=100, goal=0.003)[1]
    assert reached.stopped_by == "goal" and reached.loss[-1] <= 0.003 < reached.loss[-2]


@pytest.mark.compiled_only
@pytest.mark.parametrize("solver", ["lbfgs", "lm"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_a_minimiser_that_cannot_read_a_partition_stays_where_it_was(solver, kind, tmp_path):
    path, is_broken = tmp_path / "a.checkpoint", [False]

    def give(k):
        if is_broken[0] and k == 7:
            raise kind("no such partition")
        return X[100 * k : 100 * k + 100], T[100 * k : 100 * k + 100]

    def spoil(_net, history):
        is_broken[0] = history.n_epochs == 2

    samples, options = data.partitions(give, 10), {"solver": solver, "epochs": 4, "seed": 1}
    expected, _ = trained(samples, **options)
    after_two, _ = trained(samples, **{**options, "epochs": 2})
    net = network()
    try:
        history = net.fit(samples, checkpoint=path, callback=spoil, **options)
        assert kind is KeyboardInterrupt and history.stopped_by == "interrupt"
    except ValueError:
        assert kind is ValueError
    assert np.array_equal(net.params, after_two)
    is_broken[0] = False
    found = network()
    found.fit(samples, checkpoint=path, resume=True, **options)
    close(found.params, expected)


@pytest.mark.compiled_only
@pytest.mark.parametrize("variant", ["irprop-", "rprop-", "rprop+", "irprop+"])
def test_variants_of_rprop(variant):
    options = {"solver": "rprop", "variant": variant, "epochs": 25}
    found, history = trained(data.arrays(X, T, WEIGHT, rows=90), **options)
    expected, other = trained(X, T, sample_weight=WEIGHT, **options)
    close(found, expected)
    close(history.loss, other.loss)


def test_partitions_that_change_are_no_sum_to_compare():
    sizes = iter([100] * 20 + [90] * 100)

    def give(k):
        n = next(sizes)
        return X[:n], T[:n]

    with pytest.raises(ValueError, match="must hold the same samples each time"):
        network().fit(data.partitions(give, 10), solver="cg", epochs=5)
    with pytest.raises(ValueError, match="a stream gives them once"):
        network().fit(data.partitions(iter([(X, T)] * 9), 9), solver="lbfgs")


def test_streams():
    draw = np.random.default_rng(0)

    def endless():
        while True:
            x = draw.uniform(-1, 1, (50, 3))
            yield x, np.sin(x.sum(axis=1))

    history = network().fit(data.partitions(endless(), 5), epochs=30, seed=0, learning_rate=0.02)
    assert history.n_epochs == 30 and history.loss[-1] < 0.3 * history.loss[0]
    history = network().fit(data.partitions(itertools.islice(endless(), 12), 5), epochs=30, seed=0)
    assert history.stopped_by == "end of data" and history.n_epochs == 3
    history = network().fit(data.partitions(itertools.islice(endless(), 10), 5), epochs=30, seed=0)
    assert history.stopped_by == "end of data" and history.n_epochs == 2
    with pytest.raises(ValueError, match="validation must be"):
        network().fit(data.partitions(endless(), 5), validation=0.2)


class Again:
    """Can be gone through again and again, and has a length."""

    def __len__(self):
        return 10

    def __iter__(self):
        return ((X[k : k + 100], T[k : k + 100]) for k in range(0, 1000, 100))


def test_an_iterable_begins_again():
    found, history = trained(data.partitions(Again(), window=1), shuffle=False)
    expected, _ = trained(data.arrays(X, T, rows=100, window=1), shuffle=False)
    assert history.n_epochs == 3 and np.array_equal(found, expected)


def test_stopping_callbacks_and_progress():
    samples = data.arrays(X, T, rows=100, window=2)
    seen = []
    history = trained(samples, epochs=50, patience=2, tol=1e9)[1]
    assert history.stopped_by == "patience"
    history = trained(samples, epochs=50, callback=lambda _net, h: seen.append(h.n_epochs) or h.n_epochs == 3)[1]
    assert seen == [1, 2, 3] and history.stopped_by == "callback"
    assert trained(samples, epochs=200, goal=0.05, learning_rate=0.05)[1].stopped_by == "goal"


def test_a_loss_that_is_not_finite_goes_back_to_the_start_of_the_epoch():
    net, kept = network("float32"), []
    samples = data.arrays(X, T, rows=100, window=1)
    with pytest.warns(RuntimeWarning, match="no longer finite"):
        history = net.fit(
            samples,
            epochs=5,
            seed=0,
            solver="sgd",
            callback=lambda net, _: kept.append(net.params.copy()),
            learning_rate=lambda epoch: 0.1 if epoch < 2 else 1e30,
        )
    assert history.stopped_by == "not finite" and history.n_epochs == 2 and np.array_equal(net.params, kept[-1])


def test_what_cannot_be():
    samples = data.arrays(X, T, rows=100, window=2)
    for options, message in (
        ({"batch_size": 500}, "batch_size must be at most the samples of a window of 2 partitions, here 200"),
        ({"batch_size": None, "dropout": 0.1}, "dropout must be 0"),
    ):
        net = network()
        before = net.params.copy()
        with pytest.raises(ValueError, match=message):
            net.fit(samples, epochs=2, **options)
        assert np.array_equal(net.params, before)
