"""Bad input: each public argument of each public call takes what is right, in any form, and refuses all else.

The table is in `bad_input.py`, the forms in `array_forms.py`. What is refused is a
ValueError or TypeError that names the argument, and not a bit of the network has changed.
"""

import datetime
import decimal
import fractions
import inspect
import itertools
import math
import pickle
from functools import partial

import bad_input as table
import numpy as np
import pytest
from array_forms import FORMS, FORMS_OF_NUMBERS
from cases import COMPILED
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

import fastbp
from fastbp import memory

pytest.importorskip("pandas")
pytest.importorskip("polars")

ARRAY_USES = [use for use in table.USES if use.kind in table.ARRAYS]
OTHER_USES = [use for use in table.USES if use.kind not in table.ARRAYS]
BY_NAME = {str(use): use for use in table.USES}


def bits(net):
    return net.params.tobytes()


def check_refused(use, value):
    net = table.network()
    before = bits(net)
    refused(lambda: use.use(net, value), use.argument)
    assert bits(net) == before


@pytest.mark.parametrize("use", OTHER_USES, ids=str)
def test_wrong_values(use):
    assert table.WRONG[use.kind]
    for value in table.WRONG[use.kind]:
        check_refused(use, value)


def test_every_public_argument_is_in_the_table():
    covered = {(use.call, use.argument) for use in table.USES}
    methods = ("forward", "activations", "deltas", "loss", "gradient", "fit", "astype", "save", "load", "from_edges")
    for name in (*methods, "diagnose", "input_gradient", "with_mask", "prune", "workspace", "cfunc"):
        for argument, kind in inspect.signature(getattr(fastbp.Network, name)).parameters.items():
            assert argument == "self" or kind.kind == kind.VAR_KEYWORD or (name, argument) in covered, (name, argument)
    for argument in inspect.signature(fastbp.Network.fit_evidence).parameters:  # whose samples pass the gate of `fit`
        assert argument in ("self", "X", "T") or ("fit_evidence", argument) in covered, argument
    for name in ("of", "forward", "mean", "std", "losses", "gradient", "best", "save", "load", "fit"):
        for argument, kind in inspect.signature(getattr(fastbp.Population, name)).parameters.items():
            named = kind.kind != kind.VAR_KEYWORD and argument != "self"
            assert not named or (f"Population.{name}", argument) in covered, (name, argument)
    for function in (
        fastbp.Network,
        fastbp.Population,
        fastbp.tune,
        fastbp.check_gradient,
        fastbp.describe_schedule,
        fastbp.warm_up,
        fastbp.self_check,
        fastbp.Activation,
        fastbp.Loss,
    ):
        for argument in inspect.signature(function).parameters:
            assert (function.__name__, argument) in covered, (function, argument)


# ---------------------------------------------------------------- arrays

ALL_DEFECTS = {**{name: change for name, (change, _of) in table.DEFECTS.items()}, **table.DEFECTS_OF_KIND}


def is_wrong_for(defect, argument):
    """Return whether a defect is one for an argument: h(nan) is nan, and sample_weight may be left out."""
    _, arguments = table.DEFECTS.get(defect, (None, None))
    if defect == "a masked row" and table.ARRAYS[argument].ndim == 1:
        return False
    if defect == "no array: None" and argument in ("sample_weight", "v"):
        return False
    return arguments is None or argument in arguments


@pytest.mark.parametrize("use", ARRAY_USES, ids=str)
def test_arrays_with_a_defect(use):
    array = table.ARRAYS[use.argument]
    for name, change in ALL_DEFECTS.items():
        if is_wrong_for(name, use.argument):
            check_refused(use, change(array, (1,) * array.ndim))


def same_bits(use, value, array):
    """Check that a value has the result of the array that it is a form of."""
    result, expected = (
        (use.use(net := table.network(), value), bits(net)),
        (use.use(net := table.network(), array), bits(net)),
    )
    assert np.array_equal(result[0], expected[0]) if expected[0] is not None else result[0] is None
    assert result[1] == expected[1]


@pytest.mark.parametrize("use", ARRAY_USES, ids=str)
def test_arrays_in_any_form(use):
    if use.call == "check_gradient" and not COMPILED:
        pytest.skip("two losses for each parameter and form: half a minute uncompiled")
    array = table.ARRAYS[use.argument]
    for name, form in (FORMS | FORMS_OF_NUMBERS).items():
        if use.argument == "a" and name in ("float16", "float32"):
            continue  # h keeps the dtype
        same_bits(use, form(array), array)


def test_integers_booleans_matrices_and_files(tmp_path):
    net = table.network()
    integers = np.arange(18).reshape(6, 3)
    expected = net.forward(integers.astype(float))
    for dtype in (np.int8, np.uint16, np.int64, np.uint64):
        assert np.array_equal(net.forward(integers.astype(dtype)), expected)
    assert np.array_equal(net.forward(integers > 8), net.forward((integers > 8).astype(float)))
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(integers)
    assert np.array_equal(net.forward(matrix), expected)
    np.save(tmp_path / "x.npy", integers.astype(float))
    for mode in ("r", "r+"):
        assert np.array_equal(net.forward(np.load(tmp_path / "x.npy", mmap_mode=mode)), expected)


def test_one_column_may_be_one_dimensional():
    import pandas
    import polars

    net, t = fastbp.Network((3, 2, 1), seed=0), np.arange(6.0)
    expected = net.gradient(table.X, t[:, None])[1]
    for series in (
        t,
        t.tolist(),
        pandas.Series(t, index=range(7, 13)),
        pandas.Series(t).convert_dtypes(),
        polars.Series(t),
    ):
        assert np.array_equal(net.gradient(table.X, series)[1], expected)


def test_numbers_beyond_float32_are_named():
    net = table.network("float32")
    for value in (1e300, -1e39, 2**200):
        X = table.X.astype(object)
        X[4, 1] = value
        refused(lambda X=X: net.forward(X), "X", "float32", "X[4, 1]", kind=ValueError)
        refused(lambda X=X: net.forward(X.astype(float)), "X", "float32", "X[4, 1]", kind=ValueError)
    assert np.all(np.isfinite(net.forward(np.full((1, 3), 2**63 - 1))))
    params = np.zeros(net.n_params)
    params[3] = 1e300
    wide = table.network()
    wide.params = params
    refused(lambda: wide.astype("float32"), "params", "float32", "params[3]", "1e+300", kind=ValueError)
    refused(lambda: fastbp.Network((2, 1), init=1e300, dtype="float32"), "init", kind=ValueError)
    assert np.all(np.isfinite(fastbp.Network((2, 1), init=1e38, dtype="float32").params))


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_data_that_are_the_parameters(batch_size):
    """Training on views of the weights that it changes is training on what they were."""
    options = {"epochs": 4, "batch_size": batch_size, "learning_rate": 0.1, "solver": "sgd", "shuffle": False}
    own, apart = (fastbp.Network((2, 2, 2), bias=False, seed=3) for _ in range(2))
    view, copy = own.params.reshape(4, 2), own.params.reshape(4, 2).copy()
    weight = np.abs(copy[:, 0])
    own.params = np.abs(own.params)
    apart.params = own.params
    copy[:] = own.params.reshape(4, 2)
    losses = [
        own.fit(view, view[::-1], sample_weight=view[:, 0], validation=(view, view), **options),
        apart.fit(copy, copy[::-1].copy(), sample_weight=copy[:, 0].copy(), validation=(copy, copy.copy()), **options),
    ]
    assert weight.shape == (4,)
    assert losses[0].loss == losses[1].loss
    assert losses[0].validation_loss == losses[1].validation_loss
    assert bits(own) == bits(apart)


def test_a_network_takes_its_own_parameters():
    net = table.network()
    before = net.params.copy()
    net.params = net.params[::-1]
    assert np.array_equal(net.params, before[::-1])
    assert np.array_equal(pickle.loads(pickle.dumps(net)).params, before[::-1])


# ---------------------------------------------------------------- sizes that are too large


@pytest.mark.parametrize(
    "sizes", [(10**6, 10**6, 10), (2**32, 2**32, 1), (2**40, 2**40), (1, 2**62), (10**18, 10**18, 10**18)], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_that_no_memory_holds(sizes, dtype):
    n_params = sum((n + 1) * m for n, m in itertools.pairwise(sizes))
    with pytest.raises(MemoryError, match=r"sizes .* bytes") as error:
        fastbp.Network(sizes, dtype=dtype)
    assert f"{n_params:,} parameters" in str(error.value)


def test_memory_of_machine_and_container(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "LIMITS", (tmp_path / "missing", tmp_path / "limit"))
    for text, expected in (("max\n", None), ("123456\n", 123456)):
        (tmp_path / "limit").write_text(text)
        memory.total.cache_clear()
        assert memory.total() == expected or (expected is None and memory.total() > 2**20)
    with pytest.raises(MemoryError, match=r"sizes must fit into memory: .* bytes; there are 123,456"):
        fastbp.Network((1000, 1000))
    memory.total.cache_clear()


# ---------------------------------------------------------------- drawn at random


@given(st.data())
def test_drawn_arrays(data):
    """An array in a drawn form, with or without a drawn defect, at a drawn place."""
    use = BY_NAME[data.draw(st.sampled_from(sorted(map(str, ARRAY_USES))))]
    array = table.ARRAYS[use.argument]
    place = tuple(data.draw(st.integers(0, n - 1)) for n in array.shape)
    defect = data.draw(st.sampled_from([None, *ALL_DEFECTS]))
    if defect is None or not is_wrong_for(defect, use.argument):
        forms = FORMS | FORMS_OF_NUMBERS
        name = data.draw(st.sampled_from(sorted(forms)))
        if use.argument != "a" or name not in ("float16", "float32"):
            same_bits(use, forms[name](array), array)
        return
    value = ALL_DEFECTS[defect](array, place)
    if type(value) is np.ndarray and value.ndim and not value.dtype.names:
        value = FORMS[data.draw(st.sampled_from(sorted(FORMS)))](value)
    check_refused(use, value)


def is_integer(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)


def is_number(value):
    real = isinstance(value, int | float | np.integer | np.floating | decimal.Decimal | fractions.Fraction)
    if not real or isinstance(value, bool | np.timedelta64):
        return False
    try:
        return math.isfinite(float(value))
    except (OverflowError, ValueError):  # beyond all floats; a signalling NaN
        return False


# What each kind of option takes, said once more.
TAKES = {
    "flag": lambda v: isinstance(v, bool | np.bool_),
    "seed": lambda v: v is None or (is_integer(v) and v >= 0),
    "length": lambda v: is_integer(v) and 0 <= v < 2**63,
    "count or None": lambda v: v is None or (is_integer(v) and 1 <= v < 2**63),
    "size": lambda v: is_number(v) and float(v) >= 0,
    "size or None": lambda v: v is None or (is_number(v) and float(v) >= 0),
    "rate": lambda v: is_number(v) and float(v) > 0,
    "rate or None": lambda v: v is None or (is_number(v) and float(v) > 0),
    "fraction": lambda v: is_number(v) and 0 <= float(v) < 1,
    "fraction above 0": lambda v: is_number(v) and 0 < float(v) < 1,
    "factor": lambda v: is_number(v) and float(v) > 1,
}
# Some of these want other options beside them, or take strings as well.
NOT_DRAWN = ("epochs", "progress", "init", "checkpoint_every", "resume")
DRAWN_USES = {
    str(use): use for use in table.USES if use.kind in TAKES and use.argument not in NOT_DRAWN and use.call == "fit"
}

numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.just(10**400),
    st.floats(),
    st.floats(0, 2),
    st.integers(0, 100).map(np.int16),
    st.floats(width=32).map(np.float32),
    st.decimals(allow_nan=True),
    st.fractions(),
)
anything = st.one_of(
    numbers,
    st.none(),
    st.booleans(),
    st.booleans().map(np.bool_),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.floats(), max_size=3),
    st.dictionaries(st.integers(), st.integers(), max_size=2),
    st.datetimes(),
    st.timedeltas(),
    st.lists(st.floats(), min_size=1, max_size=3).map(np.array),
    st.sampled_from(
        [object(), np.ma.masked, np.datetime64("2026-01-01"), np.timedelta64(3, "s"), datetime.date(2026, 1, 1)]
    ),
)


@given(st.sampled_from(sorted(DRAWN_USES)), st.one_of(numbers, anything))
def test_drawn_options(name, value):
    """An option takes a value or refuses it, as the table of kinds says."""
    use = DRAWN_USES[name]
    if not TAKES[use.kind](value):
        check_refused(use, value)
        return
    net = table.network()
    before = bits(net)
    use.use(net, value)
    assert bits(net) == before


@pytest.mark.skipif(not COMPILED, reason="the same checks, slower")
def test_the_short_way_refuses_what_the_general_one_refuses():
    """A sample goes to the kernel unseen by Python: what it may not compute it hands back."""
    for dtype in ("float32", "float64"):
        net = table.network(dtype)
        row = table.X[:1].astype(dtype)
        net.forward(row)
        for value in (np.nan, np.inf, -np.inf):
            for column in range(3):
                bad = row.copy()
                bad[0, column] = value
                refused(partial(net.forward, bad), "X", "finite")
        for wrong in (row[:, :2], row[:0], np.zeros((1, 4), dtype), np.zeros((3, 1), dtype), row[None], row[0]):
            refused(partial(net.forward, wrong), "X", "shape")
