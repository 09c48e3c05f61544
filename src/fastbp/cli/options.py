"""The options of the commands: names, checks, defaults, and one line of help for each.

What the library would refuse is refused here, before any file is read.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from click.shell_completion import CompletionItem

from fastbp import checks
from fastbp.activations import TRAINABLE
from fastbp.cli.contradictions import refuse_contradictions
from fastbp.cli.presetting import preset_option
from fastbp.cli.searching import SEARCH_OPTIONS, search_options
from fastbp.minimiser_options import MINIMISERS
from fastbp.plots import PICTURE_SUFFIXES
from fastbp.schedules import FACTORS
from fastbp.solvers import SOLVERS
from fastbp.tables.cells.errors import shown
from fastbp.tables.preparing.scaling import SCALINGS

Function = TypeVar("Function", bound=Callable[..., Any])
Option = Callable[[Function], Function]

ALL_SOLVERS = (*SOLVERS, *MINIMISERS)
HIDDEN, HIDDEN_OF_MATRICES = (128,), (16,)
LARGEST = 2**31 - 1  # of what is counted: beyond, it is a slip


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
    if min(sizes) < 1 or max(sizes) > LARGEST:
        raise ValueError(f"{argument} must be sizes from 1 to {LARGEST} such as 64,64, or none; got {value[:60]!r}")
    return sizes


def _writable_file(path: Path, argument: str, suffixes: tuple[str, ...]) -> Path:
    """Return the path of a file that can be written: with one of the suffixes, in a folder that is there."""
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"{argument} must end in {' or '.join(suffixes)}; got {str(path)!r}")
    try:
        in_folder, is_folder = path.parent.is_dir(), path.is_dir()
    except OSError as error:
        raise ValueError(f"{argument} {str(path)!r}: {error.strerror or error}") from None
    if not in_folder:
        raise ValueError(f"{argument} must be in a folder that is there; got {str(path)!r}")
    if is_folder:
        raise ValueError(f"{argument} must be a file; {str(path)!r} is a folder")
    return path


def output_file(flag: str, *suffixes: str, help: str) -> Option[Any]:
    """Make an option for a file to write; with suffixes, one of them is needed."""
    callback = _checked(_writable_file, suffixes=suffixes)
    return click.option(flag, metavar="FILE", type=click.Path(path_type=Path), callback=callback, help=help)


def names_of_columns(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Read "A,B": names of columns with commas between them, with quotes around a name that has one."""
    if value is None:
        return ()
    try:
        names = [name.strip() for name in next(csv.reader([value], skipinitialspace=True), [])]
    except csv.Error as error:
        raise click.UsageError(f"{param.opts[0]} must be names such as A,B; got {shown(value)}: {error}") from None
    if not names:
        raise click.UsageError(f"{param.opts[0]} must name a column; got {value!r}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise click.UsageError(f"{param.opts[0]} names {shown(twice[0])} twice")
    return tuple(names)


def complete_data(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete what names a table: a set of scikit-learn, or a file."""
    from fastbp.tables.reading.sources import BUNDLED_SETS

    sets = [CompletionItem(name) for name in BUNDLED_SETS if incomplete and name.startswith(incomplete)]
    return sets or [CompletionItem(incomplete, type="file")]


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the path of a file."""
    return [CompletionItem(incomplete, type="file")]


def _one_of(names: Iterable[str]) -> Callable[..., list[str]]:
    return lambda ctx, param, incomplete: [name for name in names if name.startswith(incomplete)]


_with_default = partial(click.option, show_default=True)
_COUNT, _POSITIVE = click.IntRange(min=0, max=LARGEST), click.IntRange(min=1, max=LARGEST)
_names = partial(click.option, metavar="COLUMNS", callback=names_of_columns)

_READING: tuple[Option[Any], ...] = (
    click.option(
        "--header/--no-header", default=None, help="Whether the first line names the columns.  [default: compared]"
    ),
    click.option("--table", metavar="NAME", help="Table of a database, sheet of a workbook."),
    click.option("--query", metavar="SQL", help="What to ask a database for."),
    click.option("--skip-repeated-header", is_flag=True, help="Leave out rows that repeat the line of names."),
)

_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--target", metavar="COLUMN", help="Column to predict, or several: A,B.  [default: the last one]"),
    click.option(
        "--task",
        type=click.Choice(["classification", "regression"]),
        help="[default: classification for text, booleans and few distinct whole numbers]",
    ),
    click.option("--drop", metavar="COLUMN", multiple=True, help="Leave this column out; repeatable."),
    click.option("--keep-column", metavar="COLUMN", multiple=True, help="Use this column, id or not; repeatable."),
    _names("--categorical", help="Numbers in these columns are codes: A,B."),
    _names("--numeric", help="These columns hold numbers; other values are missing."),
    _with_default(
        "--max-levels",
        type=click.IntRange(min=1, max=100_000),
        default=200,
        help="Categories of a column; rarer ones together.",
    ),
    _with_default(
        "--scaling",
        type=click.Choice(SCALINGS),
        default="standard",
        help="Of numbers: mean and deviation, or median and quartiles, smoothly clipped.",
    ),
    _with_default(
        "--missing",
        type=click.Choice(["fill", "drop", "error"]),
        default="fill",
        help="Fill missing inputs in, leave their rows out, or refuse.",
    ),
    click.option(
        "--dates", type=click.Choice(["day-first", "month-first"]), help="What 1/5/20 means, where no row tells."
    ),
    click.option(
        "--decimal", type=click.Choice(["point", "comma"]), help="What 1.234 has in it, where no column tells."
    ),
    click.option(
        "--censored", type=click.Choice(["limit", "half", "missing"]), help="What to take of values such as <5."
    ),
    click.option("--weight", metavar="COLUMN", help="Weights of the rows."),
    click.option("--class-weight", type=click.Choice(["balanced"]), help="Let rare classes count more."),
    click.option(
        "--loss",
        type=click.Choice(["squared_error", "absolute_error", "huber", "poisson", "cross_entropy"]),
        help="[default: cross_entropy for classes, squared_error for numbers]",
    ),
    click.option(
        "--log-target/--no-log-target",
        default=None,
        help="Learn the target's logarithm.  [default: tried on validation rows]",
    ),
    _with_default(
        "--test-fraction",
        type=float,
        default=0.2,
        callback=_checked(checks.number, high=0.9),
        help="Share of the rows that is held out for the score.",
    ),
    click.option(
        "--hidden",
        metavar="SIZES",
        callback=_checked(_hidden_sizes),
        help="Units of the hidden layers: 64,64, or none.  [default: 128; with --solver lm, --evidence: 16]",
    ),
    _with_default(
        "--activation",
        metavar="NAME",
        default="relu",
        callback=_checked(checks.name_of, known=TRAINABLE),
        shell_complete=_one_of(TRAINABLE),
        help=f"Of the hidden layers: {', '.join(TRAINABLE)}.",
    ),
    _with_default(
        "--solver",
        metavar="NAME",
        default="adam",
        callback=_checked(checks.name_of, known=ALL_SOLVERS),
        shell_complete=_one_of(ALL_SOLVERS),
        help=f"One of {', '.join(ALL_SOLVERS)}.",
    ),
    preset_option,
    *SEARCH_OPTIONS,
    click.option(
        "--evidence", is_flag=True, help="Find the weight decay of each input, and how sure predictions are (MacKay)."
    ),
    _with_default("--epochs", type=_POSITIVE, default=300, help="Epochs at most."),
    click.option(
        "--batch-size", type=_POSITIVE, help="Samples for a step.  [default: 32; rprop, lm and their kin: all]"
    ),
    click.option(
        "--learning-rate",
        type=float,
        callback=_checked(checks.number, low_open=True),
        help="[default: the solver's]",
    ),
    _with_default(
        "--schedule",
        metavar="NAME",
        default="constant",
        callback=_checked(checks.name_of, known=FACTORS),
        shell_complete=_one_of(FACTORS),
        help=f"How the learning rate goes on from epoch to epoch: {', '.join(FACTORS)}.",
    ),
    _with_default(
        "--dropout",
        type=float,
        default=0.0,
        callback=_checked(checks.number, high=1.0),
        help="Share of the hidden units that each step leaves out.",
    ),
    _with_default(
        "--label-smoothing",
        type=float,
        default=0.0,
        callback=_checked(checks.number, high=1.0),
        help="Share of a class's target that all classes have alike.",
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
    output_file("--report", ".html", help="Write all of it into one page."),
    output_file("--checkpoint", help="Keep the training here while it runs."),
    click.option("--resume", is_flag=True, help="Go on from --checkpoint, if that file is there."),
    click.option("--no-plot", is_flag=True, help="Draw no learning curve."),
    click.option("--dry-run", is_flag=True, help="Show what would be done with each column, and do nothing."),
    click.option("--quiet", is_flag=True, help="Print one line of JSON, and no progress."),
)


def training_options(function: Function) -> Function:
    """Give a command all options of `fastbp train`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


def reading_options(function: Function) -> Function:
    """Give a command the options that say how a file is read."""
    return reduce(lambda decorated, option: option(decorated), reversed(_READING), function)


@dataclass(frozen=True)
class Files:
    """What is written where; the user named those that are `named`."""

    out: Path
    plot: Path | None
    report: Path | None
    out_named: bool
    plot_named: bool


@dataclass(frozen=True)
class _FileOptions:
    out: Path | None
    plot: Path | None
    no_plot: bool
    report: Path | None

    def for_data(self, data: str) -> Files:
        """Return the files for a table: named after it where the user named none."""
        out = self.out or Path(f"{'table' if data == '-' or '://' in data else Path(data).stem}.fastbp")
        plot = None if self.no_plot else self.plot or out.with_suffix(".png")
        return Files(out, plot, self.report, self.out is not None, self.plot is not None)


@dataclass(frozen=True)
class Wishes:
    """The options of `fastbp train`, sorted by who needs them."""

    target: str | None
    task: Literal["classification", "regression"] | None
    weight: str | None
    files: _FileOptions
    reading: dict[str, Any]
    choices: dict[str, Any]
    options: dict[str, Any]


def wishes_of(given: dict[str, Any]) -> Wishes:
    """Sort the options of `fastbp train`, and refuse those that contradict each other."""
    refuse_contradictions(given)
    rest = dict(given)
    if rest["hidden"] is None:
        rest["hidden"] = HIDDEN_OF_MATRICES if rest["evidence"] or rest["solver"] == "lm" else HIDDEN
    rest |= search_options(rest)
    files = _FileOptions(rest.pop("out"), rest.pop("plot"), rest.pop("no_plot"), rest.pop("report"))
    reading = {
        "header": rest.pop("header"),
        "table": rest.pop("table"),
        "query": rest.pop("query"),
        "skip_repeated": rest.pop("skip_repeated_header"),
        "target": rest["target"],
    }
    dates = rest.pop("dates")
    choices = {
        "drop": tuple(dict.fromkeys(rest.pop("drop"))),
        "keep": tuple(rest.pop("keep_column")),
        "dates": dates and dates.removesuffix("-first"),
        "censored": rest.pop("censored") or "refuse",
        **{name: rest.pop(name) for name in ("categorical", "numeric", "max_levels", "missing", "decimal")},
    }
    return Wishes(rest.pop("target"), rest.pop("task"), rest.pop("weight"), files, reading, choices, rest)
