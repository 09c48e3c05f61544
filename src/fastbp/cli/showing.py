"""The commands explain and plot: what a trained model does with a row, and pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from fastbp.cli.options import complete_data, complete_file, output_file
from fastbp.explaining.drawn import shortened
from fastbp.explaining.names import NOTATIONS, Names
from fastbp.plots import PICTURE_SUFFIXES

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from fastbp.network import Network
    from fastbp.tables.modelling.model import TableModel

KINDS = ("network", "importance", "confusion", "regression", "residuals", "boundary")
WITHOUT_DATA = ("network", "importance")
OF_NUMBERS = ("regression", "residuals")
MOST_LETTERS = 40  # of what stands in a cell
LIGHT, DARK = "default", "dark_background"


class Samples(NamedTuple):
    """A model, with rows of a table as they were read and as its network sees them."""

    model: TableModel
    frame: pl.DataFrame
    X: Any
    T: Any


def load_samples(model: str, data: str, row: int | None = None) -> Samples:
    """Read a model and a table with its target; of the table, one row (from 1) if it is given."""
    from fastbp.cli.group import one_line_warnings, refusals
    from fastbp.tables.cells.errors import TableError, rows_before
    from fastbp.tables.modelling.model import targets_of
    from fastbp.tables.reading.sources import read_table
    from fastbp.tables.reading.table import Reading

    table_model = load_model(model)
    with one_line_warnings(), refusals(TableError):
        frame = read_table(data, Reading(expected=table_model.column_names)).frame
        if row is not None and row > frame.height:
            raise TableError(f"--row must be at most {frame.height:,}, the number of rows of {data!r}; got {row:,}")
        frame = frame if row is None else frame[row - 1 : row]
        with rows_before(0 if row is None else row - 1):
            try:
                T = targets_of(table_model.target, frame)
            except TableError as error:
                raise TableError(f"{data!r} needs the target, to compare the output with: {error}") from None
            X = table_model.encoder.encode(frame)
    return Samples(table_model, frame, X, T)


def load_model(path: str) -> TableModel:
    """The model of a file that `fastbp train` wrote."""
    from fastbp.cli.group import refusals
    from fastbp.tables.modelling.model import TableModel

    with refusals(ValueError):
        return TableModel.load(path)


def class_names(model: TableModel) -> list[str] | None:
    """The classes of a classification."""
    classes = getattr(model.target, "classes", None)
    return None if classes is None else [str(label) for label in classes]


def names_of(model: TableModel) -> list[str]:
    """What each input of the network is, a column or a category of one, and what each output."""
    return [*model.encoder.inputs, *(class_names(model) or model.target.names)]


def check_outputs(sources: list[str], output: Path | None) -> None:
    """Refuse, before any work, to write over what is read."""
    from fastbp.cli.outputs import check_outputs as check

    check(sources, {"the output": output})


@click.command()
@click.argument("model", shell_complete=complete_file)
@click.argument("data", shell_complete=complete_data)
@click.option("--row", type=click.IntRange(min=1), default=1, show_default=True, help="Row of DATA, from 1.")
@click.option("--learning-rate", type=click.FloatRange(min=0), help="Show the step of on-line learning, too.")
@click.option("--notation", type=click.Choice(list(NOTATIONS)), default="bishop", show_default=True)
@click.option("--unit", type=click.IntRange(min=0), help="Show this unit alone; inputs are numbered first.")
@click.option("--why", type=click.IntRange(min=0), metavar="UNIT", help="Show how delta of this unit comes about.")
@output_file("--html", ".html", help="Write a page here on which the network can be stepped through.")
def explain(
    model: str,
    data: str,
    *,
    row: int,
    learning_rate: float | None,
    notation: str,
    unit: int | None,
    why: int | None,
    html: Path | None,
) -> None:
    """Show every term of the gradient of MODEL, a file written by train, for one row of DATA.

    DATA has the columns that MODEL was trained on, the target among them.
    """
    from fastbp.cli.group import refusals
    from fastbp.cli.outputs import check_page

    check_outputs([model, data], html)
    check_page(html, "--html")
    samples = load_samples(model, data, row)
    seen, table_model = f"row {row} of {data}", samples.model
    number = table_model.nearest(samples.X)
    net = table_model.nets[number]
    if len(table_model.nets) > 1:
        seen += f", by network {number + 1} of {len(table_model.nets)}, the nearest to their mean"
    with refusals(ValueError):
        names = names_of(table_model)
        found = net.explain(samples.X[0], samples.T[0], learning_rate, notation, unit, names)
        called = NOTATIONS[notation](found.numbers)
        result = outputs_of(samples, called, net)
        text = found.why(why) if why is not None else str(found)
        if html is not None:
            found.save_html(html, note=f"{seen}; {result}")
    click.echo(f"{seen}; inputs as the network sees them, and in brackets what the table has:")
    for line in inputs_of(samples, called):
        click.echo(line)
    click.echo(result)
    click.echo(f"\n{text}")
    if html is not None:
        click.echo(f"\npage: {html}")


def inputs_of(samples: Samples, called: Names) -> Iterator[str]:
    """A line for each input of the row; the first of a column has what stands in the table, too."""
    i = 0
    for column in samples.model.encoder.columns:
        value = samples.frame[column.name][0]
        there = "missing" if value is None else shortened(str(value), MOST_LETTERS)
        for place, name in enumerate(column.inputs):
            yield f"  {called.unit(i):>4}  {name} = {samples.X[0, i]:.6g}" + (f"   ({there})" if place == 0 else "")
            i += 1


def outputs_of(samples: Samples, called: Names, net: Network) -> str:
    """What the outputs are, as the notation calls them; of numbers, in the table's unit: the network has another."""
    from fastbp.tables.preparing.targets import ClassTarget

    table_model = samples.model
    target, first = table_model.target, net.n_units - net.n_outputs
    if isinstance(target, ClassTarget):
        return f"outputs: {', '.join(f'{called.unit(first + k)} {name}' for k, name in enumerate(target.classes))}"
    y, t = (target.numbers(values)[0] for values in (net.forward(samples.X), samples.T))
    each = (
        f"{called.unit(first + k)} {name} = {y[k]:.6g}, in the table {t[k]:.6g}" for k, name in enumerate(target.names)
    )
    return f"outputs: {'; '.join(each)} (in the network both are {scale_of(table_model)})"


def scale_of(model: TableModel) -> str:
    """In what the network has the targets of a regression."""
    if model.target.loss == "poisson":
        return "divided by the training mean"
    return "logarithms, standardised" if getattr(model.target, "log", False) else "standardised"


@click.command()
@click.argument("model", shell_complete=complete_file)
@click.argument("data", required=False, shell_complete=complete_data)
@click.option("--kind", type=click.Choice(KINDS), help="[default: network; with DATA, confusion or regression]")
@click.option("--dark", is_flag=True, help="Light on dark.")
@click.option("--unit", type=click.IntRange(min=0), help="Of a network, this unit; inputs are numbered first.")
@output_file("--out", *PICTURE_SUFFIXES, help="Picture.  [default: MODEL's name with the kind, .png, in this folder]")
def plot(model: str, data: str | None, *, kind: str | None, dark: bool, unit: int | None, out: Path | None) -> None:
    """Draw MODEL, a file written by train: its network, or how well it fits DATA.

    network: weights as lines; of a large one the units with the largest weights, or the one of --unit. importance:
    signed weight of each input along all paths. confusion, regression, residuals and boundary (of two inputs) need
    DATA.
    """
    from fastbp.cli.outputs import check_default

    kind = kind or _default_kind(model, data)
    if kind not in WITHOUT_DATA and data is None:
        raise click.UsageError(f"--kind {kind} needs DATA, a table with the target")
    if unit is not None and kind != "network":
        raise click.UsageError(f"--unit goes with --kind network; got --kind {kind}")
    if out is None:
        out = Path(f"{Path(model).stem}-{kind}.png")
        check_default(out)
    check_outputs([model, *([data] if data else [])], out)
    _draw(partial(_axes, model, data, kind, unit), out, DARK if dark else LIGHT)
    click.echo(str(out))


def _default_kind(model: str, data: str | None) -> str:
    if data is None:
        return "network"
    return "regression" if class_names(load_model(model)) is None else "confusion"


def _draw(draw: Callable[[], Axes], out: Path, style: str) -> None:
    import matplotlib

    from fastbp.cli.group import refusals
    from fastbp.files.outputs import replacing
    from fastbp.plots import save

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.style.context(style), refusals(ValueError):
        figure = draw().get_figure(root=True)
        assert figure is not None
        with replacing(out, "--out") as file:
            save(figure, file, out.suffix[1:])
        pyplot.close(figure)


def _axes(model: str, data: str | None, kind: str, unit: int | None) -> Axes:
    from fastbp import plots
    from fastbp.population.merging import joined
    from fastbp.tables.preparing.targets import ClassTarget

    if kind in OF_NUMBERS and class_names(load_model(model)) is not None:
        raise click.UsageError(
            f"--kind {kind} needs a model of numbers; {model!r} tells classes apart, for which there are "
            "--kind confusion and, of two inputs, boundary"
        )
    if data is None or kind in WITHOUT_DATA:
        table_model = load_model(model)
        if kind == "network":
            return plots.network(table_model.net, unit=unit, names=names_of(table_model))
        return plots.importance(joined(table_model.nets), names=table_model.encoder.inputs)
    samples = load_samples(model, data)
    net = samples.model.averaged
    if kind == "confusion":
        return plots.confusion_matrix(net, samples.X, samples.T, labels=class_names(samples.model))
    if kind == "boundary":
        return _boundary(samples)
    target = samples.model.target
    assert not isinstance(target, ClassTarget)
    y, t = (target.numbers(values)[:, 0] for values in (net.forward(samples.X), samples.T))
    return (plots.draw_regression if kind == "regression" else plots.draw_residuals)(y, t, target.names[0])


def _boundary(samples: Samples) -> Axes:
    from fastbp import plots
    from fastbp.tables.preparing.columns import NumberColumn

    table_model = samples.model
    T = None if class_names(table_model) is None else samples.T
    axes = plots.decision_boundary(table_model.averaged, samples.X, T)
    said = {"standard": " (standardised)", "robust": " (scaled)"}
    names = [
        f"{name}{said[column.scaling] if isinstance(column, NumberColumn) else ''}"
        for column in table_model.encoder.columns
        for name in column.inputs
    ]
    axes.set_xlabel(names[0], parse_math=False)
    axes.set_ylabel(names[1], parse_math=False)
    return axes
