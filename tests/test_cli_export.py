"""`fastbp export`: files that take the raw columns of the table, and predict what `fastbp predict` predicts."""

import ctypes
import re
import shutil

import numpy as np
import polars as pl
import pytest
from c_compilers import compile_c, self_test
from command_line import plants, refused, run, train_on_plants, trained

import fastbp
from fastbp.exporting.c_columns import c_string, member_names
from fastbp.exporting.columns import Column, table_of
from fastbp.io import load_network, save_network
from fastbp.tables.modelling.model import TableModel


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """(a model of classes, one of numbers, the table)."""
    folder = tmp_path_factory.mktemp("models")
    classes, numbers = train_on_plants(folder), folder / "weight.fastbp"
    trained(
        folder / "plants.csv", "--target", "weight", "--out", numbers, "--hidden", "6", "--epochs", "3", "--no-plot"
    )
    return classes, numbers, plants()


def exported(model, to, tmp_path, *options):
    out = tmp_path / f"model.{to}"
    result = run("export", model, "--to", to, "--out", out, *options)
    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout
    return out


class Row(ctypes.Structure):
    _fields_ = [
        ("height", ctypes.c_double),
        ("woody", ctypes.c_int),
        ("soil", ctypes.c_char_p),
        ("leaves", ctypes.c_double),
    ]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_c_of_raw_columns(models, tmp_path):
    classes, numbers, table = models
    source = exported(classes, "c", tmp_path, "--name", "plants")
    assert self_test(source, name="plants") == (0, "")
    library = ctypes.CDLL(str(compile_c(source, "-shared", "-fPIC")))
    labels = (ctypes.c_char_p * 3).in_dll(library, "plants_classes")
    expected, y = TableModel.load(str(classes)).predict(table), (ctypes.c_double * 3)()
    for values, label in zip(table.iter_rows(named=True), expected.iter_rows(named=True), strict=True):
        row = Row(values["height"], values["woody"], values["soil"].encode(), values["leaves"])
        best = library.plants_columns(ctypes.byref(row), y)
        assert labels[best].decode() == label["prediction"]
        assert y[best] == pytest.approx(label[f"probability_{label['prediction']}"], rel=1e-5)
    library.plants_columns(ctypes.byref(Row(1.0, 1, b"lava", 2.0)), y)
    unseen = table[:1].with_columns(height=pl.lit(1.0), woody=pl.lit(True), soil=pl.lit("lava"), leaves=pl.lit(2))
    with pytest.warns(UserWarning, match="not seen in training"):
        right = TableModel.load(str(classes)).predict(unseen)
    assert list(y) == pytest.approx(right.row(0)[1:], rel=1e-5)
    source = exported(numbers, "c", tmp_path)
    assert self_test(source) == (0, "")
    text = source.read_text()
    for right, wrong in [
        ("x - mean_and_scale[0]", "x + mean_and_scale[0]"),
        ("filled(row->height", "filled(row->leaves"),
    ]:
        assert right in text
        source.write_text(text.replace(right, wrong))
        assert self_test(source)[0] == 1


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_any_number_or_text_of_a_column_changed_fails_the_self_test(models, tmp_path):
    for model in models[:2]:
        source = exported(model, "c", tmp_path)
        text, n_changed = source.read_text(), 0
        for table in re.finditer(r"const (?:double|char \*const) (?:\w+)\[\w+\] = \{(.*?)\};", text, re.DOTALL):
            if "test_" in table.group():
                continue
            for constant in re.finditer(r'"[^"]+"|-?\d[\d.e+-]*', table.group(1)):
                at, old = table.start(1) + constant.start(), constant.group()
                new = old[:-2] + '~"' if old[-1] == '"' else repr(float(np.nextafter(float(old), np.inf)))
                source.write_text(text[:at] + new + text[at + len(old) :])
                code, output = self_test(source)
                assert code == 1, old
                assert "of a column was changed" in output
                n_changed += 1
        assert n_changed > 8


def test_whole_numbers_of_a_table(models, tmp_path):
    """x_max is what the training had; the file has the network alone."""
    out = tmp_path / "model.c"
    result = run("export", models[0], "--to", "c", "--bits", "16", "--out", out)
    assert result.exit_code == 0, result.output
    assert "not raw columns" in result.stdout
    net, extra = load_network(models[0])
    largest = table_of(extra, net.n_inputs, net.n_outputs).largest
    assert f"for inputs up to {largest:g} in size" in result.stdout
    encoded = TableModel.load(str(models[0])).encoder.encode(models[2])
    assert largest / 1.5 <= np.abs(encoded).max() <= 1.5 * largest  # a fifth of the rows were held out
    (column,) = table_of({"table": {"columns": [DATE], "target": NUMBER}}, 1, 1).columns
    assert np.isnan(column.largest)
    with pytest.raises(ValueError, match=r"x_max must be given.*column 'a'"):
        _ = table_of({"table": {"columns": [DATE], "target": NUMBER}}, 1, 1).largest
    circle = DATE | {"features": ["hour_sin"], "means": [0.5], "scales": [0.5]}
    assert table_of({"table": {"columns": [circle], "target": NUMBER}}, 1, 1).largest == 3.0


NUMBER = {"task": "regression", "names": ["t"], "centres": [0.0], "scales": [1.0], "log": False}


def test_columns_without_a_name_or_with_that_of_an_output(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    numbers = np.random.default_rng(0).normal(size=(3, 60))
    frame = pl.DataFrame(dict(zip(("prediction", "", "t"), numbers, strict=True)))
    frame.write_csv(tmp_path / "odd.csv")
    model = tmp_path / "odd.fastbp"
    trained(tmp_path / "odd.csv", "--target", "t", "--out", model, "--hidden", "3", "--epochs", "2", "--no-plot")
    session = onnxruntime.InferenceSession(str(exported(model, "onnx", tmp_path)), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    assert names == ["column_prediction", "column_2"]
    feed = {name: frame[k].to_numpy().reshape(-1, 1) for k, name in zip(("prediction", ""), names, strict=True)}
    found = session.run(["prediction"], feed)[0][:, 0]
    np.testing.assert_allclose(found, TableModel.load(str(model)).predict(frame)["prediction"], rtol=1e-5)


def test_onnx_of_raw_columns(models, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    classes, numbers, table = models
    feed = {
        "height": table["height"].to_numpy().reshape(-1, 1),
        "woody": table["woody"].to_numpy().reshape(-1, 1),
        "soil": table["soil"].to_numpy().astype(object).reshape(-1, 1),
        "leaves": table["leaves"].to_numpy().astype(np.float64).reshape(-1, 1),
    }
    session = onnxruntime.InferenceSession(str(exported(classes, "onnx", tmp_path)), providers=["CPUExecutionProvider"])
    prediction, probability = session.run(["prediction", "probability"], feed)
    expected = TableModel.load(str(classes)).predict(table)
    assert prediction.tolist() == expected["prediction"].to_list()
    np.testing.assert_allclose(probability, expected.drop("prediction").to_numpy(), rtol=1e-5, atol=1e-7)
    session = onnxruntime.InferenceSession(str(exported(numbers, "onnx", tmp_path)), providers=["CPUExecutionProvider"])
    feed["kind"] = table["kind"].to_numpy().astype(object).reshape(-1, 1)
    (prediction,) = session.run(None, feed)
    np.testing.assert_allclose(prediction[:, 0], TableModel.load(str(numbers)).predict(table)["prediction"], rtol=1e-5)


def test_safetensors_and_networks_without_a_table(models, tmp_path, monkeypatch):
    net = fastbp.Network.load(exported(models[0], "safetensors", tmp_path))
    assert np.array_equal(net.params, load_network(models[0])[0].params)
    net.save(tmp_path / "plain.fastbp")
    monkeypatch.chdir(tmp_path)
    assert run("export", "plain.fastbp", "--to", "c").exit_code == 0
    assert "columns" not in (tmp_path / "plain.c").read_text()


def test_mistakes(models, tmp_path):
    assert "no such file" in refused("export", tmp_path / "none.fastbp", "--to", "c").lower()
    assert "--to" in refused("export", models[0])
    assert "name must be" in refused("export", models[0], "--to", "c", "--name", "int", "--out", tmp_path / "a.c")
    assert "is read" in refused("export", models[0], "--to", "c", "--out", models[0])
    net, extra = load_network(models[0])
    extra["table"]["columns"][0]["unit"] = "m"
    save_network(net, tmp_path / "odd.fastbp", extra)
    assert "has ['unit'] too" in refused("export", tmp_path / "odd.fastbp", "--to", "c", "--out", tmp_path / "a.c")


DATE = {
    "kind": "date", "name": "a", "layout": "typed", "features": ["days"], "means": [0.0], "scales": [1.0], "first": 0.0,
    "fill": 0.0,
}  # fmt: skip


def test_tables_that_do_not_fit():
    target = {"task": "regression", "names": ["t"], "centres": [0.0], "scales": [1.0], "log": False}
    for table, message in [
        ({"columns": []}, "must describe its columns"),
        ({"columns": [{"kind": "colour", "name": "a"}], "target": target}, "kind of a column must be one of"),
        ({"columns": [{"kind": "boolean", "name": "a"}], "target": target}, "must fit its network"),
        (
            {
                "columns": [{"kind": "number", "name": "a", "mean": float("nan"), "scale": 1.0, "fill": 0}],
                "target": target,
            },
            "mean must",
        ),
        ({"columns": [DATE | {"scales": [1.0, 2.0]}], "target": target}, "a mean and a scale for each of its features"),
        ({"columns": [{"kind": "text", "name": "a", "categories": ["b", ""]}], "target": target}, "no empty text"),
        ({"columns": [DATE | {"features": ["moon"]}], "target": target}, "feature of a date must be one of"),
        ({"columns": [], "target": target | {"scales": []}}, "a centre and a scale for each of its targets"),
    ]:
        with pytest.raises(ValueError, match=message):
            table_of({"table": table}, 2, 1)
    assert table_of({}, 2, 1) is None


def test_names_of_columns_in_c():
    names = ["Höhe", "a b", "a-b", "a_b", "1st", "int", "", "*/ int x;", "unix", "??/", "x" * 30]
    columns = tuple(Column("number", name) for name in names)
    found = member_names(columns)
    assert len(set(found)) == len(found)
    assert all(name.isidentifier() and name.isascii() for name in found)
    assert c_string('a"b\\c?é\n') == '"a\\042b\\134c\\077\\303\\251\\012"'
