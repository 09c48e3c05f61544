"""Every link within the site leads to a file that is there, and to a place in it: checked at the end of each build.

Without a network: links to other sites are not followed.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.errors import ExtensionError


class Page(HTMLParser):
    """The places of a page that can be led to, and the links that lead from it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the identifiers and the addresses of an element."""
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.places.add(value or "")
            elif name in ("href", "src") and value:
                self.links.add(value)


def broken_links(site: Path) -> list[str]:
    """Return "page: link" for each link that leads nowhere."""
    pages = {
        path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if "_static" not in path.parts
    }
    return [
        f"{path.relative_to(site)}: {link}"
        for path, page in sorted(pages.items())
        for link in sorted(page.links)
        if not _is_there(link, path, pages)
    ]


def _is_there(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].places


def check(app: Any, exception: Exception | None) -> None:
    """End the build with an error if a link is broken."""
    if exception is None and app.builder.format == "html" and (broken := broken_links(Path(app.outdir).resolve())):
        raise ExtensionError("links that lead nowhere:\n  " + "\n  ".join(broken))


def setup(app: Any) -> dict[str, Any]:
    """Check when a build is finished."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
