"""Lines of the package's source in a page, found by the number of the equation that stands beside them.

    ```{source-lines}
    kernels/derivation.py backward (5.56)
    ```

shows the lines of the function `backward` that have (5.56) in a comment, with a link to each in a copy of the file.
A reference that nothing answers to is an error of the build, and of a test: it cannot go stale. Plain Markdown shows
the reference itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from equations import PACKAGE, Lines, find
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

logger = logging.getLogger(__name__)


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
