"""Lines of the package's source in a page, found by the number of the equation that stands beside them.

    ```{source-lines}
    kernels/derivation.py backward (5.56)
    ```

shows the lines of the function `backward` that have (5.56) in a comment, with a link to each in a copy of the file.
A reference that nothing answers to is an error of the build, and of a test: it cannot go stale. Plain Markdown shows
the reference itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

PACKAGE = Path(__file__).parents[2] / "src" / "fastbp"
_REFERENCE = re.compile(r"^(?P<path>[\w/]+\.py)(?: (?P<function>\w+))? (?P<marker>\([\d.]+\))$")
logger = logging.getLogger(__name__)


class Lines(NamedTuple):
    """Some lines of a file: its path in the package, the function that they are in, the number of the first."""

    path: str
    function: str
    first: int
    code: str


def find(reference: str) -> list[Lines]:
    """Return the lines that a reference means: those of code, or of a function's docstring if no other has the number.

    Parameters
    ----------
    reference : str
        "path function (number)", or "path (number)" for a whole file.

    Raises
    ------
    ValueError
        If there is no such file, function or number.
    """
    match = _REFERENCE.match(reference.strip())
    if match is None:
        raise ValueError(f"a reference is 'path function (number)'; got {reference!r}")
    path, function, marker = match["path"], match["function"], match["marker"]
    if not (PACKAGE / path).is_file():
        raise ValueError(f"{reference!r}: there is no {path}")
    text = (PACKAGE / path).read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    for name, start, end in _functions(text):
        if function in (None, name):
            numbers = [number for number in range(start, end + 1) if marker in lines[number - 1]]
            besides = [number for number in numbers if not lines[number - 1].strip().startswith('"""')]
            found += [Lines(path, name, *_around(lines, number, start)) for number in besides or numbers]
    if not found:
        raise ValueError(f"{reference!r}: no line has {marker}" + (f" in {function}" if function else ""))
    return found


def _functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.lineno, node.end_lineno or node.lineno


def _around(lines: list[str], number: int, start: int) -> tuple[int, str]:
    """The line itself; with the one below for a comment, with the function's head for its docstring."""
    first = last = number
    line = lines[number - 1].strip()
    if line.startswith("#"):
        while lines[last - 1].strip().startswith("#"):
            last += 1
    elif line.startswith('"""'):
        first = start
    chosen = lines[first - 1 : last]
    indent = min(len(line) - len(line.lstrip()) for line in chosen)
    return first, "\n".join(line[indent:] for line in chosen)


def page_of(path: str) -> str:
    """Return the name of the page that has a copy of a file."""
    return f"source/{path.removesuffix('.py')}"


class SourceLines(Directive):
    """The directive: a reference in each line of its content."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return a block of code for each place, below a link to it."""
        env, box = self.state.document.settings.env, nodes.container(classes=["source-lines"])
        if not hasattr(env, "fastbp_sources"):
            env.fastbp_sources = {}
        for reference in filter(None, map(str.strip, self.content)):
            try:
                found = find(reference)
            except ValueError as error:
                logger.warning("%s", error, location=(env.docname, self.lineno))
                continue
            for lines in found:
                env.fastbp_sources.setdefault(env.docname, set()).add(lines.path)
                box += _link(env.docname, lines), nodes.literal_block(lines.code, lines.code, language="python")
        return [box]


def _link(docname: str, lines: Lines) -> nodes.paragraph:
    uri = relative_uri(docname + ".html", page_of(lines.path) + ".html") + f"#L-{lines.first}"
    text = f"{lines.path}, {lines.function}, line {lines.first}"
    return nodes.paragraph("", "", nodes.reference("", text, refuri=uri, internal=True))


def copies(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page with numbered lines for each file that some page shows lines of."""
    formatter = HtmlFormatter(linenos="inline", linespans="L", cssclass="highlight source-page")
    named = getattr(app.env, "fastbp_sources", {})
    for path in sorted(set().union(*named.values())):
        code = highlight((PACKAGE / path).read_text(encoding="utf-8"), PythonLexer(stripnl=False), formatter)
        yield page_of(path), {"title": f"fastbp/{path}", "body": f"<h1>fastbp/{path}</h1>\n{code}"}, "page.html"


def setup(app: Any) -> dict[str, Any]:
    """Register the directive, and the copies of the files."""
    app.add_directive("source-lines", SourceLines)
    app.connect("html-collect-pages", copies)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
