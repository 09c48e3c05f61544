"""The pages of the documentation: what they show is run, what they name is there."""

import importlib.util
import re
import runpy

import pytest
from pages import DOCS, run_page

from fastbp.activations import ACTIVATIONS

if not DOCS.exists():
    pytest.skip("an installed package has no documentation beside its tests", allow_module_level=True)

# Pages whose examples are run here, with the number of outputs that they show; and those of test_docs.py.
PAGES = {
    "index": 1, "start": 1, "backpropagation": 3, "regression": 4, "classification": 3, "streams": 4, "saving": 1,
    "own-functions": 5, "moving": 2, "checkpoints": 0, "populations": 0, "second-order": 0, "scale": 1,
}  # fmt: skip
ELSEWHERE = {"explain", "export", "import", "irregular", "jit", "scikit-learn"}


def extension(name):
    """A module of the site's own."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
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


def test_every_page_with_code_is_run():
    with_code = {page.stem for page in DOCS.glob("*.md") if "\n```python\n" in page.read_text(encoding="utf-8")}
    assert with_code == {*PAGES} | ELSEWHERE


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
    explained = printed[printed.index("BACKWARD") :]
    assert re.search(r"h' = 1\.000000", printed) and not re.search(r"delta = .* = [+-]?0\.000000$", explained, re.M)


def test_every_equation_leads_to_lines_of_the_source():
    module, found = extension("equations"), {}
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
        extension("equations").find(reference)


def test_links_of_the_pages_lead_to_files():
    """As plain Markdown: what is there only in the site can't be followed where the files stand."""
    for page in [*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_drawing_of_the_rooms_is_understood():
    pytest.importorskip("sphinx")
    flowchart, text = extension("flowchart"), (DOCS / "architecture.md").read_text(encoding="utf-8")
    (drawing,) = re.findall(r"^```mermaid\n(.*?)^```", text, re.M | re.S)
    chart = flowchart.read(drawing)
    rows, _ = flowchart.rows_of(chart)
    row_of = {name: k for k, row in enumerate(rows) for name in row}
    assert set(chart.boxes) <= set(row_of) and all(row_of[a] < row_of[b] for a, b in chart.arrows)
    svg = flowchart.svg(drawing)
    assert svg.count("<rect") == len(chart.boxes) > 15
    assert svg.count('class="head"') == len(chart.arrows)
    for wrong in ("flowchart LR", "flowchart TD\na --- b", 'flowchart TD\na["A"]\na --> b', LOOP):
        with pytest.raises(ValueError, match=r"begins with|a box or a chain|not there|in a circle"):
            flowchart.svg(wrong)


LOOP = """flowchart TD
a["A"]
b["B"]
a --> b --> a
"""


def test_a_missing_extra_of_the_site_is_named(monkeypatch):
    errors = pytest.importorskip("sphinx.errors")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numpydoc" else found(name))
    with pytest.raises(errors.ConfigError, match=r"needs numpydoc.*\[docs\]"):
        runpy.run_path(str(DOCS / "conf.py"))


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
