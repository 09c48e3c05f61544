"""The comparison on partitions: all peers arrive at the same numbers, a wrong one is refused. Nothing is timed."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("an installed package has no benchmarks beside its tests", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from comparison.children import Worker  # noqa: E402 - found by the line before
from comparison.measure import Row  # noqa: E402
from comparison.partitions import rank, worker  # noqa: E402
from comparison.partitions.work import N_EPOCHS, Clock, Work, mapped  # noqa: E402
from comparison.sections import partitions  # noqa: E402
from comparison.workloads import Workload  # noqa: E402

LARGE_BATCHES = Work(Workload("steps", (3, 6, 2), 64, 16, "tanh"), rows=8)
ONE_A_STEP = Work(Workload("linear", (3, 1), 64, 1, "tanh", "sgd"), rows=8)
OWN = ("arrays", "partitions")


@pytest.fixture(scope="module")
def child():
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]
    if len(cores) < 2:
        pytest.skip("takes two cores")
    with Worker("partitions.worker", ",".join(map(str, cores))) as found:
        yield found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("work", "kind"), [(LARGE_BATCHES, partitions.STEPS), (ONE_A_STEP, partitions.LINEAR)], ids=["steps", "linear"]
)
def test_all_peers_arrive_at_the_same_numbers(child, tmp_path, work, kind, dtype):
    """In the processes that are timed; those that are not installed are left out."""
    names = [name for name in kind.peers if name not in partitions.NEEDS or find_spec(partitions.NEEDS[name])]
    work.write(tmp_path, dtype)
    job = {"folder": str(tmp_path), "work": work.to_json(), "names": names, "repeats": 1}
    answer = child.ask(json.dumps(job))
    assert list(answer["deviations"]) == names
    assert answer["deviations"]["arrays"] == 0.0
    before = work.error(work.start(dtype).flat(), *mapped(tmp_path))
    assert 0 < answer["errors"]["arrays"] < before
    assert all(seconds > 0 for kind in ("wall", "processor") for times in answer[kind].values() for seconds in times)


def flats_of(work, folder, **changed):
    """What fastbp's own ways come to, and some that are off by a factor."""
    flats = {name: np.array(worker.peer(name, work, folder, None).turn().flat) for name in OWN}
    return flats | {name: factor * flats["arrays"] for name, factor in changed.items()}


@pytest.mark.parametrize("work", [LARGE_BATCHES, ONE_A_STEP], ids=["steps", "linear"])
def test_a_wrong_peer_is_refused(tmp_path, work):
    work.write(tmp_path, "float64")
    flats = flats_of(work, tmp_path)
    worker.validate(work, tmp_path, flats)
    with pytest.raises(RuntimeError, match=r"wrong is .* off arrays"):
        worker.validate(work, tmp_path, flats | {"wrong": flats["arrays"] * (1 + 1e-5)})


def test_a_wrong_loss_is_refused_where_parameters_may_differ(tmp_path):
    """In float32 a tenth of the way is allowed for parameters: the loss is the sharper test."""
    LARGE_BATCHES.write(tmp_path, "float32")
    flats = flats_of(LARGE_BATCHES, tmp_path)
    start = LARGE_BATCHES.start("float32").flat()
    with pytest.raises(RuntimeError, match=r"loss: wrong is .* off arrays"):
        worker.validate(LARGE_BATCHES, tmp_path, flats | {"wrong": flats["arrays"] + 0.05 * (flats["arrays"] - start)})


def test_the_error_is_that_of_the_network(tmp_path):
    import fastbp

    LARGE_BATCHES.write(tmp_path, "float64")
    X, T = mapped(tmp_path)
    net = fastbp.Network(LARGE_BATCHES.workload.sizes, activation="tanh")
    start = LARGE_BATCHES.start("float64")
    for views, values in ((net.weights, start.weights), (net.biases, start.biases)):
        for view, numbers in zip(views, values, strict=True):
            view[:] = numbers
    np.testing.assert_allclose(LARGE_BATCHES.error(start.flat(), X, T), net.loss(X, T) / len(X), rtol=1e-12)


def test_ranks_share_each_batch():
    rows = np.arange(24).reshape(12, 2)
    first, second = (rank.part_of(rows, 4, k) for k in (0, 1))
    np.testing.assert_array_equal(first, rows[[0, 1, 4, 5, 8, 9]])
    np.testing.assert_array_equal(second, rows[[2, 3, 6, 7, 10, 11]])


def test_the_first_epoch_is_not_timed():
    times = iter([5.0, 9.0])
    clock = Clock(lambda: next(times))
    for _ in range(N_EPOCHS):
        clock()
    turn = clock.turn([1.0])
    assert turn.processor == 4.0 / (N_EPOCHS - 1)
    assert 0 <= turn.wall < 60


def test_work_is_sent_as_it_is():
    assert Work.from_json(LARGE_BATCHES.to_json()) == LARGE_BATCHES


def test_tables_have_ratios_of_rounds_and_say_who_is_missing():
    """The machine was slow in the second round: the ratio of the medians, 2.5, would be wrong."""
    seconds = {"arrays": np.array([1.0, 4.0, 2.0]), "ddp": np.array([2.0, 8.0, 5.0])}
    processor = {"arrays": np.array([1.0, 1.0, 1.0]), "ddp": np.array([3.0, 3.0, 3.0])}
    row = Row("a row", "float32", seconds, absent={"cluster": "not installed"}, details={"processor": processor})
    clock, used = partitions.tables_of(partitions.STEPS, [row])
    cells = dict(zip(clock.columns, clock.rows[0], strict=True))
    assert cells["fastbp.dask"] == "not installed"
    assert cells["fastbp, arrays"] == "2,000"
    assert cells["PyTorch DDP / fastbp, arrays"] == "2.00"
    assert cells["PyTorch DDP / fastbp.dask"] == "-"
    assert dict(zip(used.columns, used.rows[0], strict=True))["PyTorch DDP / fastbp, arrays"] == "3.00"
