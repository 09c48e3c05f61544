"""The report of a training as one HTML page that needs no other file: what was read, learnt, scored, and pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from fastbp.cli.outputs import GENERATOR
from fastbp.cli.report import MOST_CLASSES_SHOWN, describe, ensemble_line, epochs_line, rows_line
from fastbp.cli.score_lines import MODELS, calibration_line, rare_line, score_line, score_table
from fastbp.cli.terminal import plain
from fastbp.explaining.drawn import shortened
from fastbp.files.outputs import replacing
from fastbp.plots import draw_calibration, draw_importance, draw_learning_curve, draw_predictions, save
from fastbp.plots.columns import MOST_LETTERS, MOST_PANELS, PANEL
from fastbp.tables.cells.errors import counted
from fastbp.tables.preparing.targets import ClassTarget, label_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastbp import History
    from fastbp.tables.modelling.model import TableModel
    from fastbp.tables.modelling.scores import Score, Scored
    from fastbp.tables.modelling.training import TableTraining
    from fastbp.tables.preparing.targets import Target

_STYLE = """
:root { --page: #fff; --ink: #1b1f24; --faint: #5d6670; --line: #d5dae1; --right: #dcefe0; --wrong: #fbe3d6; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15181d; --ink: #e8eaed; --faint: #a3abb5; --line: #3a424d; --right: #1f4a2f; --wrong: #5a3018; }
  img { filter: invert(.92) hue-rotate(180deg); mix-blend-mode: lighten; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 3rem; max-width: 62rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; overflow-wrap: normal; }
thead th { border-bottom: 1px solid var(--line); }
.facts th { color: var(--faint); font-weight: 400; }
ul { margin: 0; padding-left: 1.2rem; }
.scroll { overflow-x: auto; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 1.5rem;
  align-items: start; }
img { display: block; max-width: 100%; height: auto; }
.scores td, .scores thead th + th, .counts td, .counts thead th {
  text-align: right; font-variant-numeric: tabular-nums; padding: .25rem .6rem; }
.counts td.right { background: var(--right); } .counts td.wrong { background: var(--wrong); }
.counts td, .counts th { overflow-wrap: normal; }
section p { margin: .25rem 0; color: var(--faint); font-size: .9rem; }
footer { margin-top: 2.5rem; color: var(--faint); font-size: .9rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .9rem 2rem; }
  .facts th, .facts td { display: block; padding: 0; } .facts td { margin-bottom: .5rem; }
}
"""


def write_report(
    path: Path, training: TableTraining, model: TableModel, history: History, scored: Scored | None
) -> None:
    """Write the page, whole or not at all."""
    facts, target = model.facts, model.target
    title = f"{Path(facts.data).name}: {target.task} of {target.name}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        _table((), _facts(training, model, scored), "facts"),
        *_scores(scored),
        *_confusion(training, scored),
        '<div class="pictures">',
        _curve(training, history),
        *_errors(training, scored),
        *_importance(model),
        "</div>",
        _list("What was decided", _decided(training)),
        *_tried(model),
        "<h2>Columns</h2>",
        _table(("column", "encoding"), ((column.name, describe(column)) for column in model.encoder.columns)),
        "<h2>Left out</h2>" + _table(("column", "because it"), facts.left_out.items()) if facts.left_out else "",
        f"<footer>Written {_text(facts.date)} by fastbp {_text(facts.fastbp)}.</footer>",
    ]
    page = _page(title, "\n".join(parts))
    with replacing(path, "--report") as file:
        file.write(page.encode("utf-8", errors="backslashreplace"))


def _page(title: str, body: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # nothing is fetched from anywhere
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'{GENERATOR}<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style>"
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _facts(training: TableTraining, model: TableModel, scored: Scored | None) -> list[tuple[str, str]]:
    """Return what there is to know, line by line, with a name for each."""
    facts, target = model.facts, model.target
    lines = [
        ("data", f"{facts.data}: {rows_line(facts.rows)}"),
        ("task", f"{target.task} ({training.prepared.reason})"),
        ("tuning", str(facts.tuning or "")),
        ("network", "-".join(map(str, model.net.sizes))),
        ("ensemble", ensemble_line(facts.networks)),
        ("training", f"{facts.solver}, {epochs_line(facts)}"),
        ("unseen", str(facts.out_of_fold or "")),
        *([] if scored is None else _of_score(scored.score, target)),
    ]
    return [(name, fact) for name, fact in lines if fact]


def _of_score(score: Score, target: Target) -> list[tuple[str, str]]:
    """Return what the table of scores does not tell."""
    return [("score", score_line(score, target)), ("sure", calibration_line(score)), ("rare", rare_line(score.rare))]


def _scores(scored: Scored | None) -> list[str]:
    """Return the table of all measures, fastbp beside a linear model and the baseline."""
    if scored is None:
        return []
    heading = f"<h2>Scores on {counted(scored.score.n_rows, 'row')} held out</h2>"
    return [heading, _table(("", *MODELS), score_table(scored.score), "scores")]


def _tried(model: TableModel) -> list[str]:
    """Return the table of the settings that were tried, the best first."""
    tuning = model.facts.tuning
    if tuning is None:
        return []
    rows = ((one.settings, str(one.epochs), "-" if one.score is None else f"{one.score:.4f}") for one in tuning.tried)
    heading = f"<h2>Settings that were tried: the best {len(tuning.tried)} of {tuning.n_settings}</h2>"
    return [heading, _table(("settings", "epochs", f"{tuning.metric} of rows not seen"), rows)]


def _text(text: str) -> str:
    return escape(plain(text))


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> str:
    """Return a table whose rows begin with a name."""
    head = "".join(f'<th scope="col">{_text(heading)}</th>' for heading in headings)
    body = ""
    for name, *cells in rows:
        body += (
            f'<tr><th scope="row">{_text(name)}</th>' + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"
        )
    return _scrolled(f"<thead><tr>{head}</tr></thead>" if head else "", body, kind)


def _decided(training: TableTraining) -> list[str]:
    """Return what was guessed, and why."""
    target, prepared = training.target, training.prepared
    task = f"{target.task} of {target.name!r}: {prepared.reason}"
    return [task, *prepared.notes, *training.notes, *prepared.warnings]


def _list(heading: str, lines: list[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<h2>{heading}</h2><ul>{items}</ul>" if lines else ""


def _scrolled(head: str, body: str, kind: str) -> str:
    return f'<div class="scroll"><table class="{kind}">{head}<tbody>{body}</tbody></table></div>'


def _picture(figure: Figure, heading: str, below: str = "") -> str:
    """Return a picture with its heading, and a line below it."""
    stream = BytesIO()
    save(figure, stream, "svg")
    coded = base64.b64encode(stream.getvalue()).decode()
    image = f'<img alt="{escape(heading)}" src="data:image/svg+xml;base64,{coded}">'
    line = f"<p>{_text(below)}</p>" if below else ""
    return f"<section><h2>{escape(heading)}</h2>{image}{line}</section>"


def _errors(training: TableTraining, scored: Scored | None) -> list[str]:
    """Return a picture of predictions against the truth, or of how far probabilities can be believed."""
    if scored is None:
        return []
    if isinstance(training.target, ClassTarget):
        return [] if scored.calibration is None else [_picture(draw_calibration(scored.calibration), "Calibration")]
    rows = training.split.test
    predicted = training.target.numbers(training.outputs(training.inputs(rows)))
    score = scored.score
    scores = [found["fastbp"].value for found in score.targets.values()] or [score.value]
    titles = [_panel_title(name, r2) for name, r2 in zip(training.target.names, scores, strict=True)]
    figure = draw_predictions(training.numbers[rows], predicted, titles[:MOST_PANELS])
    return [_picture(figure, "Predicted against true")]


def _panel_title(name: str, r2: float | None) -> str:
    short = shortened(name, MOST_LETTERS)
    return short if r2 is None else f"{short}: R2 {r2:.4f}"


def _curve(training: TableTraining, history: History) -> str:
    """Return the picture of the losses, with the epochs whose weights were taken."""
    best = [] if training.ensemble is None else training.ensemble.best_epochs
    figure = draw_learning_curve(history, "", training.target.loss, PANEL, [epoch + 1 for epoch in best])
    line = (
        f"The mean of {len(best)} networks. Each has the weights of the epoch with its own lowest validation loss, "
        f"{min(best) + 1} to {max(best) + 1}: dotted lines."
        if best
        else ""
    )
    return _picture(figure, "Learning curve", line)


def _confusion(training: TableTraining, scored: Scored | None) -> list[str]:
    """Return the table of true and predicted classes, where there are not too many."""
    target = training.target
    if scored is None or scored.confusion is None or not isinstance(target, ClassTarget):
        return []
    if len(target.classes) > MOST_CLASSES_SHOWN:
        return []
    names = [_text(label_text(label)) for label in target.classes]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = ""
    for k, name in enumerate(names):
        counts = [int(count) for count in scored.confusion[k]]
        kinds = ["right" if k == j else "wrong" if count else "" for j, count in enumerate(counts)]
        cells = (f'<td class="{kind}">{count:,}</td>' for kind, count in zip(kinds, counts, strict=True))
        body += f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'
    table = _scrolled(f"<thead><tr><th></th>{head}</tr></thead>", body, "counts")
    return ["<h2>True classes (rows) and predicted ones (columns)</h2>", table]


def _importance(model: TableModel) -> list[str]:
    if not model.facts.importance:
        return []
    what = "accuracy" if isinstance(model.target, ClassTarget) else "R2"
    figure = draw_importance(model.facts.importance, f"{what} lost when a column is shuffled")
    return [_picture(figure, "Columns that matter", _noise(model.facts.importance))]


def _noise(importance: dict[str, float]) -> str:
    """Say what bars below zero are, where there are some."""
    least = min(importance.values())
    if least >= 0:
        return ""
    return (
        "Below zero is chance: shuffling such a column costs nothing. "
        f"Bars of up to {-least:.2g} on either side are as small as chance."
    )
