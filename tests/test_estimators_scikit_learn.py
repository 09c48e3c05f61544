"""The estimators among scikit-learn's own tests and tools."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import StackingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from subprocesses import PACKAGE

from fastbp import MLPClassifier, MLPRegressor

# ---------------------------------------------------------------- its tests of these two estimators

THEIR_TESTS = Path(
    importlib.util.find_spec("sklearn.neural_network").submodule_search_locations[0], "tests/test_mlp.py"
)
IMPORT = re.compile(r"^from sklearn\.neural_network import MLPClassifier, MLPRegressor$", re.MULTILINE)
# What scikit-learn's own conftest.py gives its tests.
CONFTEST = """
import pytest

@pytest.fixture
def global_random_seed():
    return 42
"""


def names_of_their_tests():
    tree = ast.parse(THEIR_TESTS.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{name of a test: [(case, what went wrong or None)]}, of one run with the import replaced."""
    folder = tmp_path_factory.mktemp("test_mlp")
    source, n_replaced = IMPORT.subn("from fastbp import MLPClassifier, MLPRegressor", THEIR_TESTS.read_text("utf-8"))
    assert n_replaced == 1
    (folder / "test_mlp.py").write_text(source, encoding="utf-8")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=outcomes.xml", "test_mlp.py"]
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, check=False)
    found = {}
    for case in ElementTree.parse(folder / "outcomes.xml").iter("testcase"):
        wrong = [child.text or child.get("message") for child in case if child.tag in ("failure", "error")]
        found.setdefault(case.get("name").partition("[")[0], []).append((case.get("name"), "\n".join(wrong) or None))
    return found


@pytest.mark.compiled_only
@pytest.mark.parametrize("name", names_of_their_tests())
def test_scikit_learns_own_test(outcomes, name):
    assert outcomes[name], "the test has not run"
    assert [case for case in outcomes[name] if case[1] is not None] == []


def with_checks(*estimators):
    """`parametrize_with_checks` with a list of cases: scikit-learn 1.7 passes a generator, of which pytest 9 warns."""
    mark = parametrize_with_checks(list(estimators)).mark
    return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs)


@pytest.mark.compiled_only
@pytest.mark.filterwarnings("ignore")
@with_checks(MLPClassifier(max_iter=20), MLPRegressor(max_iter=20), MLPRegressor("huber", solver="rprop", max_iter=20))
def test_checks_of_estimators(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- its tools

SMALL = {"hidden_layer_sizes": (8,), "solver": "lbfgs", "random_state": 0, "max_iter": 40}
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)
Y_DIABETES = Y_DIABETES / 100


def test_kinds_and_clones():
    classifier, regressor = MLPClassifier(alpha=0.1, activation=["tanh"]), MLPRegressor("poisson", (3,), "tanh")
    assert is_classifier(classifier)
    assert is_regressor(regressor)
    assert clone(classifier).get_params() == classifier.get_params()
    assert regressor.get_params()["loss"] == "poisson"
    assert regressor.get_params()["hidden_layer_sizes"] == (3,)
    assert "MLPRegressor(activation='tanh'" in repr(regressor)
    assert "MLPClassifier" in classifier._repr_html_()


@quiet
@pytest.mark.compiled_only
def test_grid_search_in_two_processes():
    grid = {"mlpclassifier__alpha": [1e-3, 1e3], "mlpclassifier__hidden_layer_sizes": [(4,), (8,)]}
    search = GridSearchCV(make_pipeline(StandardScaler(), MLPClassifier(**SMALL)), grid, cv=3, n_jobs=2)
    search.fit(X_IRIS, Y_IRIS)
    assert search.best_params_["mlpclassifier__alpha"] == 1e-3
    assert search.best_score_ > 0.9
    assert search.predict(X_IRIS).shape == (150,)


@quiet
@pytest.mark.compiled_only
def test_cross_validation_of_a_pipeline():
    scores = cross_val_score(
        make_pipeline(StandardScaler(), MLPRegressor(**SMALL, alpha=10)), X_DIABETES, Y_DIABETES, cv=3
    )
    assert scores.min() > 0.3


@quiet
@pytest.mark.compiled_only
def test_calibration():
    calibrated = CalibratedClassifierCV(MLPClassifier(**SMALL), cv=3).fit(X_IRIS, Y_IRIS)
    assert calibrated.score(X_IRIS, Y_IRIS) > 0.9
    np.testing.assert_allclose(calibrated.predict_proba(X_IRIS).sum(axis=1), 1.0)


@quiet
@pytest.mark.compiled_only
def test_stacking():
    estimators = [("narrow", MLPRegressor(**SMALL)), ("ridge", RidgeCV())]
    stack = StackingRegressor(estimators, final_estimator=RidgeCV(), cv=3).fit(X_DIABETES, Y_DIABETES)
    assert stack.score(X_DIABETES, Y_DIABETES) > 0.4


@quiet
@pytest.mark.compiled_only
def test_permutation_importance():
    X = np.column_stack([X_IRIS[:, 2], np.random.default_rng(0).normal(size=150)])
    importance = permutation_importance(MLPClassifier(**SMALL).fit(X, Y_IRIS), X, Y_IRIS, n_repeats=3, random_state=0)
    assert importance.importances_mean[0] > 0.3 > 5 * abs(importance.importances_mean[1])


@quiet
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library):
    frames = pytest.importorskip(library)
    names = ["a", "b", "c", "d"]
    frame = frames.DataFrame({name: X_IRIS[:, k] for k, name in enumerate(names)})
    labels = frames.Series(np.array(["setosa", "versicolor", "virginica"])[Y_IRIS])
    short = SMALL | {"max_iter": 3}
    classifier = MLPClassifier(**short).fit(frame, labels)
    plain = MLPClassifier(**short).fit(X_IRIS, Y_IRIS)
    assert np.array_equal(classifier.network_.params, plain.network_.params)
    assert np.array_equal(classifier.predict(frame[:1]), classifier.classes_[plain.predict(X_IRIS[:1])])
    if not hasattr(neural_network.MLPClassifier(**short).fit(frame, labels), "feature_names_in_"):
        assert not hasattr(classifier, "feature_names_in_")  # scikit-learn 1.7 does not see those of a new polars
        return
    assert classifier.feature_names_in_.tolist() == names
    with pytest.warns(UserWarning, match="X does not have valid feature names, but MLPClassifier was fitted with"):
        classifier.predict(X_IRIS[:1])
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame[["b", "a", "c", "d"]])
    classifier.fit(X_IRIS, Y_IRIS)
    assert not hasattr(classifier, "feature_names_in_")


def test_metadata_routing():
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        classifier = MLPClassifier(**SMALL).set_fit_request(sample_weight=True)
        assert "sample_weight" in str(classifier.get_metadata_routing())
