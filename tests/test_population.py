"""`Population`: each network is trained as `Network.fit` trains it alone, whoever is trained beside it."""

import copy
import pickle

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.population import training
from fastbp.population.seeding import first_bits

RNG = np.random.default_rng(5)
N = 50 if COMPILED else 18
X = RNG.normal(size=(N, 3))
T = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]])
WEIGHT = RNG.uniform(0.5, 2.0, N)
EDGES = [(0, 3), (1, 3), (2, 4), (3, 5), (4, 6), (3, 6), (0, 5)]
EPOCHS = 6 if COMPILED else 2


def networks(dtype="float64"):
    """Return networks of several shapes, some of them of one."""
    return [
        fastbp.Network((3, 4, 2), seed=0, dtype=dtype),
        fastbp.Network((3, 9, 5, 2), activation="relu", seed=1, dtype=dtype),
        fastbp.Network((3, 4, 2), seed=2, dtype=dtype),
        fastbp.Network.from_edges(3, 2, EDGES, seed=3, dtype=dtype),
        fastbp.Network((3, 6, 2), skip="all", activation="silu", bias=False, seed=4, dtype=dtype),
        fastbp.Network((3, 4, 2), seed=5, dtype=dtype),
    ]


def close(a, b, dtype="float64"):
    scale = np.abs(b).max()
    return np.allclose(a, b, rtol=0, atol=scale * (1e-11 if dtype == "float64" else 2e-5), equal_nan=True)


def assert_as_alone(nets, options, seeds, own=None, of_population=None):
    """Train networks together and one by one, and compare weights and histories; returns the histories."""
    alone = [copy.deepcopy(net) for net in nets]
    pop, dtype = fastbp.Population(nets), nets[0].dtype.name
    together = pop.fit(X, T, seeds=seeds, **options, **(of_population or {}))
    for k, (net, seed) in enumerate(zip(alone, seeds, strict=True)):
        given = {name: value[k] if isinstance(value, list) else value for name, value in options.items()}
        x, t, extra = own(k) if own else (X, T, {})
        history = net.fit(x, t, seed=seed, **given, **extra)
        assert not np.array_equal(net.params, nets[k].params)
        assert close(pop[k].params, net.params, dtype), k
        assert close(together[k].loss, history.loss, dtype)
        assert (together[k].validation_loss is None) == (history.validation_loss is None)
        if history.validation_loss is not None:
            assert close(together[k].validation_loss, history.validation_loss, dtype)
        assert (together[k].stopped_by, together[k].best_epoch) == (history.stopped_by, history.best_epoch)
    return together


def falling(epoch):
    return 0.01 / (1 + epoch)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 8, N, None])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_each_as_alone(solver, batch_size, dtype):
    options = {"solver": solver, "batch_size": batch_size, "epochs": EPOCHS, "learning_rate": 0.02}
    assert_as_alone(networks(dtype), options, [7, 8, 9, 10, 11, 12])


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd", "momentum": 0.9, "batch_size": 8},
        {"solver": "sgd", "momentum": 0.8, "nesterov": True, "batch_size": 1},
        {"solver": "rmsprop", "batch_size": 8},
        {"solver": "rprop", "batch_size": None},
        {"solver": "adam", "batch_size": 7, "l2": 0.01, "l1": 0.002},
        {"solver": "sgd", "batch_size": 1, "l2": 0.01},
        {"batch_size": 8, "reduction": "sum", "learning_rate": 0.001, "shuffle": False},
        {"batch_size": 8, "schedule": "cosine"},
        {"batch_size": 8, "learning_rate": falling},
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_options(options):
    assert_as_alone(networks(), {"epochs": EPOCHS} | options, list(range(6)))


def test_options_of_each():
    options = {
        "solver": ["sgd", "adam", "sgd", "rmsprop", "rprop", "sgd"],
        "batch_size": [1, 8, 1, 16, None, 8],
        "learning_rate": [0.01, 0.02, 0.05, None, 0.1, 0.03],
        "l2": [0.0, 0.1, 0.01, 0.0, 0.0, 0.2],
        "epochs": EPOCHS,
    }
    assert_as_alone(networks(), options, [3, 1, 4, 1, 5, 9])


@pytest.mark.parametrize("batch_size", [1, 8, None] if COMPILED else [8])
def test_early_stopping_each_for_itself(batch_size):
    options = {"batch_size": batch_size, "epochs": 40 if COMPILED else 3, "learning_rate": 0.03, "patience": 2}
    found = assert_as_alone(networks(), options | {"validation": 0.3}, list(range(6)))
    if COMPILED:
        assert len({history.n_epochs for history in found}) > 1
    assert_as_alone(networks(), options | {"validation": (X[:9], T[:9], WEIGHT[:9])}, list(range(6)))
    assert_as_alone(networks(), options, list(range(6)))


def test_tol_and_goal():
    options = {"batch_size": 8, "epochs": 60 if COMPILED else 12, "learning_rate": 0.02}
    found = assert_as_alone(networks(), options | {"tol": 10.0}, list(range(6)))
    assert {history.stopped_by for history in found} == {"tol"}
    goals = [0.2, 0.1, 0.3, 0.4, 0.2, 10.0]
    found = assert_as_alone(networks(), options | {"goal": goals, "patience": [3, None] * 3}, list(range(6)))
    assert found[5].stopped_by == "goal"


@pytest.mark.parametrize("batch_size", [1, 8])
def test_folds_bootstraps_and_weights(batch_size):
    folds = [np.flatnonzero(np.arange(N) % 6 != k) for k in range(6)]
    held = [np.flatnonzero(np.arange(N) % 6 == k) for k in range(6)]
    options = {"epochs": EPOCHS, "batch_size": batch_size, "learning_rate": 0.02}
    assert_as_alone(
        networks(), options, list(range(6)), of_population={"samples": folds, "validation": held},
        own=lambda k: (X[folds[k]], T[folds[k]], {"validation": (X[held[k]], T[held[k]])}),
    )  # fmt: skip
    bootstraps = [np.random.default_rng(k).integers(0, N, N // 2 + k) for k in range(6)]
    weights = np.array([np.roll(WEIGHT, k) for k in range(6)])
    assert_as_alone(
        networks(), options, list(range(6)), of_population={"samples": bootstraps, "sample_weight": weights},
        own=lambda k: (X[bootstraps[k]], T[bootstraps[k]], {"sample_weight": weights[k][bootstraps[k]]}),
    )  # fmt: skip
    assert_as_alone(
        networks(), options, list(range(6)), of_population={"sample_weight": WEIGHT},
        own=lambda k: (X, T, {"sample_weight": WEIGHT}),
    )  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits_do_not_depend_on_neighbours_order_or_threads(batch_size, dtype):
    options = {"epochs": EPOCHS, "batch_size": batch_size, "validation": 0.2, "patience": 3}
    whole = fastbp.Population(networks(dtype))
    expected = whole.fit(X, T, seeds=list(range(6)), n_threads=1, **options)
    for places in ([5, 4, 3, 2, 1, 0], [2], [1, 3], [0, 0, 2, 5, 5, 5, 2]):
        pop = fastbp.Population([networks(dtype)[k] for k in places])
        found = pop.fit(X, T, seeds=places, n_threads=2, **options)
        for place, k in enumerate(places):
            assert np.array_equal(pop[place].params, whole[k].params)
            assert found[place].loss == expected[k].loss


def test_control_back_often_changes_nothing(monkeypatch):
    options = {"epochs": EPOCHS, "validation": 0.2, "patience": 3, "seeds": 0, "solver": ["sgd", "adam"] * 3}
    for batch_size in (1, 8):
        expected = fastbp.Population(networks())
        histories = expected.fit(X, T, batch_size=batch_size, **options)
        with monkeypatch.context() as patch:
            patch.setattr(training, "RETURN_SECONDS", 1e-9)
            patch.setattr(training, "WINDOW_NUMBERS", 12)
            pop = fastbp.Population(networks())
            found = pop.fit(X, T, batch_size=batch_size, **options)
        assert np.array_equal(pop.params, expected.params)
        for one, other in zip(found, histories, strict=True):
            assert (one.loss, one.stopped_by, one.best_epoch) == (other.loss, other.stopped_by, other.best_epoch)


def test_one_that_is_no_longer_finite_stops_alone():
    rates = [0.01, 0.01, 1e200, 0.01, 0.01, 0.01]
    pop, others = fastbp.Population(networks()), fastbp.Population(networks())
    options = {"solver": "sgd", "epochs": EPOCHS, "seeds": 0}
    with pytest.warns(RuntimeWarning, match="of 1 of 6 networks is no longer finite"):
        histories = pop.fit(X, T, learning_rate=rates, **options)
    others.fit(X, T, learning_rate=0.01, **options)
    assert histories[2].stopped_by == "not finite"
    for k in range(6):
        assert np.isfinite(pop[k].params).all()
        assert np.array_equal(pop[k].params, others[k].params) == (k != 2)


def test_ctrl_c(monkeypatch):
    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args)

    original = training.kernels.train_networks
    monkeypatch.setattr(training, "RETURN_SECONDS", 1e-9)
    monkeypatch.setattr(training.kernels, "train_networks", interrupted)
    pop = fastbp.Population(networks())
    before = pop.params.copy()
    histories = pop.fit(X, T, epochs=100, seeds=0)
    assert {history.stopped_by for history in histories} == {"interrupt"}
    assert np.isfinite(pop.params).all()
    assert not np.array_equal(pop.params, before)


def test_networks_are_views():
    nets = networks()
    pop = fastbp.Population(nets)
    assert len(pop) == 6
    assert [net.sizes for net in pop] == [net.sizes for net in nets]
    assert all(np.shares_memory(net.params, pop.params) for net in pop)
    pop[1].params[:] = 1.0
    assert (pop[1].params == 1.0).all()
    assert np.array_equal(pop[0].params, nets[0].params)
    assert np.array_equal(pop[-1].params, pop[5].params)
    before = pop.params.copy()
    pop[2].fit(X, T, epochs=1, seed=0)
    assert not np.array_equal(pop.params, before)
    assert [net.n_params for net in pop[1:3]] == [nets[1].n_params, nets[2].n_params]
    for k in (6, -7):
        with pytest.raises(IndexError, match=f"of 6 networks; got {k}"):
            pop[k]
    assert "6 networks" in repr(pop)
    for other in (copy.deepcopy(pop), pickle.loads(pickle.dumps(pop))):
        assert np.array_equal(other.params, pop.params)
        assert not np.shares_memory(other.params, pop.params)


def test_of():
    options = {"activation": "relu", "init": "he_normal", "dtype": "float32"}
    pop = fastbp.Population.of((3, 5, 2), 4, seeds=3, **options)
    for k, net in enumerate(pop):
        assert np.array_equal(net.params, fastbp.Network((3, 5, 2), seed=3 + k, **options).params)
    again = fastbp.Population.of(4, (3, 5, 2), seeds=[3, 4, 5, 6], **options)
    assert np.array_equal(again.params, pop.params)
    assert not np.array_equal(
        fastbp.Population.of((3, 5, 2), 2)[0].params, fastbp.Population.of((3, 5, 2), 2)[0].params
    )


def test_what_they_compute():
    nets = networks()
    pop = fastbp.Population(nets)
    y = pop.forward(X)
    assert y.shape == (6, N, 2)
    for k, net in enumerate(nets):
        assert close(y[k], net.forward(X))
        assert np.isclose(pop.losses(X, T, WEIGHT)[k], net.loss(X, T, WEIGHT))
        assert close(pop.gradient(X, T)[k], net.gradient(X, T)[1])
    mean, spread = pop.forward(X, mean=True)
    assert close(mean, y.mean(axis=0))
    assert close(spread, y.std(axis=0, ddof=1))
    assert close(pop.mean(X), mean)
    assert close(pop.std(X), spread)
    assert (fastbp.Population(nets[:1]).std(X) == 0).all()
    best = int(np.argmin([net.loss(X, T) for net in nets]))
    assert pop.best(X, T) is pop[best]
    with pytest.raises(ValueError, match="best needs"):
        pop.best()
    histories = pop.fit(X, T, epochs=EPOCHS, validation=0.2, patience=2, seeds=0)
    assert pop.best() is pop[int(np.argmin([min(history.validation_loss) for history in histories]))]


def test_rows_that_are_held_out_are_not_learnt_from():
    held = [np.arange(10), np.arange(5), np.arange(10)]
    rest = [np.setdiff1d(np.arange(N), rows) for rows in held]
    ours, theirs = (fastbp.Population.of((3, 4, 2), 3, seeds=0) for _ in range(2))
    options = {"epochs": EPOCHS, "patience": 2, "seeds": 0, "validation": held}
    histories = ours.fit(X, T, **options)
    expected = theirs.fit(X, T, samples=rest, **options)
    assert np.array_equal(ours.params, theirs.params)
    assert [one.validation_loss for one in histories] == [one.validation_loss for one in expected]
    with pytest.raises(ValueError, match=r"validation\[1\] must leave a row of X for training"):
        ours.fit(X, T, **options | {"validation": [held[0], np.arange(N), held[0]]})


def test_files(tmp_path):
    pop = fastbp.Population(
        [*networks(), fastbp.Network((3, 2), output="gelu", loss=fastbp.Loss("huber", threshold=2.0))]
    )
    pop.save(tmp_path / "pop")
    again = fastbp.Population.load(tmp_path / "pop")
    assert np.array_equal(again.params, pop.params)
    assert [str(net) for net in again] == [str(net) for net in pop]
    content = (tmp_path / "pop").read_bytes()
    (tmp_path / "cut").write_bytes(content[:-3])
    with pytest.raises(ValueError, match="not whole"):
        fastbp.Population.load(tmp_path / "cut")
    pop[0].save(tmp_path / "net")
    with pytest.raises(ValueError, match="not a fastbp population"):
        fastbp.Population.load(tmp_path / "net")
    with pytest.raises(ValueError, match="not a fastbp model"):
        fastbp.Network.load(tmp_path / "pop")
    pop[1].params[3] = np.nan
    with pytest.raises(ValueError, match=r"params of network 1 must be finite"):
        pop.save(tmp_path / "pop")


NETS = networks()
WRONG = [
    (lambda: fastbp.Population([]), ValueError, "at least one network"),
    (lambda: fastbp.Population(3), TypeError, "networks must be a sequence"),
    (lambda: fastbp.Population([NETS[0], 3]), TypeError, r"networks\[1\]"),
    (lambda: fastbp.Population([NETS[0], fastbp.Network((4, 2))]), ValueError, r"n_inputs: 3 of the first, and 4"),
    (lambda: fastbp.Population([NETS[0], fastbp.Network((3, 1))]), ValueError, r"n_outputs: 2 .* 1 of networks\[1\]"),
    (lambda: fastbp.Population([NETS[0], NETS[0].astype("float32")]), ValueError, "same dtype"),
    (lambda: fastbp.Population.of((3, 2), 0), ValueError, "n must be at least 1"),
    (lambda: fastbp.Population.of((3, 2), 2, seed=0), TypeError, "seeds"),
    (lambda: fastbp.Population.of((3, 2), 2, seeds=[1]), ValueError, "seeds must be one for all"),
    (lambda: fastbp.Population.of((3, 2), 2, seeds=[1, -1]), ValueError, r"seeds\[1\]"),
    (lambda: fastbp.Population.of((1000, 1000), 10**9), MemoryError, "networks of"),
]
WRONG_FITS = [
    ({"solver": "lm"}, ValueError, "solver must be one that steps"),
    ({"solver": ["sgd"]}, ValueError, "solver must be one for all, or one for each of 6"),
    ({"learning_rate": [0.1] * 5 + [-1]}, ValueError, "learning_rate"),
    ({"momentum": 0.5}, TypeError, "momentum"),
    ({"lr": 0.5}, TypeError, "learning_rate"),
    ({"callbacks": [print]}, TypeError, "unexpected argument 'callbacks'.*; did you mean 'callback'"),
    ({"batchsize": [1, 2], "solver": ["sgd"]}, TypeError, r"options of solver 'sgd': .*; did you mean 'batch_size'"),
    ({"betas": (0.9, 0.99), "solver": 3}, TypeError, "options of solver 'adam': .*; did you mean 'beta_1'"),
    ({"samples": [np.arange(3)]}, ValueError, "samples must have an array"),
    ({"samples": [np.arange(3)] * 5 + [np.array([N])]}, ValueError, r"samples\[5\] must hold numbers of rows"),
    ({"samples": [np.arange(3)] * 5 + [np.array([0.5])]}, ValueError, r"samples\[5\] must be numbers of rows"),
    ({"samples": [np.arange(3)] * 5 + [np.zeros(0, int)]}, ValueError, r"samples\[5\]"),
    ({"validation": [np.arange(3)] * 5}, ValueError, "validation must have an array"),
    ({"validation": 1.5}, ValueError, "validation"),
    ({"validation": (X, T[:3])}, ValueError, "validation T"),
    ({"sample_weight": np.ones((5, N))}, ValueError, "sample_weight"),
    ({"sample_weight": np.zeros(N)}, ValueError, "sample_weight must have a number that is not 0"),
    ({"sample_weight": -np.ones(N)}, ValueError, "must not be negative"),
    ({"seeds": "a"}, TypeError, "seeds"),
    ({"seeds": -1}, ValueError, "seeds"),
    ({"n_threads": 0}, ValueError, "n_threads"),
    ({"epochs": -1}, ValueError, "epochs"),
]


def test_first_bits_of_many_seeds():
    """NumPy's own, of seeds of one word and of several."""
    seeds = [*range(200), 2**31, 2**32 - 1, 2**32, 2**40, 2**64 - 1, 2**64, 2**127 + 3]
    expected = [int(np.random.PCG64(seed).random_raw()) for seed in seeds]
    assert first_bits(seeds).tolist() == expected
    assert first_bits(seeds[-2:]).tolist() == expected[-2:]


def test_options_that_differ_in_the_learning_rate_are_those_of_each():
    options = {"solver": "sgd", "epochs": 3, "batch_size": 4, "momentum": [0.5, 0.5, 0.9], "schedule": "cosine"}
    rates, seeds = [0.1, 0.02, lambda epoch: 0.1 / (epoch + 1)], [1, 2, 3]
    options |= {"schedule": ["cosine", "linear", "constant"]}
    together, alone = (fastbp.Population.of((3, 5, 2), 3, seeds=0) for _ in range(2))
    together.fit(X, T, learning_rate=rates, seeds=seeds, **options)
    for k, net in enumerate(alone):
        own = {name: value[k] if isinstance(value, list) else value for name, value in options.items()}
        fastbp.Population.fit(one := fastbp.Population([net]), X, T, learning_rate=rates[k], seeds=seeds[k], **own)
        assert np.array_equal(one[0].params, together[k].params)
    with pytest.raises(ValueError, match=r"learning_rate must be"):
        together.fit(X, T, learning_rate=[0.1, 0.2, -1.0])


@pytest.mark.parametrize(("call", "kind", "words"), WRONG, ids=[words for _call, _kind, words in WRONG])
def test_wrong_populations(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize(("options", "kind", "words"), WRONG_FITS, ids=[words for _o, _kind, words in WRONG_FITS])
def test_wrong_fits_change_nothing(options, kind, words):
    pop = fastbp.Population(networks())
    before = pop.params.copy()
    with pytest.raises(kind, match=words):
        pop.fit(X, T, **({"epochs": 1} | options))
    assert np.array_equal(pop.params, before)


def test_parameters_that_are_not_finite():
    pop = fastbp.Population(networks())
    pop[3].params[0] = np.inf
    with pytest.raises(ValueError, match="those of network 3 are not"):
        pop.fit(X, T)


def test_a_function_without_derivative():
    pop = fastbp.Population([NETS[0], fastbp.Network((3, 4, 2), activation="threshold")])
    with pytest.raises(ValueError, match="threshold"):
        pop.fit(X, T)


def test_samples_that_are_the_parameters():
    """Training on views of the weights that it changes is training on what they were."""
    own, apart = (fastbp.Population.of((2, 2, 2), 2, seeds=3, bias=False) for _ in range(2))
    view, copied = own[0].params.reshape(4, 2), own[0].params.reshape(4, 2).copy()
    own.fit(view, view, epochs=3, seeds=0, batch_size=1)
    apart.fit(copied, copied, epochs=3, seeds=0, batch_size=1)
    assert np.array_equal(own.params, apart.params)
