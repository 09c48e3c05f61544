"""What the estimators do themselves, and scikit-learn or NumPy would do slower: with the same results."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sklearn.datasets
import sklearn.neural_network as sk
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_info, threadpool_limits

import fastbp
from fastbp.engine import engine
from fastbp.estimators.labels import scorer_of
from fastbp.estimators.lbfgs import Objective
from fastbp.estimators.network import _template
from fastbp.estimators.orders import Orders, OwnState, random_state, split
from fastbp.kernels.training.scores import score_outputs

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = ("MLPClassifier", "MLPRegressor")


def result_of(function, *args):
    """Lists, or the error's text."""
    try:
        return [part.tolist() for part in function(*args)]
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_splits_are_those_of_train_test_split(kind):
    draw, refused = np.random.default_rng(0), 0
    for seed in range(120):
        n_samples, share = int(draw.integers(5, 60)), [0.1, 0.5, 0.25, float(draw.uniform(0.05, 0.95))][seed % 4]
        targets = (draw.random((n_samples, 1)) < draw.uniform(0.1, 0.9)).astype(float)
        estimator = getattr(fastbp, kind)(validation_fraction=share)
        stratify = targets > 0.5 if kind == "MLPClassifier" else None
        ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)

        def by_scikit_learn(random=theirs, n_samples=n_samples, share=share, stratify=stratify):
            return train_test_split(np.arange(n_samples), random_state=random, test_size=share, stratify=stratify)

        expected, found = result_of(by_scikit_learn), result_of(split, estimator, targets, ours)
        if isinstance(found, str):
            refused += 1
            assert expected == found or (len(expected[1]) == 1 and "validation set is too small" in found)
        else:
            assert found == expected
        assert ours.randint(2**31) == theirs.randint(2**31)
    assert refused < 40


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 31, 32, 33, 700])
def test_orders_are_those_of_shuffle(n):
    theirs, rows = np.random.RandomState(3), np.arange(n) * 2
    with random_state(3) as ours:
        assert type(ours) is OwnState
        orders = Orders(ours, rows, is_shuffled=True)
        found = [orders.next(3).copy()]
        orders.use(2)
        found += [orders.next(5)[:1].copy()]
        orders.use(1)
        found += [orders.next(2).copy()]
        orders.give_back()
        for order in (*found[0], *found[2]):
            theirs.shuffle(rows)
            np.testing.assert_array_equal(order, rows)
        np.testing.assert_array_equal(found[1][0], found[0][2])
        assert ours.randint(2**31) == theirs.randint(2**31)


def test_orders_without_shuffling():
    orders = Orders(np.random.RandomState(0), np.array([4, 2, 0]), is_shuffled=False)
    np.testing.assert_array_equal(orders.next(2), [[4, 2, 0], [4, 2, 0]])


def fitted(kind, targets, X=None):
    X = np.zeros((len(targets), 1)) if X is None else X
    return getattr(fastbp, kind)(hidden_layer_sizes=2, max_iter=1, random_state=0).fit(X, targets)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", ["two", "many", "multilabel", "one"])
def test_accuracy(labels, weighted):
    draw = np.random.default_rng(5)
    y = {
        "two": draw.integers(0, 2, 40), "many": draw.integers(0, 4, 40),
        "multilabel": draw.integers(0, 2, (40, 3)), "one": np.ones(40, int),
    }[labels]  # fmt: skip
    estimator, weight = fitted("MLPClassifier", y), draw.random(40) if weighted else None
    targets = np.asarray(estimator._label_binarizer.transform(y), float)
    outputs = np.clip(targets + draw.normal(0, 0.6, targets.shape), 0, 1)
    outputs[0] = np.nan
    expected = estimator._label_binarizer.inverse_transform(outputs)
    scorer = scorer_of(estimator, estimator._samples(np.zeros((40, 1)), targets, weight))
    found = score_outputs(scorer._replace(outputs=outputs))
    assert found == pytest.approx(accuracy_score(y, expected, sample_weight=weight), rel=1e-14)
    assert (found == 1.0) == (labels == "one")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_r2(n_outputs, weighted):
    draw = np.random.default_rng(6)
    t, weight = draw.normal(0, 1, (40, n_outputs)), draw.random(40) if weighted else None
    if n_outputs == 3:
        t[:, 1] = 2.0
    estimator = fitted("MLPRegressor", t.ravel() if n_outputs == 1 else t)
    scorer = scorer_of(estimator, estimator._samples(np.zeros((40, 1)), t, weight))
    for outputs in (t + draw.normal(0, 0.3, t.shape), t.copy()):
        expected = r2_score(t, outputs, sample_weight=weight)
        assert score_outputs(scorer._replace(outputs=outputs)) == pytest.approx(expected, rel=1e-13)
    outputs[3, 0] = np.inf
    assert np.isnan(score_outputs(scorer._replace(outputs=outputs)))


@pytest.fixture
def small_parts(monkeypatch):
    """Engines that return to Python after few samples."""
    _template.cache_clear()
    for name in ("PART_PRODUCTS", "MIN_PART", "MIN_GRADIENT_PART"):
        monkeypatch.setattr(engine, name, 30)
    yield
    _template.cache_clear()


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("options", [{"solver": "adam"}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_many_samples_are_scored_and_differentiated_in_parts(kind, options):
    X, y = getattr(sklearn.datasets, "load_iris" if kind == "MLPClassifier" else "load_diabetes")(return_X_y=True)
    options = {"hidden_layer_sizes": 4, "max_iter": 6, "random_state": 1, "validation_fraction": 0.3} | options
    if options["solver"] == "adam":
        options |= {"early_stopping": True, "batch_size": 40}
    theirs, ours = getattr(sk, kind)(**options).fit(X, y), getattr(fastbp, kind)(**options).fit(X, y)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
    for our_coef, their_coef in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(our_coef, their_coef, rtol=1e-6, atol=1e-9)
    if options["solver"] == "adam":
        np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-9)


@pytest.mark.parametrize("l1", [0.0, 0.3])
def test_the_objective_is_the_same_in_one_call_and_in_parts(l1):
    draw = np.random.default_rng(2)
    X, t = draw.normal(0, 1, (30, 3)), draw.normal(0, 1, (30, 1))
    estimator = fastbp.MLPRegressor(hidden_layer_sizes=5, alpha=0.2, l1=l1, max_iter=1, random_state=0).fit(X, t[:, 0])
    objective = Objective(estimator, estimator.network_, estimator._samples(X, t, None))
    params = estimator.network_.params.copy()
    in_one, gradient = objective(params), objective.gradient(params)
    assert np.abs(gradient).max() > 0
    objective.is_one_call = False
    assert objective(params) == pytest.approx(in_one, rel=1e-14)
    np.testing.assert_allclose(objective.gradient(params), gradient, rtol=1e-13, atol=1e-16)
    elsewhere = params + 1e-6 * np.sign(gradient)
    np.testing.assert_array_less(0, (objective.gradient(elsewhere) != gradient).sum())
    step = objective(elsewhere) - objective(params)
    assert step == pytest.approx(1e-6 * np.abs(gradient).sum(), rel=1e-3)


IRIS = sklearn.datasets.load_iris(return_X_y=True)


def fit_iris(seed=0, X=IRIS[0], **options):
    options = {"hidden_layer_sizes": 9, "max_iter": 5, "random_state": seed} | options
    return fastbp.MLPClassifier(**options).fit(X, IRIS[1])


def test_a_training_that_diverged_leaves_nothing_behind():
    before = fit_iris()
    with warnings.catch_warnings(), pytest.raises(ValueError, match="non-finite"):
        warnings.simplefilter("ignore")
        fit_iris(X=IRIS[0] * 1e200, solver="sgd", learning_rate_init=1e200)
    after = fit_iris()
    np.testing.assert_array_equal(before.network_.params, after.network_.params)
    assert not np.shares_memory(before.network_.params, after.network_.params)


def test_a_training_within_a_training_draws_numbers_of_its_own():
    alone = [fit_iris(seed).network_.params for seed in (0, 1)]
    inner = []
    outer = fit_iris(0, callback=lambda estimator: inner.append(fit_iris(1).network_.params) and False)
    np.testing.assert_array_equal(outer.network_.params, alone[0])
    assert len(inner) == 5
    for params in inner:
        np.testing.assert_array_equal(params, alone[1])


def test_trainings_of_one_shape_in_threads():
    alone = [fit_iris(seed, early_stopping=seed % 2 == 0).network_.params for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda seed: fit_iris(seed, early_stopping=seed % 2 == 0).network_.params, range(6)))
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_large_network_leaves_no_template_behind():
    X, y = np.ones((4, 300)), np.arange(4.0)
    for hidden, n_kept in ((500, 0), (400, 1)):
        _template.cache_clear()
        fastbp.MLPRegressor(hidden_layer_sizes=hidden, early_stopping=False).partial_fit(X, y)
        assert _template.cache_info().currsize == n_kept


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_lbfgs_keeps_blas_to_one_thread():
    """SciPy's vectors are short: threads for them cost ten times what the gradients do."""
    X, y = sklearn.datasets.load_iris(return_X_y=True)
    seen = []
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        fastbp.MLPClassifier((5,), solver="lbfgs", max_iter=3, callback=lambda _: seen.append(blas_threads())).fit(X, y)
        assert blas_threads() == before
    assert len(seen) == 3
    assert all(n == 1 for threads in seen for n in threads)
