"""The comparison with other libraries: its arithmetic, its tables, its refusal of a wrong peer. Nothing is timed."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from subprocesses import PACKAGE, run_python

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("an installed package has no benchmarks beside its tests", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from comparison import irregular_networks, plot, products, tables, timing, workloads  # noqa: E402 - found by the line before
from comparison.measure import Row  # noqa: E402
from comparison.peers import PEERS  # noqa: E402
from comparison.peers.irregular import IRREGULAR  # noqa: E402
from comparison.report import Report  # noqa: E402
from comparison.sections import irregular  # noqa: E402

SMALL = workloads.Workload("small", (2, 3, 1), 10, 4, "tanh")


def row(**seconds):
    times = {name.replace("_", "-"): np.array(values) for name, values in seconds.items()}
    return Row("a row", "float32", times, flops=6_000_000, peak=np.array([4.0, 4.0, 4.0]))


def test_flops_are_those_of_the_loops():
    counted = 0
    for n_in, n_out in ((2, 3), (3, 1)):
        for _j in range(n_out):
            for _i in range(n_in):
                counted += 2  # a_j += w_ji z_i
                counted += 2  # dw_ji += delta_j z_i
                counted += 2 if n_in == 3 else 0  # delta_i += w_ji delta_j, of the hidden units only
    assert workloads.flops_per_epoch(SMALL) == 10 * counted
    assert workloads.forward_flops(SMALL) == 10 * 2 * (2 * 3 + 3 * 1)


def test_bytes_are_those_of_steps_and_samples():
    n_params = 2 * 3 + 3 + 3 * 1 + 1
    read_and_written = 2 * 3 * n_params * 3  # parameter and two moments; batches of 4, 4 and 2
    assert workloads.bytes_per_epoch(SMALL, "float32") == 4 * (read_and_written + 10 * 3)
    plain = SMALL._replace(solver="sgd", batch_size=10)
    assert workloads.bytes_per_epoch(plain, "float64") == 8 * (2 * n_params + 10 * 3)


def test_products_are_those_of_the_loops():
    done = products.Products(3, [(2, 4), (4, 1)], "float64")
    done()
    np.testing.assert_allclose(done.a[0], np.einsum("ni,ji->nj", done.z[0], done.w[0]))
    np.testing.assert_allclose(done.grad[1], np.einsum("nj,ni->ji", done.delta[1], done.z[1]))
    back = done.back[1]
    np.testing.assert_allclose(back, np.einsum("nj,ji->ni", done.delta[1], done.w[1]))
    n_multiplied = 3 * (2 * sum(w.size for w in done.w) + done.w[1].size)
    assert 2 * n_multiplied == workloads.flops_per_epoch(workloads.Workload("", (2, 4, 1), 3, 3, "relu"))


class TooFast(PEERS["numpy"]):
    """Leaves out what makes Adam Adam."""

    def _adam(self):
        self.params -= 0.001 * self.grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wrong_peer_is_refused(dtype):
    peers = {"numpy": PEERS["numpy"], "again": PEERS["numpy"]}
    assert timing.validate(timing.make_peers(peers, SMALL, dtype), SMALL, dtype) == {"numpy": 0.0, "again": 0.0}
    made = timing.make_peers(peers | {"wrong": TooFast}, SMALL, dtype)
    with pytest.raises(RuntimeError, match=r"wrong is .* off numpy"):
        timing.validate(made, SMALL, dtype)


def test_nan_is_refused():
    with pytest.raises(RuntimeError, match="b is nan"):
        timing.agree({"a": np.ones(3), "b": np.array([1, np.nan, 1])}, "a thing", 1e-3)


@pytest.mark.parametrize(
    ("x", "text"), [(0.012345, "0.0123"), (1.2345, "1.23"), (12.345, "12.3"), (12345.0, "12,300"), (0.9999, "1.00")]
)
def test_digits(x, text):
    assert tables.digits(x) == text


def test_ratios_are_formed_within_the_rounds():
    """The machine was slow in the second round: the ratio of the medians, 2.5, would be wrong."""
    r = row(fastbp=[1.0, 4.0, 2.0], jax=[2.0, 8.0, 5.0], torch=[9.0, 9.0, 9.0])
    times, ratios = tables.compared("work", [r], "s", 1, tables.ARITHMETIC)
    cells = dict(zip(times.columns, times.rows[0], strict=True))
    assert cells["fastest peer"] == "JAX"
    assert cells["its time / fastbp"] == "2.00"
    assert cells["GFLOP/s"] == "0.0030"
    assert dict(zip(ratios.columns, ratios.rows[0], strict=True)) == {
        "": "a row", "dtype": "float32", "PyTorch": "4.50", "JAX": "2.00"
    }  # fmt: skip


def test_a_missing_peer_is_said_to_be_missing():
    r = row(fastbp=[1.0, 1.0, 1.0])._replace(absent={"fann": "not installed"})
    times, _ = tables.compared("work", [r], "s", 1)
    cells = dict(zip(times.columns, times.rows[0], strict=True))
    assert cells["FANN"] == "not installed"
    assert cells["fastest peer"] == "-"


def test_report_has_every_time():
    r = row(fastbp=[1.0, 2.0, 3.0], torch_compiled=[4.0, 5.0, 6.0])
    report = Report({"Processor": "one"})
    report.add(tables.Outcome("training", [r], tables.compared("work", [r], "s", 1)))
    (read,) = json.loads(report.json())["sections"]["training"]
    assert read["seconds"] == {"fastbp": [1.0, 2.0, 3.0], "torch-compiled": [4.0, 5.0, 6.0]}
    assert "| a row | float32 | 5.00 | 2.00 | PyTorch compiled | 2.50 |" in report.markdown()


def test_crossing_between_two_points():
    np.testing.assert_allclose(plot.crossings([2, 8, 32], [4.0, 2.0, 0.5]), [16.0])
    assert plot.crossings([2, 8, 32], [4.0, 2.0, 1.5]) == []


def test_the_same_times_give_the_same_picture(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [
        row(fastbp=[1.0, 1.0, 1.0], jax=[ratio] * 3)._replace(details={"width": width})
        for width, ratio in ((2, 4.0), (8, 2.0), (32, 0.5))
    ]
    pictures = []
    for name in ("one.svg", "two.svg"):
        plot.draw(rows, tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"<?xml")


SMALL_EDGES = {
    "layers": irregular_networks.sparse_layers((6, 9, 8, 3), (3, 4, 5), n_samples=5),
    "evolved": irregular_networks.as_if_evolved(3, 7, 2, 3, n_samples=5),
    "dense": irregular.dense_layers((3, 4, 5, 2), "relu", n_samples=5),
}


def irregular_peers(network, dtype):
    """Those that are installed; JAX would compile for seconds."""
    numbers = irregular_networks.random_numbers(network, dtype)
    names = [name for name in IRREGULAR if name != "jax" and PEERS[name].problem() is None]
    return {name: IRREGULAR[name](network, *numbers) for name in names}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SMALL_EDGES)
def test_peers_of_irregular_networks_agree(name, dtype):
    network = SMALL_EDGES[name]
    found = irregular.validate(irregular_peers(network, dtype), network, dtype)
    assert set(found) == {"outputs", "gradient"}
    assert found["outputs"]["fastbp"] == 0.0


def test_a_wrong_irregular_network_is_refused():
    network = SMALL_EDGES["evolved"]
    made = irregular_peers(network, "float64")
    parameters, X, T = irregular_networks.random_numbers(network, "float64")
    parameters.weights[3] += 1e-6
    made["wrong"] = IRREGULAR["fastbp"](network, parameters, X, T)
    with pytest.raises(RuntimeError, match=r"outputs: wrong is .* off fastbp"):
        irregular.validate(made, network, "float64")


@pytest.mark.parametrize("name", SMALL_EDGES)
def test_levels_hold_every_edge_once(name):
    network = SMALL_EDGES[name]
    levels = irregular_networks.levels_of(network)
    found = [
        (level.sources[i], level.units[j]) for level in levels for j, i in np.argwhere(level.mask).tolist()
    ]  # fmt: skip
    assert sorted(found) == sorted(map(tuple, network.edges.tolist()))
    done = set(range(network.n_inputs))
    for level in levels:
        assert set(level.sources.tolist()) <= done
        done |= set(level.units.tolist())
    assert len(done) == network.n_units
    np.testing.assert_array_equal(levels[-1].units, network.outputs)


def test_flops_of_irregular_networks():
    network = SMALL_EDGES["dense"]
    assert network.forward_flops == 5 * 2 * (3 * 4 + 4 * 5 + 5 * 2)
    assert network.gradient_flops == 5 * (6 * (3 * 4 + 4 * 5 + 5 * 2) - 2 * 3 * 4)
    sizes = irregular_networks.sparse_layers()
    assert (len(sizes.edges), sizes.n_units) == (256 * 8 + 256 * 16 + 10 * 64, 64 + 256 + 256 + 10)


CPU = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    not CPU.exists() or "cpuid_fault" not in CPU.read_text() or shutil.which("cc") is None,
    reason="needs a processor that can hide what it has, and a C compiler",
)
def test_a_process_that_finds_no_avx512():
    lines = [
        "from comparison.instructions import play",
        "play('avx2')",
        "from llvmlite import binding",
        "features = binding.get_host_cpu_features()",
        "assert not any(features[name] for name in features if name.startswith(('avx512', 'amx')))",
        "print('AVX2' if features['avx2'] else 'none')",
    ]
    code = "\n".join(lines)
    assert run_python(code, PYTHONPATH=os.pathsep.join([str(PACKAGE), str(BENCHMARKS)])).strip() == "AVX2"
