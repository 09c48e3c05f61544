"""Wrong options of fit: the message names the option, and no parameter has changed."""

import re

import numpy as np
import pytest
from cases import Case, draw
from refusals import T, X, refused, with_value

import fastbp

NAN, INF = float("nan"), float("inf")


def name_of(value):
    """Return what a case is called: the same in every process, so without addresses."""
    return re.sub(" at 0x[0-9a-f]+", "", str(value))[:60]


@pytest.fixture
def problem():
    return draw(Case((3, 4, 2), n_samples=6))


FIT_OPTIONS = [
    ({"solver": "addam"}, ["solver", "addam", "adam"]),
    ({"solver": "bfgs"}, ["solver", "bfgs"]),
    ({"solver": None}, ["solver"]),
    ({"epochs": -1}, ["epochs", "-1"]),
    ({"epochs": 2.5}, ["epochs", "2.5"]),
    ({"epochs": "10"}, ["epochs"]),
    ({"batch_size": 0}, ["batch_size", "0"]),
    ({"batch_size": -8}, ["batch_size", "-8"]),
    ({"batch_size": 2.5}, ["batch_size"]),
    ({"batch_size": "all"}, ["batch_size"]),
    ({"learning_rate": -0.1}, ["learning_rate", "-0.1"]),
    ({"learning_rate": NAN}, ["learning_rate", "nan"]),
    ({"learning_rate": INF}, ["learning_rate", "inf"]),
    ({"learning_rate": "fast"}, ["learning_rate"]),
    ({"learning_rate": [0.1]}, ["learning_rate"]),
    ({"learning_rate": lambda epoch: "fast"}, ["learning_rate"]),
    ({"learning_rate": lambda epoch: NAN}, ["learning_rate"]),
    ({"reduction": "avg"}, ["reduction", "avg", "mean", "sum"]),
    ({"shuffle": "no"}, ["shuffle"]),
    ({"seed": -1}, ["seed"]),
    ({"seed": 1.5}, ["seed"]),
    ({"validation": 0.0}, ["validation"]),
    ({"validation": 1.0}, ["validation"]),
    ({"validation": -0.1}, ["validation"]),
    ({"validation": NAN}, ["validation"]),
    ({"validation": 0.99}, ["validation"]),  # leaves no sample for training
    ({"validation": "0.2"}, ["validation"]),
    ({"validation": (X,)}, ["validation"]),
    ({"validation": (X, T, np.ones(6), T)}, ["validation"]),
    ({"validation": (X[:, :2], T)}, ["validation"]),
    ({"validation": (X, T[:3])}, ["validation"]),
    ({"validation": (X[:0], T[:0])}, ["validation"]),
    ({"validation": (X, T, np.ones(3))}, ["validation"]),
    ({"validation": (with_value(X, NAN), T)}, ["validation"]),
    ({"patience": 0}, ["patience"]),
    ({"patience": -3}, ["patience"]),
    ({"patience": 2.5}, ["patience"]),
    ({"tol": -1e-3}, ["tol"]),
    ({"tol": NAN}, ["tol"]),
    ({"tol": "small"}, ["tol"]),
    ({"l2": -1.0}, ["l2"]),
    ({"l2": NAN}, ["l2"]),
    ({"l2": "0.1"}, ["l2"]),
    ({"l1": -1.0}, ["l1"]),
    ({"l1": NAN}, ["l1"]),
    ({"l1": "0.1"}, ["l1"]),
    ({"callback": 3}, ["callback"]),
    ({"callback": [print, 3]}, ["callback"]),
    ({"n_threads": 0}, ["n_threads"]),
    ({"n_threads": -2}, ["n_threads"]),
    ({"n_threads": 1.5}, ["n_threads"]),
    ({"n_threads": "all"}, ["n_threads"]),
    ({"progress": "yes"}, ["progress"]),
    ({"momentun": 0.9, "solver": "sgd"}, ["momentun", "momentum"]),
    ({"momentum": 0.9, "solver": "adam"}, ["momentum", "adam"]),
    ({"momentum": -0.1, "solver": "sgd"}, ["momentum", "-0.1"]),
    ({"momentum": 1.5, "solver": "sgd"}, ["momentum", "1.5"]),
    ({"momentum": "0.9", "solver": "sgd"}, ["momentum"]),
    ({"nesterov": "yes", "solver": "sgd"}, ["nesterov"]),
    ({"beta_1": 1.0}, ["beta_1"]),
    ({"beta_2": -0.1}, ["beta_2"]),
    ({"epsilon": -1e-8}, ["epsilon"]),
    ({"epsilon": NAN}, ["epsilon"]),
    ({"rho": 1.5, "solver": "rmsprop"}, ["rho"]),
    ({"schedule": "cosin"}, ["schedule", "cosin", "cosine"]),
    ({"schedule": 3}, ["schedule"]),
    ({"schedule": "cosine", "learning_rate": lambda epoch: 0.1}, ["schedule", "learning_rate"]),
    ({"schedule": "inverse_scaling", "power": -1.0}, ["power"]),
    ({"schedule": "inverse_scaling", "power": NAN}, ["power"]),
    ({"schedule": "step", "decay": 0.0}, ["decay"]),
    ({"schedule": "step", "decay_epochs": 0}, ["decay_epochs"]),
    ({"warm_up": -1}, ["warm_up"]),
    ({"warm_up": 2, "learning_rate": lambda epoch: 0.1}, ["warm_up", "learning_rate"]),
    ({"solver": "rprop", "eta_minus": 1.5}, ["eta_minus"]),
    ({"solver": "rprop", "eta_plus": 0.9}, ["eta_plus"]),
    ({"solver": "rprop", "step_min": -1.0}, ["step_min"]),
    ({"solver": "rprop", "step_min": 2.0, "step_max": 1.0}, ["step_min"]),
    ({"solver": "rprop", "schedule": "cosine"}, ["schedule", "rprop"]),
    ({"solver": "rprop", "learning_rate": lambda epoch: 0.1}, ["learning_rate", "rprop"]),
]


@pytest.mark.parametrize(
    ("options", "words"), FIT_OPTIONS, ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value))[:60]
)
def test_fit_options(problem, options, words):
    net, inputs, targets, _ = problem
    before = net.params.copy()
    refused(lambda: net.fit(inputs, targets, **options), *words)
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2"])
def test_gradient_threads(problem, n_threads):
    refused(lambda: problem.net.gradient(X, T, n_threads=n_threads), "n_threads")


def test_a_function_for_learning_rates_that_breaks_down_later(problem):
    """A bad rate in a later epoch is an error as well, and leaves finite weights."""
    net, inputs, targets, _ = problem
    refused(
        lambda: net.fit(inputs, targets, epochs=5, learning_rate=lambda e: 0.01 if e < 3 else NAN),
        "learning_rate",
    )
    assert np.all(np.isfinite(net.params))


def test_no_epochs_train_nothing(problem):
    net, inputs, targets, _ = problem
    before = net.params.copy()
    history = net.fit(inputs, targets, epochs=0)
    assert history.n_epochs == 0
    assert history.loss == []
    assert np.array_equal(net.params, before)


def test_numpy_numbers_are_numbers(problem):
    net, inputs, targets, _ = problem
    history = net.fit(
        inputs,
        targets,
        epochs=np.int64(2),
        batch_size=np.int32(3),
        learning_rate=np.float32(0.01),
        seed=np.uint8(3),
    )
    assert history.n_epochs == 2
    built = fastbp.Network(np.array([3, 4, 2]), seed=np.int64(1), init=np.float64(0.1))
    assert tuple(built.sizes) == (3, 4, 2)
