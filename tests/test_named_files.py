"""Files that documents, docstrings and comments name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    path
    for folder, pattern in ((".", "*.md"), ("docs", "*.md"), ("src", "**/*.py"), ("tests", "*.py"),
                            ("benchmarks", "**/*.py"), ("examples", "**/*.py"))
    for path in (ROOT / folder).glob(pattern)
    if path.name not in ("CHANGELOG.md", Path(__file__).name)
)  # fmt: skip
FILES = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")}
ENDS = {"/".join(parts[k:]) for parts in (name.split("/") for name in FILES) for k in range(len(parts))}
NAME = re.compile(r"(?<![\w./{<*-])((?:\w+/)*\w+\.py)\b")
# Names that stand for a user's own files, for files that a test makes, or that another project has.
OTHERS = {"a.py", "b.py", "below/a.py", "edited.py", "kept.py", "pool.py", "skips.py", "twins.py", "unreadable.py",
          "test_mlp.py", "kernels/nothing.py", "tests/test_mlp.py"}  # fmt: skip


def unknown(text):
    """Return the files that a text names and nobody has."""
    return sorted({name for name in NAME.findall(text) if name not in ENDS and name not in OTHERS})


def test_texts_are_found():
    assert len(TEXTS) > 200
    assert unknown("see `kernels/tables.py`, nowhere/tables.py, and `no_such.py`") == [
        "no_such.py",
        "nowhere/tables.py",
    ]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_named_files_are_there(path):
    assert unknown(path.read_text(encoding="utf-8")) == []
