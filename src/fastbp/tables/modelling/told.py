"""What a model file tells of the settings that were tried, and of rows that networks have not seen."""

from __future__ import annotations

import msgspec

from fastbp.tables.cells.errors import counted


class TriedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings in words, the epochs of the last round that they came to, and their score on unseen rows there."""

    settings: str
    epochs: int
    score: float | None


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was tried on a table: the best first, then the `usual` settings, on the same rows."""

    metric: str
    n_settings: int
    n_fits: int
    seconds: float
    chosen: TriedSettings
    usual: TriedSettings
    tried: tuple[TriedSettings, ...]

    def __str__(self) -> str:
        what = f"{counted(self.n_settings, 'setting')} on {counted(self.n_fits, 'network')} in {self.seconds:.1f} s"
        best = f"best {self.chosen.settings}: {_score(self.chosen, self.metric)} on rows not seen"
        so_far = f" after {self.usual.epochs} epochs" if self.usual.epochs < self.chosen.epochs else ""
        usual = f"the usual {self.usual.settings}: {_score(self.usual, self.metric)}{so_far}"
        is_usual = self.chosen.settings == self.usual.settings
        return f"{what}; {best}{', which is the usual' if is_usual else f'; {usual}'} (--no-tune: the usual)"


class OutOfFold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The score of all training rows, each by a network that has not seen it, and its standard error."""

    metric: str
    value: float | None
    error: float | None

    def __str__(self) -> str:
        metric = "accuracy" if self.metric == "accuracy" else "R2"
        if self.value is None:
            return ""
        error = "" if self.error is None else f" +- {self.error:.4f}"
        return f"{metric} {self.value:.4f}{error} on the training rows, each by a network that has not seen it"


def _score(tried: TriedSettings, metric: str) -> str:
    return f"{metric} {'-' if tried.score is None else f'{tried.score:.4f}'}"
