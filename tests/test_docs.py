"""What the documentation shows is run."""

import contextlib
import doctest
import importlib
import io
import re
from pathlib import Path

import pytest
from cases import COMPILED

README = Path(__file__).parents[1] / "README.md"
JIT = README.parent / "docs" / "jit.md"
IRREGULAR = README.parent / "docs" / "irregular.md"
EXPLAIN = README.parent / "docs" / "explain.md"
DOCTESTED = [
    "fastbp", "fastbp.activations", "fastbp.data.arrays", "fastbp.data.sums", "fastbp.estimators.classifier",
    "fastbp.estimators.regressor",
    "fastbp.explaining.digits", "fastbp.explaining.gradient_check", "fastbp.explaining.network",
    "fastbp.explaining.schedule", "fastbp.exporting.network", "fastbp.jit", "fastbp.model.callable_network",
    "fastbp.model.computing", "fastbp.network", "fastbp.plots.importance",
    "fastbp.model.rewiring", "fastbp.tables.preparing.transformer",
]  # fmt: skip


@pytest.mark.compiled_only
@pytest.mark.parametrize("name", DOCTESTED)
def test_examples_of_docstrings(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.skipif(not COMPILED, reason="needs compiled kernels")
@pytest.mark.skipif(not README.exists(), reason="an installed package has no README beside its tests")
def test_example_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(code, names)
    assert "4-32-32-1" in "-".join(map(str, names["net"].sizes))
    assert "tanh" in shown.getvalue()
    assert names["history"].validation_loss[-1] < 0.1 * names["history"].validation_loss[0]
    assert (tmp_path / "surface.fastbp").exists()


@pytest.mark.skipif(not JIT.exists(), reason="an installed package has no documentation beside its tests")
def test_examples_of_the_page_on_compiled_code():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", JIT.read_text(encoding="utf-8"), re.DOTALL):
        if COMPILED or "cfunc" not in code:
            exec(code, names)
    X, net = names["X"], names["net"]
    assert names["path"].shape == (101, 2)
    assert names["errors"].shape == (8,)
    E, grad = net.gradient(X, names["T"])
    assert names["E"] == pytest.approx(E)
    assert names["grad"] == pytest.approx(grad)


@pytest.mark.compiled_only
@pytest.mark.skipif(not README.exists(), reason="an installed package has no documentation beside its tests")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_example_of_the_estimators(capsys):
    text = (README.parent / "docs/scikit-learn.md").read_text(encoding="utf-8")
    one, several = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(one, names)
    assert names["classifier"].score(names["X_test"], names["y_test"]) > 0.95
    assert "gelu" in capsys.readouterr().out
    exec(several, names)
    assert names["several"].oof_score_ > 0.4
    assert names["spread"].min() > 0


@pytest.mark.skipif(not COMPILED, reason="needs compiled kernels")
@pytest.mark.skipif(not IRREGULAR.exists(), reason="an installed package has no documentation beside its tests")
def test_examples_of_irregular_networks():
    pytest.importorskip("networkx")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", IRREGULAR.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    assert 0 < len(names["sparse"].edges) < len(names["dense"].edges)
    assert len(names["halved"].edges) == len(names["dense"].edges) // 2
    assert names["unit_order"](names["G"]) == ["height", "width", "hidden", "area"]
    assert names["net"].unit_functions == ("gelu", "identity")


@pytest.mark.compiled_only
@pytest.mark.skipif(not README.exists(), reason="an installed package has no documentation beside its tests")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("page", ["export", "import"])
def test_examples_of_taking_networks_out_and_in(page, tmp_path, monkeypatch):
    if page == "export":
        pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    text, names = (README.parent / f"docs/{page}.md").read_text(encoding="utf-8"), {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    if page == "import":
        assert names["difference"] < 1e-13
    else:
        assert names["same"].params.tolist() == names["net"].params.tolist()
        written = "".join((tmp_path / name).read_text() for name in ("surface.c", "surface_16.c"))
        assert all(prototype in written for prototype in re.findall(r"^void .*?;", text, re.M))
        assert 0 < names["bound"] < 0.1


@pytest.mark.skipif(not EXPLAIN.exists(), reason="an installed package has no documentation beside its tests")
def test_examples_of_explanations(tmp_path, monkeypatch, capsys):
    """The code runs, and what the page shows of its output is there, line by line."""
    monkeypatch.chdir(tmp_path)
    text, names = EXPLAIN.read_text(encoding="utf-8"), {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    printed = capsys.readouterr().out
    for block in re.findall(r"```\n(.*?)```", text.replace("```python", "```\0"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("  "):
                assert " ".join(line.split()) in " ".join(printed.split()), line
    ex, unit = names["ex"], names["unit"]
    assert names["total"] == pytest.approx(unit.a)
    assert names["delta"] == pytest.approx(unit.delta)
    assert names["by_hand"] == pytest.approx(ex.gradient[0, 2].value)
    assert "inputs of very different scales" in names["names"]
    assert "targets outside the range of the outputs" in names["names"]
    for page in ("explained", "large", "unit_70"):
        assert (tmp_path / f"{page}.html").stat().st_size > 10_000
