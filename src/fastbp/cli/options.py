"""The options of `fastbp train`: names, checks, defaults, and one line of help for each.

What the library would refuse is refused here, before any file is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from fastbp import checks
from fastbp.activations import ACTIVATIONS
from fastbp.plots import PICTURE_SUFFIXES
from fastbp.solvers import SOLVERS

Function = TypeVar("Function", bound=Callable[..., Any])
Option = Callable[[Function], Function]

TRAINABLE = tuple(name for name in ACTIVATIONS if name != "threshold")  # that one has no derivative


def _checked(check: Callable[..., Any], **bounds: Any) -> Callable[..., Any]:
    """Make an option's callback of one of the library's checks: (value, name of the option, **bounds)."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        try:
            return check(value, argument=param.opts[0], **bounds)
        except ValueError as error:
            raise click.UsageError(str(error), ctx) from None

    return callback


def _hidden_sizes(value: str, argument: str) -> tuple[int, ...]:
    """Read "64,64", or "none"."""
    if value.strip().lower() == "none":
        return ()
    try:
        sizes = tuple(int(part) for part in value.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise ValueError(f"{argument} must be sizes of at least 1 such as 64,64, or none; got {value!r}")
    return sizes


def _writable_file(path: Path, argument: str, suffixes: tuple[str, ...]) -> Path:
    """Return the path of a file that can be written: with one of the suffixes, in a folder that is there."""
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"{argument} must end in {' or '.join(suffixes)}; got {str(path)!r}")
    if not path.parent.is_dir():
        raise ValueError(f"{argument} must be in a folder that is there; got {str(path)!r}")
    if path.is_dir():
        raise ValueError(f"{argument} must be a file; {str(path)!r} is a folder")
    return path


def output_file(flag: str, *suffixes: str, help: str) -> Option[Any]:
    """Make an option for a file to write; with suffixes, one of them is needed."""
    callback = _checked(_writable_file, suffixes=suffixes)
    return click.option(flag, metavar="FILE", type=click.Path(path_type=Path), callback=callback, help=help)


_with_default = partial(click.option, show_default=True)
_COUNT, _POSITIVE = click.IntRange(min=0), click.IntRange(min=1)

_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--target", metavar="COLUMN", help="Column to predict.  [default: the last one]"),
    click.option(
        "--task",
        type=click.Choice(["classification", "regression"]),
        help="[default: classification for text, booleans and few distinct whole numbers]",
    ),
    click.option("--drop", metavar="COLUMN", multiple=True, help="Leave this column out; repeatable."),
    _with_default(
        "--test-fraction",
        type=float,
        default=0.2,
        callback=_checked(checks.number, high=0.9),
        help="Share of the rows that is held out for the score.",
    ),
    _with_default(
        "--hidden",
        metavar="SIZES",
        default="128",
        callback=_checked(_hidden_sizes),
        help="Units of the hidden layers: 128, or 64,64, or none.",
    ),
    _with_default(
        "--activation",
        metavar="NAME",
        default="relu",
        callback=_checked(checks.name_of, known=TRAINABLE),
        help=f"Of the hidden layers: {', '.join(TRAINABLE)}.",
    ),
    _with_default(
        "--solver",
        metavar="NAME",
        default="adam",
        callback=_checked(checks.name_of, known=SOLVERS),
        help=f"One of {', '.join(SOLVERS)}.",
    ),
    _with_default("--epochs", type=_POSITIVE, default=300, help="Epochs at most."),
    click.option("--batch-size", type=_POSITIVE, help="Samples for a step.  [default: 32; rprop: all]"),
    click.option(
        "--learning-rate",
        type=float,
        callback=_checked(checks.number, low_open=True),
        help="[default: the solver's]",
    ),
    _with_default("--l2", type=float, default=0.005, callback=_checked(checks.number), help="Weight decay."),
    _with_default("--seed", type=_COUNT, default=0, help="Of splits, first weights and shuffling."),
    _with_default(
        "--patience",
        type=_COUNT,
        default=30,
        help="Stop after this many epochs without a better validation loss; 0: never.",
    ),
    click.option("--threads", type=_POSITIVE, help="[default: all cores]"),
    output_file("--out", help="Model file.  [default: DATA's name with .fastbp, in this folder]"),
    output_file("--plot", *PICTURE_SUFFIXES, help="Learning curve.  [default: beside the model, .png]"),
    output_file("--checkpoint", help="Keep the training here while it runs."),
    click.option("--resume", is_flag=True, help="Go on from --checkpoint, if that file is there."),
    click.option("--no-plot", is_flag=True, help="Draw no learning curve."),
    click.option("--quiet", is_flag=True, help="Print one line of JSON, and no progress."),
)


def training_options(function: Function) -> Function:
    """Give a command all options of `fastbp train`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)
