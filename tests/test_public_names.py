"""What users may rely on, by name: whoever takes one away, or adds one, changes this list with open eyes."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import fastbp

NAMES = {
    "fastbp.dask": {"arrays", "fit", "gradient"},
    "fastbp.data": {"Partitions", "arrays", "csv", "memmap", "parquet", "partitions"},
    "fastbp.exchange": {
        "from_fann", "from_keras", "from_matlab", "from_neuralnet", "from_nnet", "from_onnx", "from_pytorch",
        "from_sklearn",
    },
    "fastbp.jit": {"forward", "gradient", "hessian_product", "input_gradient", "jacobian", "with_params"},
    "fastbp.neat": {"ACTIVATIONS", "from_genome", "population", "write_back"},
    "fastbp.plots": {
        "Recorder", "confusion_matrix", "decision_boundary", "error_signal", "histograms", "importance",
        "learning_curve", "network", "olden", "regression", "residuals", "save_error_signal",
    },
}  # fmt: skip
TOP = {
    "Activation", "GradientCheck", "History", "Loss", "MLPClassifier", "MLPRegressor", "Network", "Population",
    "ScheduleDescription", "SelfCheck", "TableEncoder", "TrainingWarning", "Tuned", "__version__", "check_gradient",
    "describe_schedule", "embedded", "self_check", "show_versions", "tune", "warm_up",
}  # fmt: skip
# Attributes of a network that other modules of the package use, and nobody else need know.
OWN = {
    "assemble", "check_data", "check_inputs", "check_loss_has_bend", "check_samples", "curvature_term",
    "few_outputs",
    "functions_without_bend", "has_softmax",
    "is_given_by_edges", "layer_functions", "loss_function", "new_curvature", "online_memory", "own_curvature",
    "topology", "twin",
    "unit_activations", "wiring", "with_attributes_of", "with_output",
}  # fmt: skip
PAGE = Path(__file__).parents[1] / "docs" / "stability.md"
REFERENCE = PAGE.with_name("reference.md")
CITATION = Path(__file__).parents[1] / "CITATION.cff"


def test_the_package_has_these_names():
    assert set(fastbp.__all__) == TOP
    assert sorted(set(fastbp.__all__), key=str.lower) == sorted(fastbp.__all__, key=str.lower)
    for name in fastbp.__all__:
        assert getattr(fastbp, name) is not None


@pytest.mark.parametrize("module", NAMES)
def test_rooms_have_these_names(module):
    room = importlib.import_module(module)
    if module in ("fastbp.dask", "fastbp.data", "fastbp.exchange", "fastbp.neat"):
        assert set(room.__all__) == NAMES[module]
    for name in NAMES[module]:
        assert callable(getattr(room, name)) or isinstance(getattr(room, name), dict)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = room.from_nowhere


def names_in(line):
    """Return what stands between backquotes, without the module."""
    return set(re.findall(r"`(\w+)`", line))


@pytest.mark.skipif(not PAGE.exists(), reason="an installed package has no docs beside its tests")
def test_the_page_of_what_stays_has_the_same_names():
    text = PAGE.read_text()
    rows = dict(re.findall(r"^\| `(fastbp[.\w]*)` \| (.*) \|$", text, re.M))
    assert {module: names_in(row) for module, row in rows.items()} == NAMES | {"fastbp": TOP}
    listed = names_in(text[text.index("Of `Network`:") + 13 : text.index("So are the names")])
    assert listed == {name for name in dir(fastbp.Network) if not name.startswith("_")} - OWN


@pytest.mark.skipif(not REFERENCE.exists(), reason="an installed package has no docs beside its tests")
def test_the_reference_has_each_of_them():
    text = REFERENCE.read_text(encoding="utf-8")
    names = {f"fastbp.{name}" for name in TOP - {"__version__"}}
    names |= {f"{module}.{name}" for module, rest in NAMES.items() for name in rest}
    assert names <= set(re.findall(r"\bfastbp(?:\.\w+)+", text))


@pytest.mark.skipif(not CITATION.exists(), reason="an installed package has no citation beside its tests")
def test_the_citation_has_the_version_of_the_project():
    project = (CITATION.parent / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.*)"', project, re.M)
    assert f"\nversion: {version}\n" in CITATION.read_text()


def test_a_generator_as_seed():
    X = np.random.default_rng(0).normal(size=(20, 2))
    first, second = (np.random.default_rng(7) for _ in range(2))
    nets = [fastbp.Network((2, 4, 1), seed=draw) for draw in (first, second)]
    for net, draw in zip(nets, (first, second), strict=True):
        net.fit(X, X[:, 0], epochs=2, batch_size=5, seed=draw)
    assert np.array_equal(nets[0].params, nets[1].params)
    assert not np.array_equal(fastbp.Network((2, 4, 1), seed=first).params, nets[0].params)
    assert first.bit_generator.state != np.random.default_rng(7).bit_generator.state
