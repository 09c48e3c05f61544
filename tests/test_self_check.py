"""`self_check`: that all is right, and that what is wrong is seen, by itself too."""

import dataclasses
import sys

import numpy as np
import pytest
from cases import COMPILED
from faults import package_with
from subprocesses import run_python, start_python

from fastbp import self_check
from fastbp.checking import crossings, second_order
from fastbp.checking.self_check import Check, WrongResultsError, check_gradients
from fastbp.engine.curvature import Curvature
from fastbp.engine.schedule import Lists
from fastbp.kernels.many_samples import columns, feeders, links, passes, sums_across, weighted_sums
from fastbp.kernels.one_sample import passes as single
from fastbp.kernels.training import chunks

DTYPES = ("float32", "float64")
MODULE = sys.modules["fastbp.checking.self_check"]  # of which `fastbp.self_check` is a function


@pytest.mark.compiled_only
def test_all_is_right_here():
    report = self_check()
    assert report.passed
    assert {check.dtype for check in report.checks} == set(DTYPES)
    assert 0 < report.worst("float64") < 1e-11
    assert 0 < report.worst("float32") < 5e-5
    assert not any(word in str(report) for word in ("WRONG", "nan"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.seconds = 0.0


@pytest.mark.compiled_only
@pytest.mark.parametrize("solver", ["adam", "sgd", "rprop", "quickprop"])
def test_what_runs_by_itself_is_right_by_any_solver(solver):
    from fastbp.solvers import make_solver

    given = make_solver(solver, {}, None)
    for choice in (given, None):
        report = check_gradients(np.dtype("float32"), choice)
        assert report.passed
        assert len(report.checks) >= len(crossings.crossing_networks(np.dtype("float32"))) - (choice is not None)


def test_the_reference_is_that_of_central_differences():
    problem = crossings.problem_of(crossings.Crossing("", (3, 5, 4, 2), 6), np.dtype("float64"))
    E, blocks = crossings.by_matrices(problem)
    net, gradient = problem.net, np.concatenate([block.ravel() for block in blocks])
    params, step = net.params.copy(), 1e-6

    def error(p):
        net.params = p
        return crossings.by_matrices(problem)[0]

    for k, derivative in enumerate(gradient):
        e = np.zeros(params.size)
        e[k] = step
        assert abs((error(params + e) - error(params - e)) / (2 * step) - derivative) < 1e-6 * abs(gradient).max()
    assert error(params) == E


@pytest.mark.parametrize("dtype", DTYPES)
def test_networks_follow_from_the_thresholds(dtype, monkeypatch):
    before = {crossing.what: crossing for crossing in crossings.crossing_networks(np.dtype(dtype))}
    assert all(min(c.sizes) > 0 and c.n_samples > 0 for c in before.values())
    monkeypatch.setattr("fastbp.kernels.tuning.BLOCK_TERMS", 700)
    monkeypatch.setattr("fastbp.kernels.tuning.MIN_PACKED", 1 << 13)
    after = {crossing.what: crossing for crossing in crossings.crossing_networks(np.dtype(dtype))}
    changed = {what for what in before if before[what] != after[what]}
    assert changed == {
        "sums of several parts", "sums of several parts, backward", "packed columns", "packed columns, several parts",
    }  # fmt: skip


def test_second_derivatives_are_among_the_checks(monkeypatch):
    found = list(second_order.errors())
    assert len(found) == 5
    assert all(error < 1e-11 for *_what, error in found)
    right = Curvature.hessian

    def wrong(self, *args, **options):
        error, gradient, matrix = right(self, *args, **options)
        matrix[-1, -1] *= 1.001
        return error, gradient, matrix

    monkeypatch.setattr(Curvature, "hessian", wrong)
    assert [what for what, *_rest, error in second_order.errors() if error > 1e-10] == [
        "Hessian",
        "Gauss-Newton matrix",
    ]


def spy_on(monkeypatch, module, name, called):
    """Note the arguments of a kernel's calls."""
    function = getattr(module, name)

    def noted(*args):
        called.setdefault(name, []).append(args)
        return function(*args)

    monkeypatch.setattr(module, name, noted)


uncompiled_only = pytest.mark.skipif(COMPILED, reason="machine code keeps the constants that it was compiled with")


@uncompiled_only
def test_small_thresholds_are_crossed(small_thresholds, monkeypatch):
    """All that depends on sizes happens in some network: else its mistakes would not be seen."""
    called = {}
    for module, name in (
        (weighted_sums, "sums_by_blocks"), (weighted_sums, "far_sums_of_block"), (weighted_sums, "registers_of_column"),
        (columns, "pack_rows"), (feeders, "delta_of_feeders"), (Lists, "_with_gradient"), (passes, "weights_of_few"),
        (chunks, "n_chunks_of"), (chunks, "part_of_tile"), (links, "link_products"),
    ):  # fmt: skip
        spy_on(monkeypatch, module, name, called)
    assert self_check(["float64"]).passed
    assert len(called) == 10
    blocks = {
        (
            weights.term_stride == weighted_sums.PACKED,
            terms.stride == weighted_sums.PANELS,
            size.n_terms > weighted_sums.BLOCK_TERMS,
        )
        for _out, weights, terms, _ends, size in called["sums_by_blocks"]
    }
    assert {is_packed for is_packed, _, _ in blocks} == {is_panels for _, is_panels, _ in blocks} == {True, False}
    assert any(-(-left // most) > 1 for left, most in called["registers_of_column"])
    assert {stop - first < net.layers.size for net, *_, first, stop in called["pack_rows"]} == {True}
    tiles = [args[3] for args in called["part_of_tile"]]
    assert min(tiles) == 0 < max(tiles)


FAULTS = {
    "packed weights": (columns, "copy_numbers", lambda out, place, numbers, start, n: out.__setitem__(place, 0.0)),
    "columns": (weighted_sums, "registers_of_column", lambda left, most: left if left < 2 else left - 1),
    "sums across lanes": (sums_across, "sum_tile", lambda shape, block, out, stride, accumulate: None),
    "links": (links, "sum_tile", lambda shape, block, out, stride, accumulate: None),
    "slopes of single samples": (single, "errors_of", lambda net, units, l, j, shape, count: None),
    "outputs of single samples": (single, "first_row_sums", lambda shape, w, n_rows, z, n_in: 0.0 * single.load(z, 0)),
}


@uncompiled_only
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_seen(name, small_thresholds, monkeypatch):
    monkeypatch.setattr(*FAULTS[name])
    with pytest.raises(WrongResultsError, match="wrong results on this machine") as raised:
        self_check(["float64"])
    report = raised.value.report
    assert not report.passed
    assert any(check.passed for check in report.checks) or name == "sums across lanes"
    assert str(report).count("WRONG") > 1


def test_errors_that_are_no_numbers_are_wrong():
    with np.errstate(invalid="ignore"):
        error = crossings.error_of([np.ones(2), np.array([np.nan, 1.0])], [np.ones(2), np.ones(2)])
    assert np.isnan(error)
    check = Check("gradient", (1, 1), 1, "float64", error)
    assert not check.passed


@pytest.mark.parametrize("dtypes", [["float16"], "float32x", [1]])
def test_other_dtypes_are_refused(dtypes):
    with pytest.raises((ValueError, TypeError), match="dtypes"):
        self_check(dtypes)


# A process that is ended when it has compiled, and is about to check
KILLED = """
import os, sys
import numpy as np, fastbp
import fastbp.checking.self_check as checks

checks.check_gradients = lambda dtype, solver: os._exit(9)
fastbp.Network((3, 4, 1), seed=0).fit(np.ones((40, 3)), np.ones(40))
"""

# Trainings with kernels that are wrong on machines of this shape, with code that another process has kept; then the
# check on demand
TRAIN = """
import sys
from pathlib import Path
import numpy as np, fastbp
from fastbp.estimators import MLPRegressor
from fastbp.kernels.training.chunks import work_on_chunk
from fastbp.checking.self_check import Check, WrongResultsError, check_gradients

net = fastbp.Network((3, 4, 1), seed=0)
before = net.params.copy()
X, t = np.random.default_rng(0).normal(size=(40, 3)), np.ones(40)
small = dict(hidden_layer_sizes=4, max_iter=1)
for call in (lambda: net.fit(X, t), lambda: MLPRegressor(**small).fit(X, t),
             lambda: MLPRegressor(**small).partial_fit(X, t), lambda: MLPRegressor(solver="lbfgs", **small).fit(X, t),
             lambda: net.gradient(X, t), lambda: net.engine.memory(40), lambda: fastbp.self_check(["float64"])):
    try:
        call()
    except WrongResultsError as wrong:
        found = wrong.report.checks
        print(sum(not c.passed for c in found), sum("packed" in c.what for c in found if not c.passed), len(found))
assert np.array_equal(net.params, before)
assert work_on_chunk.stats.cache_hits and not work_on_chunk.stats.cache_misses
kept = [path.name for path in Path(sys.argv[1]).rglob("*.nbc")]
assert kept and not [name for name in kept if "work_on_chunk" in name], kept
"""


@pytest.mark.compiled_only
def test_new_code_that_is_wrong_is_not_used(tmp_path):
    pytest.importorskip("sklearn")
    package, kept = package_with("packed", tmp_path / "package"), tmp_path / "cache"
    settings = {"NUMBA_CACHE_DIR": str(kept), "FASTBP_REGISTERS": "16x2"}
    assert start_python(KILLED, package=package, **settings).returncode == 9
    assert [path for path in kept.rglob("*.nbc") if "work_on_chunk" in path.name]
    assert not list(kept.rglob("*.passed"))
    lines = run_python(TRAIN, str(kept), package=package, **settings).splitlines()
    assert len(lines) == 7
    for n_wrong, n_packed, n_checks in (map(int, line.split()) for line in lines):
        assert 1 <= n_packed <= n_wrong < n_checks  # others have packed columns as well


@pytest.mark.parametrize(("errors", "code", "words"), [((1e-16, 0.0), 0, "all right"), ((1.0, 0.0), 1, "1 WRONG")])
def test_the_command_says_what_is_wrong(errors, code, words, monkeypatch):
    pytest.importorskip("click")
    from click.testing import CliRunner

    from fastbp.cli.commands import fastbp as group

    found = {"float32": [], "float64": [Check("gradient: one sample", (2, 1), 1, "float64", e) for e in errors]}
    monkeypatch.setattr(MODULE, "_all_checks", lambda dtype: iter(found[dtype.name]))
    monkeypatch.setattr("fastbp.kernels.compiling.cache.PackageCache.flush", lambda self: None)
    result = CliRunner().invoke(group, ["versions", "--check"])
    assert result.exit_code == code
    assert f"2 checks, {words}" in result.output
    assert "processor" in result.output
