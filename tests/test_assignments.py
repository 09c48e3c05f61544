"""Assignments to a network do what they say, or raise; what a user has added survives; names that others use."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from cases import COMPILED
from hypothesis import given
from hypothesis import strategies as st

import fastbp
from fastbp import losses, other_names, schedules, solvers
from fastbp.activations import ACTIVATIONS, OUTPUTS
from fastbp.model.packed_network import PackedNetwork
from fastbp.structure.initial import SCHEMES


def layered():
    return fastbp.Network((3, 4, 2), skip=[(0, 2)], seed=0)


def of_edges():
    return fastbp.Network.from_edges(2, 1, [(0, 2), (1, 2), (2, 3), (0, 3)], seed=0)


class Own(fastbp.Network):
    """A user's network: with a class attribute, a property, and attributes of its objects."""

    version = 1

    @property
    def doubled(self):
        return 2 * self.factor

    @doubled.setter
    def doubled(self, value):
        self.factor = value / 2


# ---------------------------------------------------------------- items


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_items_of_views_are_set(dtype):
    net = fastbp.Network((3, 4, 2), skip="all", seed=0, dtype=dtype)
    kept = net.weights  # an older list sets the same numbers
    net.weights[0] = np.ones((4, 3))
    net.weights[-1] = [[1, 2, 3, 4], [5, 6, 7, 8]]
    net.biases[0] = np.arange(4)
    net.skip_weights[0, 2] = np.full((2, 3), 7)
    assert (net.weights[0] == 1).all()
    assert np.array_equal(net.weights[1], [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert np.array_equal(net.biases[0], [0, 1, 2, 3])
    assert (net.skip_weights[0, 2] == 7).all()
    kept[0] = np.full((4, 3), 2.0)
    net.weights[0][...] *= 2  # the views themselves can be written
    net.biases[1] += 0.5
    assert (net.weights[0] == 4).all()
    assert (net.biases[1] == 0.5).all()
    assert np.isin(net.params, [0.5, 4, 7, *range(9)]).all()


def test_all_items_are_set_at_once():
    net, other = layered(), fastbp.Network((3, 4, 2), skip=[(0, 2)], seed=1)
    net.weights, net.biases, net.skip_weights = other.weights, other.biases, other.skip_weights
    assert np.array_equal(net.params, other.params)
    net.weights[:] = [0 * view for view in net.weights]
    assert not any(view.any() for view in net.weights)
    net.weights[1:] = [np.ones((2, 4))]
    assert (net.weights[1] == 1).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda net: net.weights.__setitem__(0, np.ones((3, 4))), ValueError, r"weights\[0\] must have shape \(4, 3\)"),
        (lambda net: net.weights.__setitem__(1, np.full((2, 4), np.nan)), ValueError, r"weights\[1\] must be finite"),
        (lambda net: net.weights.__setitem__(0, "ones"), TypeError, r"weights\[0\] must be an array"),
        (lambda net: net.weights.__setitem__(2, np.ones((2, 4))), IndexError, "out of range"),
        (lambda net: setattr(net, "weights", [np.ones((4, 3))]), ValueError, "weights must get 2 arrays.*got 1"),
        (lambda net: setattr(net, "weights", [np.ones((4, 3)), np.ones(3)]), ValueError, r"weights\[1\] must have"),
        (lambda net: setattr(net, "biases", 0.0), TypeError, "biases must be a sequence of arrays"),
        (
            lambda net: net.skip_weights.__setitem__((0, 1), np.ones((4, 3))),
            KeyError,
            r"no item \(0, 1\)",
        ),
        (lambda net: setattr(net, "skip_weights", {}), ValueError, "skip_weights must be a mapping with its keys"),
        (lambda net: net.weights.append(np.ones((2, 2))), TypeError, "weights cannot grow, shrink"),
        (lambda net: net.biases.clear(), TypeError, "biases cannot grow, shrink"),
        (lambda net: net.skip_weights.update({}), TypeError, "skip_weights cannot grow, shrink"),
        (lambda net: net.edges.__setitem__(0, (1, 2)), TypeError, "edges cannot be set: with_mask"),
        (
            lambda net: net.edge_weights.__setitem__(3, 1.0),
            TypeError,
            r"edge_weights\[...\] would change a copy",
        ),
        (lambda net: net.unit_biases.__setitem__(5, 1.0), TypeError, r"unit_biases\[...\] would change a copy"),
        (lambda net: net.edge_weights[:2].__setitem__(0, 1.0), TypeError, "would change a copy"),
        (lambda net: net.edge_weights.fill(0), ValueError, "read-only"),
        (lambda net: net.unit_biases.sort(), ValueError, "read-only"),
        (lambda net: np.add(1, 1, out=net.edge_weights), ValueError, "read-only"),
        (lambda net: net.layer_units[0].__setitem__(0, 1), TypeError, "layer_units cannot be set"),
        (lambda net: net.biased_units.__setitem__(0, 1), TypeError, "biased_units cannot be set"),
        (lambda net: net.unit_activations.__setitem__(0, "relu"), AttributeError, "tuple"),
        (lambda net: net.layer_units.__setitem__(0, 1), AttributeError, "tuple"),
    ],
)
def test_what_would_change_nothing_is_refused(change, error, message):
    net = layered()
    before = net.params.copy()
    with pytest.raises(error, match=message):
        change(net)
    assert np.array_equal(net.params, before)


def test_copies_are_set_as_a_whole():
    net = of_edges()
    w = net.edge_weights.copy()
    w[0] = 5.0
    net.edge_weights = w
    net.edge_weights *= 2
    net.unit_biases += 1
    assert net.edge_weights[0] == 10
    assert np.nansum(net.unit_biases) == 2
    for computed in (w, net.edge_weights * 2, net.edge_weights == w, np.sort(net.edge_weights), copy.copy(net.edges)):
        assert type(computed) is np.ndarray
        assert computed.flags.writeable
    for duplicate in (copy.deepcopy(net.edge_weights), pickle.loads(pickle.dumps(net.edge_weights))):
        assert type(duplicate) is np.ndarray
        assert np.array_equal(duplicate, net.edge_weights)
    assert type(copy.deepcopy(layered().weights)) is list
    assert type(pickle.loads(pickle.dumps(layered().skip_weights))) is dict


# ---------------------------------------------------------------- attributes


SETTABLE = {"params", "weights", "biases", "skip_weights", "edge_weights", "unit_biases"}
PUBLIC = sorted(name for name in {*dir(fastbp.Network), *vars(layered())} if not name.startswith("_"))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_attribute_is_set_or_refused(name):
    net = layered()
    before = {key: value for key, value in vars(net).items() if key != "few_outputs"}
    value = getattr(net, name)
    if name in SETTABLE:
        setattr(net, name, value)  # sets what it is
        with pytest.raises((ValueError, TypeError), match=name):
            setattr(net, name, None)
    else:
        with pytest.raises(AttributeError, match=f"{name} of a Network cannot be set: "):
            setattr(net, name, value)
    assert all(vars(net)[key] is before[key] for key in before if key != "_layer_wiring")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("loss", r"make another network with it, Network\(..., loss=...\)"),
        ("activation", r"Network\(..., activation=...\)"),
        ("lr", r"learning_rate is an argument of fit, net.fit\(X, T, learning_rate=...\)"),
        ("epochs", "epochs is an argument of fit"),
        ("optimizer", "solver is an argument of fit"),
        ("wieghts", "did you mean 'weights'"),
        ("scaler", "attributes of your own go into a subclass"),
        ("edges", "with_mask"),
        ("dtype", "astype"),
    ],
)
def test_the_error_says_what_to_do(name, advice):
    with pytest.raises(AttributeError, match=f"{name}.*{advice}"):
        setattr(layered(), name, "huber")


def test_subclasses_have_attributes_of_their_own():
    net = Own((2, 3, 1), seed=0)
    net.scaler, net.version, net.doubled, net._hidden = {"mean": [1.0]}, 2, 8, 3
    for name in ("loss", "sizes", "engine", "fit"):
        with pytest.raises(AttributeError, match=f"{name} of a Own cannot be set"):
            setattr(net, name, 1)
    net.forward(np.ones((1, 2)))  # fills what is cached
    net.workspace()
    copies = {
        "copy": copy.copy(net),
        "deepcopy": copy.deepcopy(net),
        "pickle": pickle.loads(pickle.dumps(net)),
        "astype": net.astype("float32"),
        "with_mask": net.with_mask(np.ones(len(net.edges), bool)),
        "prune": net.prune(0.0),
        "twin": net.twin(),
    }
    for how, other in copies.items():
        assert type(other) is Own, how
        assert (other.scaler, other.version, other.factor, other._hidden) == ({"mean": [1.0]}, 2, 4, 3), how
        assert other.engine is not net.engine, how
        assert other.trainer is not net.trainer, how
    assert copies["deepcopy"].scaler is not net.scaler
    other = copies["deepcopy"]
    other.params *= 2
    assert not np.array_equal(other.forward(np.ones((1, 2))), net.forward(np.ones((1, 2))))


def test_a_network_that_was_used_has_nothing_of_a_users():
    """What the package keeps in a network is made anew by a copy, not copied."""
    net = layered()
    X, T = np.ones((20, 3)), np.zeros((20, 2))
    net.forward(X[:1]), net.forward(X), net.gradient(X, T), net.fit(X, T, epochs=1), net.workspace(), repr(net)
    assert net.prune(0.1).__getstate__() is None
    assert net.__getstate__() is None
    assert PackedNetwork.__getstate__(of_edges()) is None


@pytest.mark.parametrize("make", [layered, of_edges])
def test_load_of_a_subclass_makes_one(make, tmp_path):
    make().save(tmp_path / "a.fastbp")
    net = Own.load(tmp_path / "a.fastbp")
    assert type(net) is Own
    assert np.array_equal(net.params, make().params)


@pytest.mark.parametrize(
    "call",
    [lambda net: net.load("a.fastbp"), lambda net: net.from_edges(1, 1, [(0, 1)]), lambda net: net.from_networkx(None)],
)
def test_an_object_loads_nothing(call):
    with pytest.raises(TypeError, match=r"makes a new network and changes none; call it of the class: net = Network\."):
        call(layered())
    assert inspect.signature(fastbp.Network.load).parameters.keys() == {"path", "activations"}


# ---------------------------------------------------------------- names that other libraries use


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr", "learning_rate"), ("learning_rate_init", "learning_rate"), ("epoch", "epochs"), ("max_iter", "epochs"),
        ("verbose", "progress"), ("validation_split", "validation"), ("validation_data", "validation"),
        ("weight_decay", "l2"), ("optimizer", "solver"), ("callbacks", "callback"), ("random_state", "seed"),
        ("beta1", "beta_1"), ("eps", "epsilon"), ("n_jobs", "n_threads"), ("batchsize", "batch_size"),
        ("learning_rat", "learning_rate"), ("shufle", "shuffle"), ("chekpoint", "checkpoint"),
    ],
)  # fmt: skip
def test_the_right_argument_of_fit_is_named(given, meant):
    net = layered()
    before = net.params.copy()
    with pytest.raises(TypeError, match=f"fit got an unexpected argument '{given}'.*; did you mean '{meant}'\\?$"):
        net.fit(np.ones((2, 3)), np.ones((2, 2)), **{given: 1})
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize("name", ["loss", "activation", "hidden_layer_sizes", "activations", "init", "skip", "dtype"])
def test_what_a_network_is_made_with_is_no_argument_of_fit(name):
    meant = other_names.canonical(name)
    with pytest.raises(
        TypeError, match=rf"'{name}' .*; {meant} is given in another call: Network\(..., {meant}=...\)$"
    ):
        layered().fit(np.ones((2, 3)), np.ones((2, 2)), **{name: "mse"})


@pytest.mark.parametrize("make", [lambda **o: fastbp.Network((2, 3, 1), **o), lambda **o: Own((2, 3, 1), **o),
                                  lambda **o: fastbp.Network.from_edges(2, 1, [(0, 2)], **o)])  # fmt: skip
def test_the_right_argument_of_a_network_is_named(make):
    for name, meant in {
        "activations": "activation",
        "random_state": "seed",
        "use_bias": "bias",
        "actvation": "activation",
    }.items():
        with pytest.raises(TypeError, match=f"got an unexpected argument '{name}'; did you mean '{meant}'\\?$"):
            make(**{name: 1})
    for name, meant in {"lr": "learning_rate", "epochs": "epochs", "optimizer": "solver"}.items():
        with pytest.raises(
            TypeError, match=rf"'{name}'; {meant} is given in another call: net\.fit\(X, T, {meant}=...\)"
        ):
            make(**{name: 1})
    with pytest.raises(TypeError, match=r"got an unexpected argument 'zzzzzz'$"):
        make(zzzzzz=1)
    with pytest.raises(TypeError, match="'hidden'; did you mean 'sizes'"):
        fastbp.Network(hidden=3)


def test_an_option_of_another_solver_is_called_that():
    for option, solver in (("momentum", "'sgd'"), ("nesterov", "'sgd'"), ("rho", "'rmsprop'"), ("step_max", "'rprop'")):
        with pytest.raises(TypeError, match=f"'{option}' .*, which is an option of solver {solver}$"):
            layered().fit(np.ones((2, 3)), np.ones((2, 2)), **{option: 1})


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"loss": "mse"}, "squared_error"), ({"loss": "MAE"}, "absolute_error"),
        ({"loss": "bce"}, "binary_cross_entropy"),
        ({"loss": "categorical_crossentropy"}, "cross_entropy"), ({"activation": "ReLU"}, "relu"),
        ({"activation": "sigmoid"}, "logistic"), ({"activation": "swish"}, "silu"), ({"output": "linear"}, "identity"),
        ({"init": "xavier"}, "glorot_uniform"), ({"activation": "leaky-relu"}, "leaky_relu"),
    ],
)  # fmt: skip
def test_the_right_name_is_named(options, meant):
    with pytest.raises(ValueError, match=f"did you mean '{meant}'\\?$"):
        fastbp.Network((2, 3, 1), **options)


def test_every_other_name_stands_for_something():
    fit, network = (set(inspect.signature(f).parameters) for f in (fastbp.Network.fit, fastbp.Network))
    options = {option for kind in solvers.SOLVERS.values() for option in kind.options}
    known = {*fit, *network, *options, "nesterov", "schedule", *losses.LOSSES, *ACTIVATIONS, *OUTPUTS}
    known |= {*solvers.SOLVERS, *schedules.FACTORS, *SCHEMES, "mean"}
    assert set(other_names._CALLED) <= known
    others = [other for names in other_names._CALLED.values() for other in names.split()]
    assert len(others) == len(set(others))
    # What is a name here may be another thing's elsewhere, but not the other way round in one table.
    assert not set(others) & {*losses.LOSSES, *OUTPUTS, *solvers.SOLVERS}


@given(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz_0123456789"), min_size=1, max_size=20))
def test_any_unknown_argument_is_named(name):
    known = inspect.signature(fastbp.Network.fit).parameters
    if name in known or name in solvers.options_of_solver("adam") or not name.isidentifier():
        return
    with pytest.raises(TypeError, match=f"fit got an unexpected argument '{name}'"):
        layered().fit(np.ones((2, 3)), np.ones((2, 2)), **{name: 1})


# ---------------------------------------------------------------- a user's activation functions


def test_two_functions_of_one_name_are_refused(tmp_path):
    f = fastbp.Activation("own", lambda a: a * a, lambda a: 2 * a)
    g = fastbp.Activation("own", lambda a: math.sin(a) + a, lambda a: math.cos(a) + 1)
    message = "must have a name for each function; two different ones are 'own'"
    for make in (
        lambda: fastbp.Network((3, 4, 4, 2), activation=[f, g]),
        lambda: fastbp.Network((3, 4, 2), activation=f, output=g),
        lambda: fastbp.Network.from_edges(1, 1, [(0, 1), (1, 2), (2, 3)], activation={1: f, 2: g}),
    ):
        with pytest.raises(ValueError, match=f"activation {message}"):
            make()
    net = fastbp.Network((3, 4, 4, 2), activation=[f, copy.deepcopy(f)], seed=0)  # a copy is the same function
    net.save(tmp_path / "own.fastbp")
    with pytest.raises(ValueError, match=f"activations {message}"):
        fastbp.Network.load(tmp_path / "own.fastbp", activations=[f, g])
    loaded = fastbp.Network.load(tmp_path / "own.fastbp", activations=[f, copy.copy(f)])
    X = np.linspace(-1, 1, 6).reshape(2, 3)
    assert np.array_equal(loaded.forward(X), net.forward(X))


slope = 1.0


def tilted(a):
    return slope * a


def tilted_slope(a):
    return slope + 0 * a


@pytest.mark.skipif(not COMPILED, reason="plain Python reads globals each time")
def test_a_new_activation_has_the_values_that_globals_have_now(monkeypatch):
    values = []
    for monkeypatched in (1.0, 3.0, 1.0):
        monkeypatch.setitem(globals(), "slope", monkeypatched)
        own = fastbp.Activation("tilted", tilted, tilted_slope)
        values.append((own.h(np.ones(1)).item(), own.dh(np.ones(1)).item()))
        monkeypatch.setitem(globals(), "slope", 7.0)
        assert own.h(np.ones(1)) == monkeypatched  # once compiled it stays
    assert values == [(1.0, 1.0), (3.0, 3.0), (1.0, 1.0)]


@pytest.mark.skipif(not COMPILED, reason="plain Python reads variables each time")
def test_a_new_activation_has_the_values_that_variables_around_it_have_now():
    table = np.array([2.0, 0.0])
    factor = 2.0

    def h(a):
        return factor * a + table[1]

    def change(new, second):
        nonlocal factor
        factor, table[1] = new, second

    results = []
    for new, second in ((2.0, 0.0), (2.0, 5.0), (4.0, 5.0)):
        change(new, second)
        results.append(fastbp.Activation("around", h, h).h(np.ones(1)).item())
    assert results == [2.0, 7.0, 9.0]


@pytest.mark.parametrize(
    "copy_of", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), lambda net: net.astype("float32")]
)
def test_a_network_that_has_lost_its_numbers_can_be_copied(copy_of):
    net = fastbp.Network((2, 3, 1), seed=0)
    net.params[4] = np.nan
    assert np.array_equal(copy_of(net).params, net.params.astype(copy_of(net).dtype), equal_nan=True)
