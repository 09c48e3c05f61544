"""What a fresh process waits for: an import, and a first epoch, with and without machine code on disk."""

import time
from tempfile import TemporaryDirectory

import numpy as np

from .. import children
from ..measure import Row, say
from ..tables import LABELS, Outcome, Table, digits
from ..timing import TOLERANCE, agree, by_name
from ..workloads import WORKLOADS, start_parameters

ALONE = {"Python itself": "time", "NumPy, import": "numpy", "Numba, import": "numba"}
MODULES = {"sklearn": "sklearn.neural_network", "torch": "torch", "jax": "jax"}  # peers that start quickly enough
COLD, WARM = "fastbp, nothing compiled yet", "fastbp, compiled before"
DTYPE = "float32"
MOST_ROUNDS = 3  # seconds each, and no two of them differ much


def run(setup, done):
    """Every process once in each round; the caches of compiled code are folders of this section's own."""
    with TemporaryDirectory() as folder:
        rounds = [_round(setup, f"{folder}/{k}") for k in range(min(setup.repeats, MOST_ROUNDS))]
    deviations = _deviations(rounds[0])
    rows = [
        Row(title, DTYPE, by_name([turn[title]["seconds"] for turn in rounds]), deviations.get(title, {}))
        for title in rounds[0]
    ]
    columns = ["", "import, s", "first epoch of W1 done, s"]
    return Outcome("start-up", rows, [Table("Seconds from the start of a process", columns, [_cells(r) for r in rows])])


def _round(setup, cache):
    """{title: answer} of each process; the first one of fastbp fills `cache`, the second one finds it."""
    answers = {title: _start(module, "-") for title, module in ALONE.items()}
    for title in (COLD, WARM):
        answers[title] = _start("fastbp", "fastbp", NUMBA_CACHE_DIR=cache)
    for name in setup.only(*MODULES):
        answers[LABELS[name]] = _start(MODULES[name], name)
    return answers


def _start(module, name, **environment):
    say(f"start-up: {module}")
    return children.run("first_epoch", module, name, time.monotonic(), **environment)


def _deviations(answers):
    """{title: {title: distance}} of the parameters after the epoch from those of fastbp."""
    start = start_parameters(WORKLOADS["W1"], DTYPE).flat()
    ways = {title: np.array(a["parameters"]) - start for title, a in answers.items() if a["parameters"]}
    found = agree(ways, "first epoch of W1", TOLERANCE[DTYPE])
    return {title: {DTYPE: {title: deviation}} for title, deviation in found.items()}


def _cells(row):
    times = [row.seconds.get(what) for what in ("import", "first epoch")]
    return [row.title, *("-" if seconds is None else digits(np.median(seconds)) for seconds in times)]
