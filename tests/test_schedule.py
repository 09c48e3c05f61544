"""Lists of tasks: each weight once, each decision both ways, and what `describe_schedule` says of them."""

import ast
import inspect
from itertools import chain

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.engine.choices import SLOPES, Choices, Tables, Want, width_of
from fastbp.engine.engine import even_parts
from fastbp.engine.schedule import Lists, schedule
from fastbp.explaining.schedule import EQUATIONS, tiles_of, units_of_tiles
from fastbp.kernels.many_samples import parts, passes, tasks, weighted_sums
from fastbp.kernels.many_samples.tasks import Task
from fastbp.kernels.registers.machine import REGISTER_BYTES
from fastbp.kernels.training import chunks

NETWORKS = {
    "small": lambda: fastbp.Network((4, 10, 3)),
    "one output": lambda: fastbp.Network((13, 50, 1), activation="relu"),
    "narrow": lambda: fastbp.Network((13, 50, 40, 3), activation=["relu", "tanh"], dtype="float32"),
    "skips": lambda: fastbp.Network((7, 30, 26, 3), activation="relu", skip="all"),
    "no biases": lambda: fastbp.Network((9, 27, 31, 2), bias=False),
    "large": lambda: fastbp.Network((200, 300, 300, 5), activation="relu", output="softmax", loss="cross_entropy"),
    "parts of terms": lambda: fastbp.Network((600, 40, 1100, 2)),
    "links": lambda: fastbp.Network((12, 20, 18, 3), seed=0).prune(0.1),
    "outputs that feed": lambda: fastbp.Network.from_edges(2, 2, [(0, 2), (1, 2), (2, 3), (0, 3)]),
}
WANTS = {
    "plain": Want(SLOPES, gradient=True),
    "dropout": Want(SLOPES, gradient=True, dropout=True),
    "shared": Want(SLOPES, gradient=True, shared=True),
}
WIDTHS = 1, 3, 4, 5, 13, 16, 17, 25, 33, 64


def test_each_kind_of_task_is_asked_for_by_name_where_tasks_are_run():
    """What is not the last of its kind must not run as if it were: no `else` stands for a kind."""
    tree = ast.parse(inspect.getsource(passes))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and hasattr(tasks, node.attr)}
    assert {getattr(tasks, name) for name in named if name.isupper()} == set(range(tasks.STEP + 1))
    branches = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "task.kind ==" in ast.unparse(node.test)
    ]
    ends = [node.orelse for node in branches if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If)]
    assert branches
    assert not any(ends)


def packed(net):
    net.engine.link(SLOPES)
    return net.packed


def choices_of(net, n_registers, want=WANTS["plain"]):
    tables = Tables(packed(net))
    return Choices(tables, want, width_of(tables, want, n_registers))


def phases_of(net, n_registers, want=WANTS["plain"], *, gradient=True):
    return Lists(choices_of(net, n_registers, want)).phases(gradient=gradient)


def weights_of(task, net):
    """Return the places among the parameters at which a task writes a gradient."""
    row = np.arange(task.n_units)
    if task.kind in (tasks.WEIGHTS_BY_INPUTS, tasks.WEIGHTS_BY_SAMPLES):
        return [task.weights + np.arange(task.n_units * task.n_in)]
    if task.kind == tasks.FEEDERS:
        return [task.weights + row, task.bias + row]
    if task.kind == tasks.LINK_WEIGHTS:
        starts = net.packed.starts
        return [net.packed.links[starts[task.unit] : starts[task.unit + task.n_units], 1]]
    return {tasks.WEIGHTS_OF_FEW: [task.weights + row], tasks.BIASES: [task.bias + row]}.get(task.kind, [])


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_each_parameter_is_formed_once(name, want):
    net = NETWORKS[name]()
    for n_registers in WIDTHS:
        formed = np.zeros(net.n_params, int)
        for task in chain(*phases_of(net, n_registers, WANTS[want])):
            for places in weights_of(task, net):
                formed[places] += 1
        assert (formed == 1).all(), n_registers


@pytest.mark.parametrize("name", NETWORKS)
def test_each_weight_is_in_one_sum_forward_and_one_sum_of_delta(name):
    net = NETWORKS[name]()
    for n_registers in WIDTHS:
        forward, _, backward, to_inputs = phases_of(net, n_registers, Want(SLOPES), gradient=False)
        summed = sum(task.n_units * task.n_terms for task in forward if task.kind == tasks.SUMS)
        assert summed == sum(n * m for n, m in net.topology.block_shapes)
        deltas = [task for task in backward + to_inputs if task.kind == tasks.SUMS_OF_DELTA]
        assert sum(task.n_units * task.n_terms for task in deltas) == summed
        assert {task.layer for task in to_inputs} <= {0}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_step_is_taken_for_each_parameter_once_after_its_gradient(name):
    net = NETWORKS[name]()
    for n_registers in WIDTHS:
        done, formed = 0, np.zeros(net.packed.params.size, bool)
        formed[net.n_params :] = True  # what fills up the last cache line
        for task in chain(*phases_of(net, n_registers)):
            for places in weights_of(task, net):
                formed[places] = True
            if task.kind == tasks.STEP:
                assert task.weights == done
                done += task.n_units
                assert formed[task.weights : done].all()
        assert done == net.packed.params.size


# A decision, and a network and bytes of a unit's samples for which it is taken, and others for which it is not
DECIDED = {
    "at once": (lambda c: c.width.is_at_once, ("one output", 1600), ("small", 128)),
    "biases together": (lambda c: c.width.biases_together, ("small", 128), ("one output", 1600)),
    "feeders": (lambda c: c.has_feeders(c.net.layers[1]), ("one output", 1600), ("skips", 1600)),
    "slope in sums": (lambda c: c.is_slope_in_sums(c.net.layers[1]), ("one output", 1600), ("small", 128)),
    "delta kept": (lambda c: c.is_delta_kept(c.net.layers[1]), ("links", 256), ("one output", 256)),
    "all forward": (lambda c: c.stripe_forward(c.net.layers[1]) == 40, ("parts of terms", 2112), ("skips", 2112)),
    "all backward": (lambda c: c.stripe_backward(c.net.layers[1]) == 40, ("parts of terms", 2112), ("skips", 2112)),
}  # fmt: skip


@pytest.mark.parametrize("name", DECIDED)
def test_each_decision_is_taken_one_way_and_the_other(name):
    decision, yes, no = DECIDED[name]
    for (network, n_bytes), expected in ((yes, True), (no, False)):
        choices = choices_of(NETWORKS[network](), n_bytes // REGISTER_BYTES)
        assert decision(choices) is expected


def test_rows_that_are_cut_are_read_again_for_few_stripes():
    """A row of 200,000 inputs leaves any L2 cache."""
    net = fastbp.Network((200_000, 3))
    wide, narrow = (choices_of(net, 32, WANTS[want]) for want in ("plain", "shared"))
    assert wide.stripe_of_gradient(wide.net.blocks[0]) > narrow.stripe_of_gradient(narrow.net.blocks[0])


def test_what_dropout_forbids():
    choices = choices_of(NETWORKS["one output"](), 4, WANTS["dropout"])
    hidden = choices.net.layers[1]
    assert not (choices.has_feeders(hidden) or choices.is_slope_in_sums(hidden))
    found = {task.kind for task in chain(*Lists(choices).phases(gradient=True))}
    assert {tasks.DROP, tasks.DROPPED_SLOPES} <= found


def test_lists_are_there_for_each_width_and_made_once_for_all_alike():
    net = NETWORKS["one output"]()
    own_tasks, bounds = schedule(packed(net), WANTS["plain"], 64)
    assert (np.diff(bounds[1:, :, :]) >= 0).all()
    assert (bounds[1:, :, -1] > bounds[1:, :, 0]).all()
    for n_registers in WIDTHS:
        for gradient in (False, True):
            start, *_, stop = bounds[n_registers, int(gradient)]
            expected = chain(*phases_of(net, n_registers, gradient=gradient))
            assert own_tasks[start:stop].tolist() == [list(map(int, task)) for task in expected]
    assert len(np.unique(bounds[1:, 1, 0])) < 10


def test_only_what_is_wanted_is_listed():
    net = NETWORKS["one output"]()
    forward, outputs, *rest = phases_of(net, 4, Want(1), gradient=False)
    assert forward
    assert [outputs, *rest] == [[], [], []]


# ---------------------------------------------------------------------------- in words


@pytest.mark.parametrize("name", NETWORKS)
def test_multiply_adds_add_up(name):
    net = NETWORKS[name]()
    described = fastbp.describe_schedule(net, 130)
    forward = sum(task.multiply_adds for task in described.tasks if task.phase == "forward")
    assert forward == described.n_samples * net.topology.n_weights
    gradient = sum(task.multiply_adds for task in described.tasks if task.equation.startswith("(5.57)"))
    with_feeders = any("delta_j, (5.57)" in task.equation for task in described.tasks)
    assert with_feeders == (name == "one output")
    assert with_feeders or gradient == forward
    assert all(task.n_bytes > 0 for task in described.tasks)
    assert all(0 < task.bound <= 1 for task in described.tasks if task.bound is not None)


def test_a_description():
    lines = str(fastbp.describe_schedule(fastbp.Network((4, 10, 3), dtype="float64"), 32)).splitlines()
    assert lines[0].startswith("1 x 32 samples")
    assert lines[1].split() == ["phase", "layer", "task", "times", "multiply-adds", "bytes", "bound"]
    assert [line.split()[2] for line in lines[2:6]] == ["(5.48)", "(5.49)", "(5.48)", "(5.54)"]
    assert "1,280" in lines[2]


def test_batches_are_described_by_their_largest_tile():
    net = fastbp.Network((64, 256, 256, 10), dtype="float32")
    for n_samples in (1, 100, 700, 3001, 100_000):
        described = fastbp.describe_schedule(net, n_samples)
        assert described.n_samples <= min(n_samples, 512)
        assert described.n_samples * described.n_tiles >= n_samples > described.n_samples * described.n_tiles * 0.9
    many, few = (fastbp.describe_schedule(net, n_samples) for n_samples in (10**15, 10**12))
    assert many.tasks == few.tasks
    assert 990 < many.n_tiles / few.n_tiles < 1010


def test_all_kinds_but_those_of_dropout_have_an_equation():
    kinds = {value for name, value in vars(tasks).items() if name.isupper() and isinstance(value, int)}
    kinds -= {tasks.DROP, tasks.DROPPED_SLOPES}
    assert set(EQUATIONS) == set(range(tasks.STEP + 1)) & kinds
    assert len(Task._fields) == tasks.TASK_COLUMNS


@pytest.mark.skipif(COMPILED, reason="Python cannot call the kernels that say so")
def test_tiles_are_cut_as_the_kernels_cut_them():
    for n in range(1, 70):
        for n_parts in (1, 2, 3):
            parts_of_n = [chunks.part_of(n, k, n_parts, 4) for k in range(n_parts)]
            assert even_parts(n, n_parts, 4) == [stop - start for start, stop in parts_of_n]
    for n_registers in range(1, 70):
        left = n_registers
        for n in tiles_of(n_registers):
            assert n == parts.registers_of_tile(left, weighted_sums.TILE_REGISTERS)
            left -= n
    for n_units in range(1, 40):
        for n_registers in (1, 2):
            left = n_units
            for n in units_of_tiles(n_units, n_registers, is_packed=False):
                assert n == weighted_sums.units_of_block(left, n_registers == 1)
                left -= n


@pytest.mark.parametrize(("net", "n_samples"), [("net", 5), (None, 5)])
def test_what_is_no_network_is_refused(net, n_samples):
    with pytest.raises(TypeError, match="net must be a fastbp"):
        fastbp.describe_schedule(net, n_samples)


@pytest.mark.parametrize("n_samples", [0, -1])
def test_no_samples_are_refused(n_samples):
    with pytest.raises(ValueError, match="n_samples must be"):
        fastbp.describe_schedule(fastbp.Network((1, 1)), n_samples)
