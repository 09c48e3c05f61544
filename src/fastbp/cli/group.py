"""How commands answer mistakes: one line on stderr and exit code 2. A traceback is a bug."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from fastbp.cli.terminal import give_up_output, say


class OneLineErrors(click.Group):
    """A group of commands that answers every mistake with one line on stderr."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and exit: 0, 2 after a mistake of the user's, 130 after an interrupt."""
        import sys

        extra["standalone_mode"] = False  # click raises, instead of printing usage and a hint
        try:
            code = super().main(*args, **extra)
        except click.ClickException as error:
            code = _complain(error.format_message())
        except OSError as error:
            if error.filename is None:
                give_up_output()
            code = _complain(f"{error.filename or 'output'}: {error.strerror or error}")
        except MemoryError as error:
            code = _complain(
                f"not enough memory: {error}" if str(error) else "not enough memory for this table and network"
            )
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an interrupt that no command deals with ends it quietly."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            return 130


def _complain(message: str) -> int:
    say(f"error: {message}")
    return 2


@contextmanager
def refusals(kind: type[ValueError]) -> Iterator[None]:
    """Turn errors of a kind into a mistake of the user's; others are bugs, and show their traceback."""
    try:
        yield
    except kind as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def one_line_warnings(silent: bool = False) -> Iterator[list[str]]:
    """Collect warnings, and print each as one line on stderr unless `silent`.

    What the table's owner should know is printed at once. What training warns of is printed when it has
    ended well: otherwise the error says it.
    """
    from fastbp.tables.cells.errors import TableWarning

    messages: list[str] = []
    later: list[str] = []

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        messages.append(" ".join(str(message).split()))
        if issubclass(category, TableWarning):
            echo(messages[-1])
        else:
            later.append(messages[-1])

    def echo(message: str) -> None:
        if not silent:
            say(f"warning: {message}")

    with warnings.catch_warnings():
        for category in (TableWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        warnings.filterwarnings("ignore", ".* encountered in ", RuntimeWarning)  # NumPy's, about single numbers
        warnings.showwarning = show
        yield messages
    for message in later:
        echo(message)
