"""A score in words, and as a table: fastbp beside a linear model and the baseline."""

from __future__ import annotations

from collections.abc import Mapping

from fastbp.tables.cells.errors import counted
from fastbp.tables.modelling.scores import Measures, RareClass, Score
from fastbp.tables.preparing.targets import ClassTarget, Target, label_text

MODELS = ("fastbp", "linear", "baseline")
_MEASURES = {
    "value": "",
    "log_loss": "log loss",
    "auc": "area under the ROC curve",
    "rmse": "RMSE",
    "mae": "mean absolute error",
}


def score_facts(score: Score, target: Target) -> list[tuple[str, str]]:
    """Write a score, and what else is known of it, as lines with a name."""
    also = "" if score.targets else _in_words(score, score.measures, ("log_loss", "auc", "mae"))
    return [
        ("score", score_line(score, target)),
        *(("target", line) for line in target_lines(score)),
        ("also", also),
        ("sure", calibration_line(score)),
        ("rare", rare_line(score.rare)),
        ("linear", _linear_line(score)),
        ("baseline", _baseline_line(score)),
    ]


def target_lines(score: Score) -> list[str]:
    """Write R2 and errors of each of several targets."""
    return [f"{name!r}: {_side_by_side(models)}" for name, models in score.targets.items()]


def score_table(score: Score) -> list[tuple[str, ...]]:
    """Return rows of a table: a measure, and what each of `MODELS` reaches, target by target."""
    if not score.targets:
        return _rows_of(score, {**score.models, "fastbp": score.measures}, "")
    return [row for name, models in score.targets.items() for row in _rows_of(score, models, f"{name}: ")]


def _rows_of(score: Score, models: Mapping[str, Measures], prefix: str) -> list[tuple[str, ...]]:
    rows = []
    for field, words in _MEASURES.items():
        numbers = [getattr(models.get(model, Measures()), field) for model in MODELS]
        if numbers[0] is not None:
            name = prefix + (words or _metric(score))
            rows.append((name, *("-" if number is None else _number(field, number) for number in numbers)))
    return rows


def _metric(score: Score) -> str:
    return "accuracy" if score.metric == "accuracy" else "R2"


def _number(field: str, number: float) -> str:
    return f"{number:.5g}" if field in ("rmse", "mae") else f"{number:.4f}"


def _in_words(score: Score, measures: Measures, fields: tuple[str, ...] = tuple(_MEASURES)) -> str:
    """Write the measures that there are."""
    found = [(field, getattr(measures, field)) for field in fields]
    return ", ".join(
        f"{_MEASURES[field] or _metric(score)} {_number(field, number)}"
        for field, number in found
        if number is not None
    )


def _side_by_side(models: Mapping[str, Measures]) -> str:
    """Write R2 and errors of one of several targets, beside the other models."""
    said = []
    for model in MODELS:
        if model in models:
            measures = models[model]
            r2 = "-" if measures.value is None else f"{measures.value:.4f}"
            name = "" if model == "fastbp" else f"{model} "
            said.append(f"{name}R2 {r2}, RMSE {measures.rmse:.5g}, MAE {measures.mae:.5g}")
    return "; ".join(said)


def _linear_line(score: Score) -> str:
    """Write what a linear model reaches; of several targets the mean, each of them has a line of its own."""
    if score.linear is None:
        return ""
    measures = Measures(score.linear) if score.targets else score.models.get("linear", Measures(score.linear))
    return f"{_in_words(score, measures)} on the same rows"


def _baseline_line(score: Score) -> str:
    """Write what the line of the score does not say of the baseline."""
    if score.targets or "baseline" not in score.models:
        return ""
    said = _in_words(score, score.models["baseline"], ("log_loss", "auc", "mae"))
    how = "the classes' shares in training" if score.metric == "accuracy" else "the mean in training"
    return f"{said} (always {how})" if said else ""


def rare_line(rare: RareClass | None) -> str:
    """Write how many rows of a rare class are found, and what finds more."""
    if rare is None:
        return ""
    hint = "" if rare.balanced or 2 * rare.n_found >= rare.n_rows else ": --class-weight balanced finds more"
    recall = rare.n_found / rare.n_rows
    return f"{rare.n_found:,} of {counted(rare.n_rows, 'row')} of {rare.name!r} found, recall {recall:.4f}{hint}"


def calibration_line(score: Score) -> str:
    """Write how far the probabilities can be believed; nothing for numbers."""
    if score.confidence is None or score.calibration_error is None or score.value is None:
        return ""
    return (
        f"probability of the predicted class {score.confidence:.4f} on average, right {score.value:.4f}; "
        f"calibration error {score.calibration_error:.4f}"
    )


def score_line(score: Score, target: Target) -> str:
    """Write a score beside its baseline in a line."""
    rows = counted(score.n_rows, "row")
    if isinstance(target, ClassTarget):
        always = label_text(target.classes[target.majority])
        return f"accuracy {score.value:.4f} on {rows}; baseline {score.baseline:.4f} (always {always})"
    value, baseline = ("-" if r2 is None else f"{r2:.4f}" for r2 in (score.value, score.baseline))
    if score.targets:
        return f"R2 {value} on {rows}, the mean of {len(score.targets)} targets; baseline R2 {baseline}"
    means = ", ".join(f"{mean:.5g}" for mean in target.means)
    return (
        f"R2 {value}, RMSE {score.rmse:.5g} on {rows}; "
        f"baseline R2 {baseline}, RMSE {score.baseline_rmse:.5g} (always {means})"
    )
