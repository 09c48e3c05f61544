"""What a page of the documentation shows, run: its Python code, and its output beside what is printed."""

import contextlib
import io
import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run_page(path):
    """Run all code of a page in one namespace; return it, and how many blocks of output agreed with the page."""
    names, printed, compared = {"__name__": "__page__"}, "", 0
    for kind, block in _BLOCK.findall(path.read_text(encoding="utf-8")):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as shown:
                exec(compile(block, path.name, "exec"), names)
            printed = shown.getvalue()
        else:
            assert _words(printed) == _words(block), f"{path.name} shows\n{block}\nbut this was printed:\n{printed}"
            compared += 1
    return names, compared


def _words(text):
    return [line.split() for line in text.splitlines() if line.strip()]
