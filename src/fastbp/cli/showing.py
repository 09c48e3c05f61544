"""The commands explain and plot: what a trained model does with a row, and pictures of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from fastbp.cli.options import complete_data, complete_file, output_file
from fastbp.explaining.names import NOTATIONS
from fastbp.plots import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastbp import Network

KINDS = ("network", "importance", "confusion", "regression", "residuals", "boundary")
WITHOUT_DATA = ("network", "importance")
LIGHT, DARK = "default", "dark_background"


class Samples(NamedTuple):
    """A model with rows of a table as its network sees them, and what the columns are called."""

    net: Network
    X: Any
    T: Any
    inputs: list[str]
    classes: list[str] | None


def load_samples(model: str, data: str, row: int | None = None) -> Samples:
    """Read a model and a table with its target; of the table, one row (from 1) if it is given."""
    from fastbp.cli.group import one_line_warnings, refusals
    from fastbp.tables.errors import TableError
    from fastbp.tables.model import targets_of
    from fastbp.tables.sources import read_table

    table_model = load_model(model)
    with one_line_warnings(), refusals(TableError):
        frame = read_table(data).frame
        if row is not None and row > frame.height:
            raise TableError(f"--row must be at most {frame.height:,}, the number of rows of {data!r}; got {row:,}")
        frame = frame if row is None else frame[row - 1 : row]
        try:
            T = targets_of(table_model.target, frame)
        except TableError as error:
            raise TableError(f"{data!r} needs the target, to compare the output with: {error}") from None
        X = table_model.encoder.encode(frame)
    return Samples(table_model.net, X, T, input_names(table_model), class_names(table_model))


def load_model(path: str) -> Any:
    """The model of a file that `fastbp train` wrote."""
    from fastbp.cli.group import refusals
    from fastbp.tables.model import TableModel

    with refusals(ValueError):
        return TableModel.load(path)


def input_names(table_model: Any) -> list[str]:
    """What each input of the network is: a column, or a category of one."""
    return list(table_model.encoder.inputs)


def class_names(table_model: Any) -> list[str] | None:
    """The classes of a classification."""
    classes = getattr(table_model.target, "classes", None)
    return None if classes is None else [str(label) for label in classes]


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
@click.option("--unit", type=click.IntRange(min=0), help="Show this unit alone.")
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
    with refusals(ValueError):
        found = samples.net.explain(samples.X[0], samples.T[0], learning_rate, notation, unit)
        text = found.why(why) if why is not None else str(found)
        if html is not None:
            found.save_html(html)
    click.echo(f"row {row} of {data}; inputs as the network sees them:")
    for i, (name, x) in enumerate(zip(samples.inputs, samples.X[0], strict=True)):
        click.echo(f"  {i:>4}  {name} = {x:.6g}")
    if samples.classes is not None:
        first = samples.net.n_units - samples.net.n_outputs
        outputs = (f"{first + k} {name}" for k, name in enumerate(samples.classes))
        click.echo(f"outputs: {', '.join(outputs)}")
    click.echo(f"\n{text}")
    if html is not None:
        click.echo(f"\npage: {html}")


@click.command()
@click.argument("model", shell_complete=complete_file)
@click.argument("data", required=False, shell_complete=complete_data)
@click.option("--kind", type=click.Choice(KINDS), help="[default: network; with DATA, confusion or regression]")
@click.option("--dark", is_flag=True, help="Light on dark.")
@output_file("--out", *PICTURE_SUFFIXES, help="Picture.  [default: MODEL's name with the kind, .png, in this folder]")
def plot(model: str, data: str | None, *, kind: str | None, dark: bool, out: Path | None) -> None:
    """Draw MODEL, a file written by train: its network, or how well it fits DATA.

    network: weights as lines. importance: signed weight of each input along all paths. confusion, regression,
    residuals and boundary (of two inputs) need DATA.
    """
    from fastbp.cli.outputs import check_default

    kind = kind or _default_kind(model, data)
    if kind not in WITHOUT_DATA and data is None:
        raise click.UsageError(f"--kind {kind} needs DATA, a table with the target")
    if out is None:
        out = Path(f"{Path(model).stem}-{kind}.png")
        check_default(out)
    check_outputs([model, *([data] if data else [])], out)
    _draw(model, data, kind, out, DARK if dark else LIGHT)
    click.echo(str(out))


def _default_kind(model: str, data: str | None) -> str:
    if data is None:
        return "network"
    return "regression" if class_names(load_model(model)) is None else "confusion"


def _draw(model: str, data: str | None, kind: str, out: Path, style: str) -> None:
    import matplotlib

    from fastbp.cli.group import refusals
    from fastbp.files.outputs import replacing
    from fastbp.plots import save

    matplotlib.use("Agg")
    from matplotlib import pyplot

    if data is None or kind in WITHOUT_DATA:
        table_model = load_model(model)
        samples = Samples(table_model.net, None, None, input_names(table_model), class_names(table_model))
    else:
        samples = load_samples(model, data)
    with pyplot.style.context(style), refusals(ValueError):
        axes = _axes(samples, kind)
        figure = axes.get_figure(root=True)
        assert figure is not None
        with replacing(out, "--out") as file:
            save(figure, file, out.suffix[1:])
        pyplot.close(figure)


def _axes(samples: Samples, kind: str) -> Axes:
    from fastbp import plots

    net, X, T, inputs, classes = samples
    if kind == "network":
        return plots.network(net)
    if kind == "importance":
        return plots.importance(net, names=inputs)
    if kind == "confusion":
        return plots.confusion_matrix(net, X, T, labels=classes)
    if kind == "boundary":
        axes = plots.decision_boundary(net, X, T if classes is not None else None)
        axes.set_xlabel(inputs[0], parse_math=False)
        axes.set_ylabel(inputs[1], parse_math=False)
        return axes
    return plots.regression(net, X, T) if kind == "regression" else plots.residuals(net, X, T)
