"""The pages of the documentation: what they show is run, what they name is there."""

import importlib.util
import re

import pytest
from pages import DOCS, run_page

from fastbp.activations import ACTIVATIONS

if not DOCS.exists():
    pytest.skip("an installed package has no documentation beside its tests", allow_module_level=True)

# Pages whose examples are run here, with the number of outputs that they show; others are in test_docs.py.
PAGES = {
    "index": 1, "start": 1, "backpropagation": 3, "regression": 3, "classification": 3, "streams": 3, "saving": 1,
    "own-functions": 5, "moving": 2,
}  # fmt: skip


def equations():
    """The module that finds lines of the source for the site."""
    spec = importlib.util.spec_from_file_location("equations", DOCS / "_ext" / "equations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.compiled_only
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_comes(page, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    _names, compared = run_page(DOCS / f"{page}.md")
    assert compared == PAGES[page]


@pytest.mark.compiled_only
def test_a_new_user_gets_there(tmp_path, monkeypatch, capsys):
    """The commands of the start page, on the table that it makes: train, predict, explain a row."""
    for needed in ("click", "rich", "polars", "matplotlib"):
        pytest.importorskip(needed)
    from fastbp.cli import main

    monkeypatch.chdir(tmp_path)
    text = (DOCS / "start.md").read_text(encoding="utf-8")
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
    commands = [line.split() for line in re.findall(r"^fastbp .*$", text, re.MULTILINE)]
    assert [words[1] for words in commands] == ["train", "predict", "explain"]
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert ended.value.code in (0, None), words
    printed = capsys.readouterr().out
    assert "score     R2 0.9" in printed
    assert len((tmp_path / "predicted.csv").read_text().splitlines()) == 401
    for equation in ("(5.48)", "(5.49)", "(5.56)", "(5.53)"):
        assert equation in printed


def test_every_equation_leads_to_lines_of_the_source():
    module, found = equations(), {}
    for page in DOCS.glob("*.md"):
        for block in re.findall(r"^```\{source-lines\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for reference in block.splitlines():
                found[reference] = module.find(reference)
    assert len(found) >= 12
    (delta,) = [lines for lines in found["kernels/derivation.py backward (5.56)"] if "w_k[j]" in lines.code]
    line = (module.PACKAGE / delta.path).read_text(encoding="utf-8").splitlines()[delta.first - 1]
    assert line.strip() == delta.code.strip()


@pytest.mark.parametrize("reference", [
    "kernels/derivation.py backward (9.99)", "kernels/derivation.py nothing (5.56)", "kernels/nothing.py (5.56)",
    "kernels/derivation.py", "",
])  # fmt: skip
def test_an_equation_that_is_nowhere_is_an_error(reference):
    with pytest.raises(ValueError, match=r"there is no|no line has|a reference is"):
        equations().find(reference)


def test_every_page_is_in_the_site():
    """Each page stands in the table of contents of another one, and so can be found by reading."""
    listed = set()
    for page in DOCS.glob("*.md"):
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            listed |= {re.sub(r".*<(.*)>", r"\1", line) for line in block.splitlines() if line and line[0] != ":"}
    assert {page.stem for page in DOCS.glob("*.md")} - listed == {"index"}


def test_the_table_of_activation_functions_has_them_all():
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == list(ACTIVATIONS)


@pytest.mark.compiled_only
@pytest.mark.parametrize("example", sorted(p.stem for p in (DOCS.parent / "examples" / "gallery").glob("*.py")))
def test_an_example_of_the_gallery_draws(example, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    pytest.importorskip("sklearn")
    from matplotlib import pyplot

    path = DOCS.parent / "examples" / "gallery" / f"{example}.py"
    before = set(pyplot.get_fignums())
    names = {"__name__": "__gallery__"}
    exec(compile(path.read_text(encoding="utf-8"), path.name, "exec"), names)
    assert set(pyplot.get_fignums()) - before or names.get("frames")
    pyplot.close("all")
