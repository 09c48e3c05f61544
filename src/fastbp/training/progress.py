"""A progress bar for `fit(..., progress=True)`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastbp.training.history import History


def bar(wanted: bool, n_epochs: int) -> "AbstractContextManager[Callable[[History], None]]":
    """What to call after each epoch: draws a bar on standard error, or does nothing if it is not wanted."""
    return _drawn(n_epochs) if wanted else nullcontext(_nothing)


def _nothing(_history: "History") -> None:
    """Draw nothing."""


@contextmanager
def _drawn(n_epochs: int) -> "Iterator[Callable[[History], None]]":
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError as error:
        raise ImportError('progress=True needs rich: pip install "fastbp[cli]"') from error
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=n_epochs, loss="")

        def show(history: "History") -> None:
            progress.update(task, completed=history.n_epochs, loss=f"loss {history.loss[-1]:.4g}")

        yield show
