"""The options of `fastbp train`: names, checks, defaults, and one line of help for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from fastbp.activations import ACTIVATIONS
from fastbp.plots import PICTURE_SUFFIXES

Function = TypeVar("Function", bound=Callable[..., Any])


def _hidden_sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """Read "64,64", or "none"."""
    if value.strip().lower() == "none":
        return ()
    try:
        sizes = tuple(int(part) for part in value.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise click.BadParameter(f"expected sizes of 1 or more such as 64,64, or none, got {value!r}")
    return sizes


def output_file(flag: str, *suffixes: str, help: str) -> Callable[[Function], Function]:
    """Make an option for a file to write, refused before any work when it cannot be written.

    Parameters
    ----------
    flag : str
        Name of the option.
    *suffixes : str
        Suffixes allowed; all when none is given.
    help : str
        What is written.
    """

    def check(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        if suffixes and path.suffix not in suffixes:
            raise click.BadParameter(f"{str(path)!r} does not end in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
        if path.is_dir():
            raise click.BadParameter(f"{str(path)!r} is a folder")
        return path

    return click.option(flag, metavar="FILE", type=click.Path(path_type=Path), callback=check, help=help)


_TASKS = click.Choice(["classification", "regression"])
_AT_LEAST_0, _AT_LEAST_1 = click.IntRange(min=0), click.IntRange(min=1)

_DATA_OPTIONS = (
    click.option("--target", metavar="COLUMN", help="Column to predict.  [default: the last one]"),
    click.option(
        "--task",
        type=_TASKS,
        help="[default: classification for text, booleans and few distinct whole numbers]",
    ),
    click.option("--drop", metavar="COLUMN", multiple=True, help="Leave this column out; repeatable."),
    click.option(
        "--test-fraction",
        type=click.FloatRange(0, 0.9),
        default=0.2,
        show_default=True,
        help="Rows held out for the score.",
    ),
)

_NETWORK_OPTIONS = (
    click.option(
        "--hidden",
        metavar="SIZES",
        default="64,64",
        show_default=True,
        callback=_hidden_sizes,
        help="Units of the hidden layers, or none.",
    ),
    click.option(
        "--activation",
        metavar="NAME",
        default="relu",
        show_default=True,
        help=f"Of the hidden layers: {', '.join(ACTIVATIONS)}.",
    ),
)

_TRAINING_OPTIONS = (
    click.option(
        "--solver", metavar="NAME", default="adam", show_default=True, help="adam, sgd, rmsprop or rprop."
    ),
    click.option("--epochs", type=_AT_LEAST_1, default=300, show_default=True, help="Epochs at most."),
    click.option("--batch-size", type=_AT_LEAST_1, help="Samples for a step.  [default: 32; rprop: all]"),
    click.option(
        "--learning-rate", type=click.FloatRange(min=0, min_open=True), help="[default: the solver's]"
    ),
    click.option("--l2", type=click.FloatRange(min=0), default=1e-4, show_default=True, help="Weight decay."),
    click.option(
        "--seed", type=_AT_LEAST_0, default=0, show_default=True, help="Of splits, weights and shuffling."
    ),
    click.option(
        "--patience",
        type=_AT_LEAST_0,
        default=20,
        show_default=True,
        help="Stop after this many epochs without a better validation loss; 0: never.",
    ),
    click.option("--threads", type=_AT_LEAST_1, help="[default: all cores]"),
)

_OUTPUT_OPTIONS = (
    output_file("--out", help="Model file.  [default: DATA's name with .fastbp, in this folder]"),
    output_file("--plot", *PICTURE_SUFFIXES, help="Learning curve.  [default: beside the model, .png]"),
    click.option("--no-plot", is_flag=True, help="Draw no learning curve."),
    click.option("--quiet", is_flag=True, help="Print one line of JSON, and no progress."),
)


def training_options(function: Function) -> Function:
    """Give a command all options of `fastbp train`."""
    options = (*_DATA_OPTIONS, *_NETWORK_OPTIONS, *_TRAINING_OPTIONS, *_OUTPUT_OPTIONS)
    return reduce(lambda decorated, option: option(decorated), reversed(options), function)
