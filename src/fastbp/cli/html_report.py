"""The report of a training as one HTML page that needs no other file: what was read, learnt, scored, and pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastbp.cli.report import MOST_CLASSES_SHOWN, epochs_line, rows_line, score_facts
from fastbp.cli.terminal import plain
from fastbp.files.outputs import replacing
from fastbp.plots import draw_importance, draw_learning_curve, draw_predictions, save
from fastbp.tables.columns import describe
from fastbp.tables.targets import ClassTarget, label_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastbp import History
    from fastbp.tables.model import TableModel
    from fastbp.tables.scores import Scored
    from fastbp.tables.training import TableTraining

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .2rem .7rem; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #999; } td.number { text-align: right; }
td.right { background: #e3f1e3; } img { max-width: 100%; }
"""


def write_report(
    path: Path, training: TableTraining, model: TableModel, history: History, scored: Scored | None
) -> None:
    """Write the page, whole or not at all."""
    facts, target = model.facts, model.target
    title = f"{facts.data}: {target.task} of {target.name}"
    lines = [
        ("data", f"{facts.data}: {rows_line(facts.rows)}"),
        ("task", f"{target.task} ({training.prepared.reason})"),
    ]
    lines += [("network", "-".join(map(str, model.net.sizes))), ("training", f"{facts.solver}, {epochs_line(facts)}")]
    lines += score_facts(scored.score, target) if scored else []
    lines += [("note", note) for note in (*training.prepared.notes, *training.notes)]
    parts = [
        f"<h1>{_text(title)}</h1>",
        _table((), ((name, fact) for name, fact in lines if fact)),
        "<h2>Learning curve</h2>",
        _picture(draw_learning_curve(history, "loss over the epochs", target.loss), "learning curve"),
        *_errors(training, scored),
        *_importance(model),
        "<h2>Columns</h2>",
        _table(("column", "encoding"), ((column.name, describe(column)) for column in model.encoder.columns)),
        _table(("left out", "why"), facts.left_out.items()) if facts.left_out else "",
        f"<p>Written {_text(facts.date)} by fastbp {_text(facts.fastbp)}.</p>",
    ]
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"
    with replacing(path, "--report") as file:
        file.write(page.encode("utf-8", errors="backslashreplace"))


def _text(text: str) -> str:
    return escape(plain(text))


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{_text(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _picture(figure: Figure, alt: str) -> str:
    stream = BytesIO()
    save(figure, stream, "svg")
    coded = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{coded}">'


def _errors(training: TableTraining, scored: Scored | None) -> list[str]:
    """Return the table of confusions, or a picture of predictions against the truth."""
    if scored is None:
        return []
    if not isinstance(training.target, ClassTarget):
        rows = training.split.test
        predicted = training.target.numbers(training.net.forward(training.inputs(rows)))
        figure = draw_predictions(training.numbers[rows], predicted, training.target.names)
        return ["<h2>Predicted against true</h2>", _picture(figure, "predicted against true")]
    if scored.confusion is None or len(training.target.classes) > MOST_CLASSES_SHOWN:
        return []
    return ["<h2>True classes (rows) and predicted ones</h2>", _confusion(scored.confusion, training.target)]


def _confusion(confusion: Any, target: ClassTarget) -> str:
    names = [_text(label_text(label)) for label in target.classes]
    rows = ["<tr><th></th>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"]
    for k, name in enumerate(names):
        kinds = ("number right" if k == j else "number" for j in range(len(names)))
        cells = (f'<td class="{kind}">{int(count)}</td>' for kind, count in zip(kinds, confusion[k], strict=True))
        rows.append(f"<tr><th>{name}</th>{''.join(cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _importance(model: TableModel) -> list[str]:
    if not model.facts.importance:
        return []
    what = "accuracy" if isinstance(model.target, ClassTarget) else "R2"
    figure = draw_importance(model.facts.importance, f"{what} lost when a column is shuffled")
    return ["<h2>Columns that matter</h2>", _picture(figure, "importance of columns")]
