"""The progress bar of a training."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column as RichColumn

from fastbp.cli.terminal import make_console

if TYPE_CHECKING:
    from fastbp import History, Network

REFRESH_SECONDS = 0.1


class TrainingBar:
    """A progress bar as a callback of `Network.fit`: redrawn ten times a second at most, gone at the end.

    Parameters
    ----------
    epochs : int
        Epochs at most.
    n_samples : int
        Samples in an epoch.
    shown : bool
        False: draw nothing.
    """

    def __init__(self, epochs: int, n_samples: int, shown: bool) -> None:
        self._epochs = epochs
        self._n_samples = n_samples
        self._drawn = 0.0
        # The rate is taken from here on: from the start, and soon from the end of the first epoch, which may
        # have waited for the compiler.
        self._since, self._epochs_before = time.perf_counter(), 0
        self._progress = Progress(
            TextColumn("{task.description}", table_column=RichColumn(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}", table_column=RichColumn(no_wrap=True)),
            console=make_console(stderr=True),
            auto_refresh=False,
            expand=True,
            transient=True,
            disable=not shown,
        )
        self._task = self._progress.add_task("compiling or loading the kernels", total=epochs, facts="")

    def __enter__(self) -> TrainingBar:
        """Draw the empty bar."""
        self._progress.start()
        self._progress.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """Show what is going on where no epoch tells it."""
        self._progress.update(self._task, description=text, total=None, refresh=True)

    def __call__(self, net: Network, history: History) -> None:
        """Take notice of an epoch."""
        now = time.perf_counter()
        if now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            self._progress.update(
                self._task,
                description=f"epoch {history.n_epochs}/{self._epochs}",
                completed=history.n_epochs,
                facts=self._facts(history, now),
                refresh=True,
            )
        if self._epochs_before == 0:
            self._since, self._epochs_before = now, history.n_epochs

    def _facts(self, history: History, now: float) -> str:
        n = history.n_epochs
        seconds = max(now - self._since, 1e-9) / (n - self._epochs_before)
        validation = f"  validation {history.validation_loss[-1]:.4f}" if history.validation_loss else ""
        left = duration(seconds * (self._epochs - n))
        return f"loss {history.loss[-1]:.4f}{validation}  {si(self._n_samples / seconds)} samples/s  {left} left"


def si(number: float) -> str:
    """Write a number with three digits and k, M or G."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g}{letter}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """Write seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
