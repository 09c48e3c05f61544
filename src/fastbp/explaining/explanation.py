"""`Explanation`: one sample's forward pass, delta recursion and gradient, term by term; questions and views."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.explaining import markup, notations, text
from fastbp.explaining.drawn import names_of_units
from fastbp.explaining.explained import Explained
from fastbp.explaining.names import NOTATIONS
from fastbp.explaining.numbers import Numbers
from fastbp.explaining.page import write_page
from fastbp.explaining.paths import MOST_PATHS, Paths, find_paths
from fastbp.explaining.text import Text
from fastbp.explaining.why import why
from fastbp.losses import check_targets


@dataclass(frozen=True, eq=False)
class Explanation(Explained):
    """What `Network.explain` returns: the numbers of a sample as data, and views of them.

    Attributes
    ----------
    numbers : Numbers
        What the kernels computed, as arrays.
    learning_rate : float or None
    notation : str
        "bishop", "layers" or "neurons".
    unit : int or None
        The unit that the views show, None for all.
    names : tuple of str
        What drawings call each unit; "" for none.
    error : float
        E_n.
    units : sequence of Unit
        By number, inputs first, as `net.edges` and `net.layer_units` number them.
    gradient : mapping
        (i, j) -> `Parameter` of the weight from unit i to unit j.
    bias_gradient : mapping
        j -> `Parameter` of the bias of unit j.
    """

    # ------------------------------------------------------------------ questions

    def why(self, j: int | str) -> Text:
        """How (5.56) follows from (5.55) for a unit, with its numbers.

        Parameters
        ----------
        j : int or str
            A unit that is no input; in the notation of neurons also "f1", "f2" ...

        Returns
        -------
        str
        """
        return why(self, self.number_of(j, "j", computed=True))

    def paths(self, i: int | str, j: int | str, most: int = MOST_PATHS) -> Paths:
        """Every way by which the weight from unit i to unit j reaches the error.

        Parameters
        ----------
        i, j : int or str
            The ends of a connection; in the notation of neurons also "x1", "f1" ...
        most : int
            More paths than that are refused: their number grows with the product of the layers' sizes.

        Returns
        -------
        Paths
            A sequence; the sum of its products is `gradient[i, j].value`.
        """
        ends = self.number_of(i, "i"), self.number_of(j, "j", computed=True)
        if ends not in self.gradient:
            raise ValueError(f"i and j must be the ends of a connection; there is none from {i!r} to {j!r}")
        return find_paths(self, *ends, checks.integer(most, "most", minimum=1))

    # ------------------------------------------------------------------ views

    def text(self, *, digits: int = 6, width: int = 100, unit: int | str | None = None) -> str:
        """Write what `str` shows with other digits, in other columns, or of one unit.

        Parameters
        ----------
        digits : int
            Behind the decimal point, where numbers are not very small.
        width : int
            Columns.
        unit : int, str or None
            The unit to show.

        Returns
        -------
        str
            Lines.
        """
        shown = self.unit if unit is None else self.number_of(unit, "unit")
        n_digits = checks.integer(digits, "digits", minimum=1, maximum=17)
        sections = notations.sections(self, n_digits, shown)
        return text.render(sections, checks.integer(width, "width", minimum=40))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        n = self.numbers.net
        size = f"{n.n_units} units, {n.n_params} parameters"
        return f"<Explanation of one sample: {size}, E = {self.error:.6g}; print it>"

    def _repr_html_(self) -> str:
        return markup.html(notations.sections(self, 6, self.unit))

    def latex(self) -> str:
        """Write the same as LaTeX.

        Returns
        -------
        str
            For a document with the packages amsmath and booktabs.
        """
        return markup.latex(notations.sections(self, 6, self.unit))

    def save_html(self, path: str | os.PathLike[str], *, note: str = "") -> None:
        """Write one self-contained page on which the network can be played with.

        A slider steps through the forward pass, the error, the delta recursion layer by layer, the gradient and
        the update; a click on a unit or a connection shows its equation with its numbers. It needs no network. Of more
        than 200 units, 24 in a layer, or 3,000 connections those are drawn that matter most: the units of each layer
        with the largest delta, or, with `unit`, that one with those that send most to it and those by which most comes
        back.

        Parameters
        ----------
        path : str or path
            The file, .html.
        note : str
            A sentence below the heading: what the sample is.

        Raises
        ------
        ValueError
            For a network of more layers than units can be drawn, unless a unit is picked.
        """
        write_page(self, checks.file_path(path), note)


def explain(
    net: Any, sample: tuple[Any, Any], learning_rate: float | None, notation: str, unit: int | str | None, names: Any
) -> Explanation:
    """Check the arguments of `Network.explain`, and ask the kernels."""
    net._check_differentiable("explain")
    checks.name_of(notation, NOTATIONS, "notation")
    rate = None if learning_rate is None else checks.number(learning_rate, "learning_rate")
    x, t = _one(sample[0], "x", net.n_inputs, net.dtype), _one(sample[1], "t", net.n_outputs, net.dtype)
    check_targets(net.loss_name, t, "t")
    called = names_of_units(net, names)
    found = Explanation(Numbers.of_sample(net, x, t), rate, notation, names=called)
    return found if unit is None else replace(found, unit=found.number_of(unit, "unit"))


def _one(values: Any, argument: str, size: int, dtype: np.dtype) -> Any:
    """One sample, (size,) or (1, size), as a row; a single number if there is but one."""
    array = checks.numeric(values, argument)
    if array.shape not in ((size,), (1, size)) and not (array.ndim == 0 and size == 1):
        raise ValueError(f"{argument} must be one sample of shape ({size},); got shape {array.shape}")
    return checks.finite(array.reshape(1, size), argument, dtype)
