"""Tables in parts: the same rows, predictions, warnings and scores as from whole tables."""

import bz2
import gzip
import io
import json
import sys
import warnings

import numpy as np
import polars as pl
import pytest
from command_line import N_PLANTS, plants, run, train_on_plants

from fastbp.tables.cells.errors import TableError
from fastbp.tables.reading import parts
from fastbp.tables.reading.parts import parts_of
from fastbp.tables.reading.sources import read_table

ROWS = 200


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train_on_plants(tmp_path_factory.mktemp("model"))


def odd_rows(n=ROWS):
    """Text with separators, quotes and ends of lines inside of values, gaps, and blank rows."""
    words = ["plain", "a,b", 'say "so"', "two\nlines", "", "ü"]
    return pl.DataFrame(
        {
            "n": [str(k) for k in range(n)],
            "word": [words[k % len(words)] or None for k in range(n)],
            "x": [None if k % 7 == 0 else f"{k / 8}" for k in range(n)],
        }
    )


def in_parts(name, n_bytes):
    found = list(parts_of(name, n_bytes=n_bytes))
    assert all(frame.height for frame in found)
    return found


@pytest.mark.parametrize("n_bytes", [200, 1000, 1 << 20])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_text(monkeypatch, separator, n_bytes):
    monkeypatch.setattr(parts, "HEAD", 200)
    odd_rows().write_csv("t.csv", separator=separator)
    found = in_parts("t.csv", n_bytes)
    assert (len(found) > 1) == (n_bytes < 1 << 20)
    assert pl.concat(found).equals(odd_rows())


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_texts_and_pipes(monkeypatch, pack, folder):
    monkeypatch.setattr(parts, "HEAD", 200)
    data = pack(odd_rows().write_csv().encode())
    (folder / "t.csv.packed").write_bytes(data)
    assert pl.concat(in_parts("t.csv.packed", 500)).equals(odd_rows())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    assert pl.concat(in_parts("-", 500)).equals(odd_rows())


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(
    ("names", "row", "empty", "n_rows"), [("a,b", "1,2", ",", 81), ("a,b", "1,2", "", 51), ("a", "1", "", 51)]
)
def test_blank_lines_are_rows_but_at_the_end(monkeypatch, folder, names, row, empty, n_rows, end):
    """A line of separators is a row everywhere; what is left out at the end is said, once."""
    monkeypatch.setattr(parts, "HEAD", 20)
    lines = [names, *[row] * 10, *[empty] * 40, row, *[empty] * 30]
    (folder / "t.csv").write_text("\n".join(lines) + "\n" + end)
    n_blank = (30 if empty == "" else 0) + (end != "")
    table = read_table("t.csv")
    said = [f"{n_blank} blank line{'s' * (n_blank > 1)} at the end left out"] if n_blank else []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = pl.concat(in_parts("t.csv", 24))
    assert [str(warning.message) for warning in caught] == said
    assert [note for note in table.notes if "blank" in note] == said
    assert found.equals(table.frame)
    assert found.height == n_rows


def test_a_quote_that_never_closes_is_no_endless_search(monkeypatch, folder):
    monkeypatch.setattr(parts, "HEAD", 20)
    (folder / "t.csv").write_text("size,b\n" + '5" pipe,2\n' + "6,3\n" * 300)
    assert sum(frame.height for frame in in_parts("t.csv", 64)) == 301


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(monkeypatch, encoding, folder):
    monkeypatch.setattr(parts, "HEAD", 100)
    (folder / "t.csv").write_bytes(odd_rows(100).write_csv().encode(encoding))
    assert pl.concat(in_parts("t.csv", 300)).equals(odd_rows(100))


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "stream", "jsonl", "json", "sqlite"])
def test_other_formats(monkeypatch, suffix, folder):
    monkeypatch.setattr(parts, "HEAD", 100)
    monkeypatch.setattr(parts, "PART_ROWS", 60)
    frame = odd_rows().with_columns(n=pl.int_range(ROWS))
    write_as(suffix, frame, folder / "t")
    found = in_parts("t", 3000)
    assert (len(found) > 1) == (suffix in ("parquet", "arrow", "jsonl"))
    assert pl.concat(found).cast({"n": pl.Int64}).equals(frame)


def write_as(suffix, frame, path):
    match suffix:
        case "parquet":
            frame.write_parquet(path)
        case "arrow":
            frame.write_ipc(path)
        case "stream":
            frame.write_ipc_stream(path)
        case "json":
            frame.write_json(path)
        case "jsonl":
            frame.write_ndjson(path)
        case _:
            import sqlite3
            from contextlib import closing

            with closing(sqlite3.connect(path)) as base, base:
                base.execute("CREATE TABLE t (n INTEGER, word TEXT, x TEXT)")
                base.executemany("INSERT INTO t VALUES (?, ?, ?)", frame.rows())


def test_lines_of_json_without_some_names(monkeypatch, folder):
    monkeypatch.setattr(parts, "HEAD", 40)
    lines = [{"a": 1, "b": "x"}] * 20 + [{"a": 2}] * 20
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [frame.columns for frame in in_parts("t.jsonl", 100)][-1] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "has no rows of data"),
        ("", "it is empty"),
        ("a,b\n" + "1,2\n" * 100 + "1,2,3\n", "row 101"),
        ("a,b\n" + "1,2\n" * 100 + "a,b\n", "row 101 repeats the line of names"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_row(monkeypatch, text, message, folder):
    monkeypatch.setattr(parts, "HEAD", 40)
    (folder / "t.csv").write_text(text)
    with pytest.raises(TableError, match=message):
        in_parts("t.csv", 50)


def test_broken_archives_are_refused(folder):
    (folder / "t.csv.gz").write_bytes(gzip.compress(odd_rows().write_csv().encode())[:-500])
    with pytest.raises(TableError, match="cannot read"):
        in_parts("t.csv.gz", 500)


# --- predictions -------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.parametrize("out", ["p.csv", "p.parquet", None])
def test_predictions_do_not_depend_on_parts(monkeypatch, out, model):
    table = plants().with_columns(
        height=pl.when(pl.int_range(N_PLANTS) == 170).then(9e6).otherwise("height"),
        soil=pl.when(pl.int_range(N_PLANTS) == 180).then(pl.lit("peat")).otherwise("soil"),
    )
    table.write_csv("t.csv")
    arguments = ["predict", model, "t.csv", "--keep", "weight", *(["--out", out] if out else [])]
    whole = run(*arguments)
    file = out and pl.read_csv(out) if out == "p.csv" else out and pl.read_parquet(out)
    monkeypatch.setattr(parts, "HEAD", 200)
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    monkeypatch.setattr(parts.parts_of, "__defaults__", (None, 1000))
    in_pieces = run(*arguments)
    assert whole.exit_code == in_pieces.exit_code == 0
    assert in_pieces.stderr == whole.stderr
    assert "row 171" in whole.stderr
    if out:
        assert in_pieces.stdout == whole.stdout
        again = pl.read_csv(out) if out == "p.csv" else pl.read_parquet(out)
    else:
        again, file = (pl.read_csv(io.StringIO(result.stdout)) for result in (in_pieces, whole))
    for column in file.columns:
        if file[column].dtype.is_float():
            np.testing.assert_allclose(again[column], file[column].to_numpy(), rtol=1e-4, atol=1e-6)
        else:
            assert again[column].equals(file[column])


@pytest.mark.compiled_only
def test_a_part_that_cannot_be_read_leaves_no_file(monkeypatch, model, folder):
    text = plants().write_csv()
    (folder / "t.csv").write_text(text + "1,2,3,4,5,6,7,8,9\n")
    monkeypatch.setattr(parts.parts_of, "__defaults__", (None, 1000))
    result = run("predict", model, "t.csv", "--out", "p.csv")
    assert result.exit_code == 2
    assert "row 201" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["t.csv"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_scores_do_not_depend_on_parts(task):
    from fastbp.tables.cells.kinds import understand
    from fastbp.tables.modelling.scores import RunningScore, score_classes, score_numbers
    from fastbp.tables.preparing.targets import ClassTarget, NumberTarget

    rng = np.random.default_rng(3)
    rows = np.arange(100)
    if task == "classification":
        column = understand(pl.Series("t", rng.choice(["a", "b", "c"], 100)))
        target = ClassTarget.fit(column, rows)
        outputs, true = rng.random((100, 3)), target.codes_of(column)
        score = score_classes(target, outputs, true).score
    else:
        columns = [understand(pl.Series(name, rng.normal(1e4, 3, 100))) for name in "tu"]
        target = NumberTarget.fit(columns, rows)
        outputs = rng.normal(size=(100, 2))
        true = np.column_stack([column.values.to_numpy() for column in columns])
        score = score_numbers(target, target.numbers(outputs), true).score
    running = RunningScore(target)
    for start, stop in ((0, 1), (1, 40), (40, 40), (40, 100)):
        running.add(outputs[start:stop], true[start:stop])
    names = [name for name in ("value", "baseline", "rmse", "baseline_rmse", "mae") if getattr(score, name) is not None]
    assert len(names) >= 2
    for name in names:
        assert getattr(running.score, name) == pytest.approx(getattr(score, name), rel=1e-9)
    for name, models in score.targets.items():
        for model, measures in models.items():
            found = running.score.targets[name][model]
            assert [found.value, found.rmse, found.mae] == pytest.approx([measures.value, measures.rmse, measures.mae])
