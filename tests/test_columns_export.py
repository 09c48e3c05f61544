"""Raw columns with gaps, dates, rare levels, a logarithm, several targets: C and ONNX predict what `fastbp` does."""

import ctypes
import datetime
import shutil

import numpy as np
import polars as pl
import pytest
from c_compilers import compile_c, self_test

import fastbp
from fastbp.exporting.c_export import to_c
from fastbp.exporting.dates import FEATURES, date_numbers
from fastbp.exporting.onnx_export import to_onnx
from fastbp.io import load_network
from fastbp.tables.cells import dates
from fastbp.tables.cells.notation import Notation
from fastbp.tables.modelling.model import Facts, TableModel
from fastbp.tables.preparing.columns import BooleanColumn, CategoryColumn, NumberColumn
from fastbp.tables.preparing.date_column import DateColumn
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.targets import NumberTarget

FIRST = datetime.datetime(1899, 12, 30, 6, 30)
SECONDS = (FIRST - datetime.datetime(1970, 1, 1)).total_seconds()
FACTS = Facts("", {}, "adam", 1, None, "epochs", 0.0, None, "", "")
COLUMNS = (
    NumberColumn("a", True, 2.0, 3.0, 1.5, -9.0, 9.0),
    NumberColumn("b", False, -1.0, 0.5, -1.25, -9.0, 9.0),
    NumberColumn("same", True, 4.0, 0.0, 4.0, 4.0, 4.0),
    BooleanColumn("flag", True, True),
    BooleanColumn("plain", False, False),
    CategoryColumn("level", True, ("x", "y"), True),
    CategoryColumn("few", False, ("o", "p", "q"), True),
    CategoryColumn("known", True, ("r", "s"), False),
    DateColumn("when", True, "typed", FEATURES, (4e4, 1960.0, *[0.1] * 6), (2e4, 50.0, *[0.7] * 6), SECONDS, 0.0),
    DateColumn("day", False, "typed", ("weekday_cos", "days"), (0.0, 9e3), (0.7, 1e3), SECONDS, 86400.0),
    NumberColumn("far", True, 1.0, 1e-3, 1.0, -9.0, 9.0, scaling="robust"),
    DateColumn("late", False, "typed", ("year", "days"), (2000.0, 9e3), (10.0, 1e4), SECONDS, 0.0, scaling="robust"),
)
ONE = NumberTarget(("t",), (1.0,), (0.5,), (0.25,), True, notations=(Notation(),))
SEVERAL = NumberTarget(("t", "u"), (1.0, 2.0), (100.0, -3.0), (7.0, 0.5), notations=(Notation(), Notation()))


def table(n_rows=60):
    """Return a frame of those columns, a tenth of it missing."""
    rng = np.random.default_rng(0)
    times = [FIRST + datetime.timedelta(seconds=int(s)) for s in rng.integers(0, 250 * 365 * 86400, size=n_rows)]
    values = {
        "a": rng.normal(2, 3, n_rows), "b": rng.normal(-1, 0.5, n_rows), "same": np.full(n_rows, 4.0),
        "flag": rng.random(n_rows) < 0.5, "plain": rng.random(n_rows) < 0.5, "level": rng.choice([*"xyz"], n_rows),
        "few": rng.choice(["o", "p", "q", "w"], n_rows), "known": rng.choice([*"rsv"], n_rows), "when": times,
        "day": times[::-1], "far": np.append(rng.standard_cauchy(n_rows - 1), -1e300), "late": times,
    }  # fmt: skip
    gaps = rng.random((len(values), n_rows)) < 0.1
    return pl.DataFrame(
        {
            name: pl.Series([None if gap else x for x, gap in zip(pl.Series(column).to_list(), row, strict=True)])
            for (name, column), row in zip(values.items(), gaps, strict=True)
        }
    )


@pytest.fixture(scope="module", params=[ONE, SEVERAL], ids=["log", "several"])
def model(request, tmp_path_factory):
    """(network, what the file says besides, predictions (n, targets), the table)."""
    encoder = Encoder(COLUMNS)
    net = fastbp.Network((encoder.n_inputs, 7, request.param.n_outputs), dtype="float32", seed=1)
    path = tmp_path_factory.mktemp("columns") / "m.fastbp"
    trained = TableModel([net], encoder, request.param, FACTS)
    trained.save(str(path))
    with pytest.warns(UserWarning):
        right = trained.predict(table())
    return *load_network(path), right, table()


def seconds_of(column):
    return [np.nan if x is None else (x - datetime.datetime(1970, 1, 1)).total_seconds() for x in column]


def as_raw(frame):
    """Columns as C and ONNX take them, but for text."""
    raw = {name: frame[name].to_list() for name in frame.columns}
    for name in ("when", "day", "late"):
        raw[name] = seconds_of(raw[name])
    for name in ("a", "b", "same", "far"):
        raw[name] = [np.nan if x is None else x for x in raw[name]]
    return raw


def test_dates_are_those_of_tables():
    days = np.arange(-800_000, 1_500_000, 997.0)
    seconds = days * 86400 + np.random.default_rng(0).integers(0, 86400, len(days))
    expected = dates.features(seconds, SECONDS)
    np.testing.assert_allclose(
        date_numbers(seconds, SECONDS), np.stack([expected[f] for f in FEATURES], axis=1), rtol=1e-9, atol=1e-9
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_c(model, tmp_path):
    net, extra, right, frame = model
    to_c(net, tmp_path / "net.c", name="net", extra=extra)
    assert self_test(tmp_path / "net.c") == (0, "")
    raw = as_raw(frame)
    kinds = {"flag": ctypes.c_int, "plain": ctypes.c_int} | dict.fromkeys(("level", "few", "known"), ctypes.c_char_p)
    fields = [(column.name, kinds.get(column.name, ctypes.c_double)) for column in COLUMNS]
    row_type = type("Row", (ctypes.Structure,), {"_fields_": fields})
    library = ctypes.CDLL(str(compile_c(tmp_path / "net.c", "-shared", "-fPIC")))
    y = (ctypes.c_double * net.n_outputs)()
    for k, expected in enumerate(right.iter_rows()):
        values = [raw[name][k] for name, _kind in fields]
        for at, (_name, kind) in enumerate(fields):
            if kind is ctypes.c_int:
                values[at] = -1 if values[at] is None else int(values[at])
            elif kind is ctypes.c_char_p and values[at] is not None:
                values[at] = values[at].encode()
        library.net_columns(ctypes.byref(row_type(*values)), y)
        assert list(y) == pytest.approx(expected, rel=2e-5)
    text = (tmp_path / "net.c").read_text()
    (tmp_path / "net.c").write_text(text.replace("days + 3.0", "days + 4.0"))
    assert self_test(tmp_path / "net.c")[0] == 1


def test_onnx(model, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    net, extra, right, frame = model
    to_onnx(net, tmp_path / "net.onnx", extra=extra)
    raw, feed = as_raw(frame), {}
    for column in COLUMNS:
        values = raw[column.name]
        if isinstance(column, CategoryColumn):
            array = np.array(["" if x is None else x for x in values], object)
        elif column.name == "plain":  # without an input for gaps: the caller fills them in
            array = np.array([column.fill if x is None else x for x in values], bool)
        else:
            array = np.array([np.nan if x is None else float(x) for x in values])
        feed[column.name] = array.reshape(-1, 1)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == right.columns
    found = np.concatenate(session.run(names, feed), axis=1)
    np.testing.assert_allclose(found, right.to_numpy(), rtol=2e-5)
