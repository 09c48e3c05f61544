"""What happened in a training."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(repr=False)
class History:
    """What happened in a training.

    Attributes
    ----------
    loss : list of float
        Mean of weight_n E_n over the samples of each epoch, each sample as it was before its step; of minimisers, after
        the epoch's step.
    validation_loss : list of float, or None
        The same of the validation set, after each epoch; NaN after those for which it was not taken.
    stopped_by : str
        "epochs", "goal", "patience", "tol", "callback", "not finite" or "interrupt"; "GL", "P" or "PQ", rules of
        `fit(stop=...)`; of minimisers also "min_gradient", "mu_max", and "no step": none was found that makes the loss
        smaller; of `fit_evidence` "settled".
    best_epoch : int or None
        Number (from 0) of the epoch with the lowest loss, of validation if there is one.
    time : float
        Seconds.
    mu : list of float, or None
        Damping of Levenberg and Marquardt's minimiser after each epoch, in units of the largest element of the first
        Hessian's diagonal.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] | None = None
    stopped_by: str = "epochs"
    best_epoch: int | None = None
    time: float = 0.0
    mu: list[float] | None = None

    def __repr__(self) -> str:
        """A line: epochs, seconds, first and last losses, the best epoch, why it stopped."""
        said = [f"{self.n_epochs} epoch{'s' * (self.n_epochs != 1)} in {self.time:.3g} s"]
        for name, losses in (("loss", self.loss), ("validation", self.validation_loss or [])):
            if losses:
                said.append(f"{name} {losses[0]:.4g} to {losses[-1]:.4g}")
        if self.best_epoch is not None:
            said.append(f"best epoch {self.best_epoch}")
        return f"History({', '.join(said)}, stopped by {self.stopped_by})"

    def plot(self, path: str | os.PathLike[str] | None = None, *, title: str = "learning curve") -> Figure:
        """Draw the losses over the epochs (needs matplotlib).

        Parameters
        ----------
        path : str or path, optional
            A picture to write, too: .png, .svg or .pdf.
        title : str
            Heading.

        Returns
        -------
        matplotlib.figure.Figure
            Which a notebook shows.
        """
        from fastbp.plots import draw_learning_curve, save

        if not self.loss:
            raise ValueError("there is nothing to plot: no epoch was trained")
        figure = draw_learning_curve(self, title, "loss")
        if path is not None:
            save(figure, Path(path))
        return figure

    @property
    def n_epochs(self) -> int:
        """Number of whole epochs."""
        return len(self.loss)

    @property
    def monitored(self) -> list[float]:
        """The losses that decide when to stop: of validation, or else of training."""
        return self.loss if self.validation_loss is None else self.validation_loss
