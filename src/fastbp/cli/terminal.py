"""What reaches a terminal: one line for a message, and no control character that came with the data.

Names of columns and classes are the data's; a made-up model could hold sequences that a terminal obeys.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_KEPT = "\n"
# Control characters, and those that turn the direction of writing or break lines.
_ODD = [
    chr(k) for k in (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
]
_ESCAPES = {ord(c): c.encode("unicode_escape").decode() for c in _ODD if c not in _KEPT}


def plain(text: str) -> str:
    """Return text with every control character but line feeds written as an escape."""
    escaped = text.translate(_ESCAPES)
    return "".join(c if unicodedata.category(c) != "Cs" else repr(c)[1:-1] for c in escaped)  # halves of a pair


def say(message: str) -> None:
    """Print a message on standard error, as one line."""
    echo(f"fastbp: {' '.join(message.split())}", err=True)


def echo(line: str, err: bool = False) -> None:
    """Print a line on standard output or standard error, in what their encoding has (`_mend_streams`)."""
    print(plain(line), file=sys.stderr if err else sys.stdout, flush=True)


def show_csv(text: str) -> None:
    """Print a table on standard output: as it is for a program, without control characters for a terminal."""
    print(plain(text.replace("\r", "")) if sys.stdout.isatty() else text, end="", flush=True)


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints what it is given, colours it on a terminal only, and escapes control characters."""
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
    from rich.segment import Segment

    class Escaped:
        """A renderable without control characters of its own."""

        def __init__(self, renderable: ConsoleRenderable) -> None:
            self.renderable = renderable

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for segment in console.render(self.renderable, options):
                yield segment if segment.control else Segment(plain(segment.text), segment.style)

    class Escaping(RenderHook):
        """Wraps everything that a console prints."""

        def process_renderables(self, renderables: Iterable[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Escaped(renderable) for renderable in renderables]

    class Failing(Console):
        """A console that lets its user decide what a closed pipe means; rich's own ends the process."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  # rich calls it where it has caught the error

    console = Failing(stderr=stderr, quiet=quiet, markup=False, highlight=False, emoji=False)
    console.push_render_hook(Escaping())
    return console


def give_up_output() -> None:
    """Let standard output go nowhere, once it has failed: what is left in its buffer would fail at the end again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
