"""Tables that are read in pieces: columns and numbers are those of a table in memory, and errors name the place."""

import re
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import SHORT, refused, run, trained

from fastbp import memory
from fastbp.cli.naming import name_of_table
from fastbp.tables.cells.choices import Choices
from fastbp.tables.modelling import streaming
from fastbp.tables.modelling.model import TableModel
from fastbp.tables.modelling.streaming import StreamedTraining
from fastbp.tables.preparing import sampling
from fastbp.tables.preparing.options import Options
from fastbp.tables.preparing.sampling import TRAINING, Asked
from fastbp.tables.reading import pieces
from fastbp.tables.reading.pieces import files_of, open_pieces
from fastbp.tables.reading.table import Reading

N = 3000
STREAM = (*SHORT, "--no-tune", "--stream", "--target", "y")


def table():
    """A column of each kind, with gaps; the last rows have a class and a town that no sample of few rows knows."""
    rng = np.random.default_rng(3)
    x, town = rng.normal(5, 3, N), rng.choice(["Bonn", "Oslo", "Rome"], N)
    day = np.datetime64("2021-03-01") + rng.integers(0, 900, N).astype("timedelta64[D]")
    y = np.where(x > 6, "high", np.where(town == "Rome", "mid", "low"))
    y[-40:], town[-40:] = "rare", "Zell"
    frame = pl.DataFrame({"x": x, "town": town, "day": day, "odd": rng.random(N) < 0.3, "y": y, "z": 2 * x + 1})
    gaps = pl.Series(rng.random(N) < 0.1)
    return frame.with_columns(pl.when(~gaps).then(pl.col("x")).alias("x"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder with the table in each format, in small pieces."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pieces, "TEXT_BYTES", 10_000)
    monkeypatch.setattr(pieces, "MOST_ROWS", 300)
    monkeypatch.setattr(pieces, "LEAST_ROWS", 300)
    monkeypatch.setattr(sampling, "SAMPLE_ROWS", 500)
    frame = table()
    frame.write_csv("a.csv")
    frame.write_parquet("a.parquet", row_group_size=500)
    frame.write_ipc("a.arrow")
    frame.with_columns(pl.col("day").cast(pl.String)).write_ndjson("a.jsonl")
    (tmp_path / "parts").mkdir()
    for k in range(3):
        frame[1000 * k : 1000 * k + 1000].write_csv(f"parts/{k}.csv")
    return tmp_path


def training_on(paths=("a.csv",), target="y", **options):
    given = {"hidden": (8,), "activation": "relu", "solver": "adam", "epochs": 4, "batch_size": 32, "l2": 0.0,
             "learning_rate": None, "seed": 0, "patience": 30, "threads": 1, "test_fraction": 0.2}  # fmt: skip
    asked = Asked(target, Choices(), None, None)
    return StreamedTraining(open_pieces(list(paths), Reading()), asked, Options(**given | options))


def test_the_encoder_is_that_of_all_training_rows():
    training, frame = training_on(), table()
    starts = training._sample.starts
    parts = [training._shares.parts_of(training._shares.draws(k, n)[0]) for k, n in enumerate(np.diff(starts))]
    rows = np.concatenate(parts) == TRAINING
    assert len(parts) > 10 and 0.6 * N < rows.sum() < 0.8 * N
    x = frame["x"].filter(pl.Series(rows)).drop_nulls().to_numpy()
    by_name = {column.name: column for column in training.encoder.columns}
    assert by_name["x"].mean == pytest.approx(x.mean(), rel=1e-12)
    assert by_name["x"].scale == pytest.approx(x.std(), rel=1e-12)
    assert (by_name["x"].low, by_name["x"].high) == (x.min(), x.max())
    assert by_name["x"].indicator and not by_name["town"].indicator
    assert by_name["town"].categories == ("Bonn", "Oslo", "Rome", "Zell")
    assert training.target.classes == ("high", "low", "mid", "rare")
    y = frame["y"].filter(pl.Series(rows))
    assert training.target.classes[training.target.majority] == y.mode()[0]
    counts = np.bincount(np.concatenate(parts)).tolist()
    assert list(training.sizes().values()) == counts


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.arrow", "a.jsonl", "parts"])
def test_what_partitions_give_is_the_table_encoded(name):
    training, frame = training_on(files_of(name)), table()
    data = training.partitions()
    found = [data.read(k) for k in range(len(data))]
    starts = training._sample.starts
    parts = [training._shares.parts_of(training._shares.draws(k, n)[0]) for k, n in enumerate(np.diff(starts))]
    rows = pl.Series(np.concatenate(parts) == TRAINING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = training.encoder.encode(frame.filter(rows))
    assert np.array_equal(np.concatenate([part.x for part in found]), expected)
    classes = np.array(training.target.classes)[np.concatenate([part.t for part in found]).argmax(axis=1)]
    assert (classes == frame["y"].filter(rows).to_numpy()).all()
    first = files_of(name)[0]
    assert f"{first!r}, rows 1 to" in data.place(0)


@pytest.mark.compiled_only
@pytest.mark.parametrize("data", ["a.parquet", "parts/*.csv"])
def test_files_and_patterns_are_learnt(data):
    said = trained(data, *STREAM, "--out", "m.fastbp", "--learning-rate", 0.01)
    assert said["score"] > 0.8 and said["rows"]["training"] > 2000
    assert any(note.startswith("read in ") and "500 rows drawn" in note for note in said["notes"])
    model = TableModel.load("m.fastbp")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = model.predict(table())
    assert (predicted["prediction"] == table()["y"]).mean() > 0.8
    assert run("predict", "m.fastbp", "a.csv", "--out", "p.csv").exit_code == 0


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    "options",
    [("--solver", "lbfgs"), ("--class-weight", "balanced"), ("--missing", "drop"),
     ("--weight", "z", "--numeric", "z")],
)  # fmt: skip
def test_options_of_training(options):
    table().with_columns(z=pl.col("x").abs().fill_null(1.0)).write_csv("w.csv")
    said = trained("w.csv", *STREAM, *options, "--out", "m.fastbp")
    assert said["score"] > said["baseline"]
    if "drop" in options:
        assert sum(said["rows"].values()) == table()["x"].drop_nulls().len()


@pytest.mark.compiled_only
def test_numbers_are_learnt_and_a_checkpoint_goes_on():
    columns = ("--drop", "y", "--target", "z", "--out", "m.fastbp", "--seed", 3, "--patience", 0)
    args = ("a.csv", *SHORT, "--no-tune", "--stream", *columns, "--checkpoint", "c")
    whole = trained(*args, "--epochs", 6)
    model = TableModel.load("m.fastbp").net.params
    assert whole["metric"] == "r2" and whole["score"] > 0.5
    Path("c").unlink()
    trained(*args, "--epochs", 3)
    again = trained(*args, "--epochs", 6, "--resume")
    assert again["score"] == whole["score"] and np.array_equal(TableModel.load("m.fastbp").net.params, model)


@pytest.mark.compiled_only
def test_what_is_large_for_the_memory_is_streamed(monkeypatch):
    args = ("a.csv", *SHORT, "--no-tune", "--ensemble", 1, "--target", "y", "--out", "m.fastbp")
    assert not any("read in" in note for note in trained(*args)["notes"])
    monkeypatch.setattr(memory, "total", lambda: 300_000)
    monkeypatch.setattr(streaming, "SHARE_OF_WINDOWS", 1e3)
    assert any("read in" in note for note in trained(*args)["notes"])
    assert "unpack it" not in run("train", *args, "--dry-run").output


def test_a_dry_run_says_what_its_counts_are_of(monkeypatch):
    shown = run("train", "parts/*.csv", "--target", "y", "--stream", "--dry-run")
    lines = " ".join(shown.stdout.split())
    assert shown.exit_code == 0, shown.output
    assert "data parts/*.csv: 3,000 rows, about 72 % training, 8 % validation, 20 % held out" in lines
    assert re.search(r"note read in \d\d pieces: all counts here are of a sample of 500 of 3,000 rows", lines)
    monkeypatch.setattr(sampling, "SAMPLE_ROWS", N)
    monkeypatch.setattr(pieces, "TEXT_BYTES", 10_000_000)
    shown = run("train", "a.csv", "--target", "y", "--stream", "--dry-run", "--test-fraction", 0.5, "--patience", 0)
    lines = " ".join(shown.stdout.split())
    assert "3,000 rows, about 50 % training, 50 % held out" in lines
    assert "read in 1 piece: all counts here are of all rows" in lines
    assert "rare 40" in lines


@pytest.mark.parametrize(
    ("data", "name"),
    [("t*.csv", "t"), ("2026-*.csv", "2026"), ("part-[0-9][0-9].csv", "part"), ("/shared/big/*.parquet", "big"),
     ("*.csv", "model"), ("**/*.csv", "model"), ("/*.csv", "model"), ("2026.*", "2026"), ("*_y*", "y"),
     ("parts", "parts"), ("parts/", "parts"), ("parts/*", "parts"), ("a.csv", "a"), ("v1.2.csv", "v1.2"),
     ("v1.2", "v1.2"), ("odd[1].csv", "odd[1]"), ("-", "table"), ("postgresql://host/base", "table"), ("iris", "iris")],
)  # fmt: skip
def test_names_of_models(folder, data, name):
    (folder / "v1.2").mkdir()
    (folder / "odd[1].csv").touch()
    assert name_of_table(data) == name


def test_a_folder_that_is_called_by_a_dot_has_its_own_name(folder):
    assert name_of_table(".") == folder.name and name_of_table("/") == "model"


def test_errors_name_the_file_and_the_row(folder):
    frame = table()
    frame.drop("town").write_csv("parts/1.csv")
    assert "'parts/1.csv' must have the columns of 'parts/0.csv': 'town' is missing" in refused(
        "train", "parts", *STREAM
    )
    frame[:0].write_csv("parts/1.csv")
    assert "cannot read 'parts/1.csv': it has no rows of data" in refused("train", "parts", *STREAM)
    frame[:1000].write_csv("parts/1.csv")
    (folder / "parts" / "3.csv").write_bytes(b"")
    assert "cannot read 'parts/3.csv': it is empty" in refused("train", "parts", *STREAM)
    whole = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(whole[: len(whole) // 2])
    assert "cannot read 'a.parquet'" in refused("train", "a.parquet", *STREAM)
    assert "there is no file 'nothing*.csv'" in refused("train", "nothing*.csv", *STREAM)
    assert "only files are read in pieces" in refused("train", "iris", "--stream")
    row = re.search(r"values are missing: 'x' .*\(row (\d+)", refused("train", "a.csv", *STREAM, "--missing", "error"))
    assert frame["x"][int(row[1]) - 1] is None


def test_a_file_that_changes_during_the_training(folder):
    training = training_on()
    data = training.partitions()
    text = (folder / "a.csv").read_bytes()
    (folder / "a.csv").write_bytes(text[:-500])
    with pytest.raises(ValueError, match=r"cannot read 'a.csv': it has .* bytes, and had .* when the training began"):
        data.read(0)
    (folder / "a.csv").write_bytes(text)
    assert len(data.read(0).x)
    (folder / "a.csv").unlink()
    with pytest.raises(ValueError, match=r"cannot read 'a.csv': it was there when the training began, and is not now"):
        data.read(0)


def broken(path, how):
    """Spoil a Parquet file as it is: return what it was."""
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "shrunk":
        path.write_bytes(whole[:-700])
    else:  # the pages of a row group, whose place the end of the file knows
        parquet = pytest.importorskip("pyarrow.parquet")
        place = parquet.ParquetFile(path).metadata.row_group(1).column(0)
        start = place.dictionary_page_offset or place.data_page_offset
        path.write_bytes(whole[:start] + bytes(300) + whole[start + 300 :])
    return whole


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("how", "message"),
    [("missing", "'big/2.parquet': it was there when"), ("shrunk", "'big/2.parquet': it has .* bytes, and had"),
     ("damaged", "'big/2.parquet': row group 1, rows 501 to 600: ")],
)  # fmt: skip
def test_a_file_that_breaks_in_the_second_epoch_costs_no_step(how, message, folder, monkeypatch):
    (folder / "big").mkdir()
    for k in range(5):
        table()[600 * k : 600 * k + 600].write_parquet(f"big/{k}.parquet", row_group_size=500)
    args = ("train", "big", *STREAM, "--patience", 0, "--seed", 3, "--out", "m.fastbp")
    assert run(*args).exit_code == 0
    whole, path, spoilt = TableModel.load("m.fastbp").net.params, folder / "big" / "2.parquet", []
    Path("m.fastbp").unlink()
    learn = StreamedTraining.learn

    def learn_and_spoil(training, callback):
        def spoil(net, history):
            if history.n_epochs == 2 and not spoilt:
                spoilt.append(broken(path, how))
            return callback(net, history)

        return learn(training, spoil)

    monkeypatch.setattr(StreamedTraining, "learn", learn_and_spoil)
    refusal = run(*args, "--checkpoint", "c")
    assert refusal.exit_code == 2 and re.search(message, refusal.stderr.splitlines()[-1]), refusal.stderr
    assert Path("c").is_file() and not Path("m.fastbp").exists()
    path.write_bytes(spoilt[0])
    assert run(*args, "--checkpoint", "c", "--resume").exit_code == 0
    again = TableModel.load("m.fastbp")
    assert again.facts.epochs == 4 and np.array_equal(again.net.params, whole)


def test_a_value_that_is_too_far_out_is_named_by_its_file_and_row(folder):
    training = training_on([f"parts/{k}.csv" for k in range(3)])
    reader = training._by_all
    k = next(k for k in range(len(training._pieces)) if training._pieces.path_of(k) == "parts/1.csv") + 1
    taken = reader.rows(k, TRAINING)
    place = [column.name for column in training.encoder.columns].index("x")
    taken.values[place][5] = 1e300
    row = reader.rows_before(k) + int(taken.rows[5]) + 1
    text = training_on(["parts/1.csv"])._pieces.frame(1)["x"][int(taken.rows[5])]
    assert table()["x"][1000 + row - 1] == float(text)
    with pytest.raises(ValueError, match=rf"'parts/1.csv': column 'x' has 1e\+300 in row {row}: too far"):
        reader.samples(taken, None)


@pytest.mark.compiled_only
def test_scores_stand_beside_those_of_others_and_a_row_of_totals_is_left_out():
    text = Path("a.csv").read_text()
    Path("t.csv").write_text(text)
    said = trained("a.csv", *STREAM, "--out", "m.fastbp")
    assert set(said["models"]) >= {"linear", "baseline"}
    Path("t.csv").write_text("k," + text.replace("\n", "\n1,").removesuffix("1,") + "Total,9,,,,low,9\n")
    training = training_on(["t.csv"])
    assert any("a row of sums, left out" in note for note in training.prepared.notes)
    assert sum(training.sizes().values()) == N


def test_what_has_no_pieces_is_read_as_a_whole_with_a_warning(monkeypatch):
    import gzip

    from fastbp.cli.streaming import Streaming, paths_to_stream
    from fastbp.tables.cells.errors import TableWarning

    Path("a.csv.gz").write_bytes(gzip.compress(Path("a.csv").read_bytes()))
    Path("a.db").write_bytes(b"SQLite format 3\0" * 9000)
    monkeypatch.setattr(memory, "total", lambda: 200_000)
    for path in ("a.csv.gz", "a.db"):
        with pytest.warns(
            TableWarning, match=f"'{path}' is large for the memory, and of a kind that is read as a whole"
        ):
            assert paths_to_stream(path, Streaming(None, None)) == []
        assert "save it as" in refused("train", path, *STREAM)
    assert paths_to_stream("a.csv", Streaming(None, None)) == ["a.csv"]
    assert "unpack it, and it is read in pieces" in refused("train", "a.csv.gz", "--no-stream", "--target", "y")


def test_what_contradicts_each_other():
    assert "--scheduler and --no-stream exclude" in refused("train", "a.csv", "--scheduler", "tcp://x:1", "--no-stream")
    assert "--dropout and --scheduler" in refused(
        "train", "a.csv", "--scheduler", "tcp://x:1", "--dropout", 0.1, "--target", "y"
    )
    assert "--evidence needs the whole table" in refused("train", "a.csv", "--stream", "--evidence", "--target", "z")
    assert "only pieces are read of several" in refused("train", "parts", "--no-stream")


@pytest.mark.compiled_only
def test_predictions_of_a_pattern_and_of_a_folder_are_those_of_one_table():
    whole = table()
    whole.write_csv("whole.csv")
    Path("months").mkdir()
    for k, start in enumerate(range(0, N, 1000)):
        whole[start : start + 1000].write_csv(f"months/{k}.csv")
    trained("whole.csv", "--target", "y", "--epochs", "3", "--out", "m.fastbp")
    expected = run("predict", "m.fastbp", "whole.csv")
    assert expected.exit_code == 0 and expected.stdout.count("\n") == N + 1
    for several in ("months", "months/*.csv"):
        assert run("predict", "m.fastbp", several).stdout == expected.stdout
    assert "'nothing*.csv'" in refused("predict", "m.fastbp", "nothing*.csv")
    assert "'months/1.csv' is read" in refused("predict", "m.fastbp", "months", "--out", "months/1.csv").replace(
        '"', "'"
    )
    whole.drop("x")[:10].write_csv("months/3.csv")
    failed = run("predict", "m.fastbp", "months/*.csv", "--out", "out.csv")
    assert "'months/3.csv': column 'x' is missing" in failed.stderr.splitlines()[-1] and failed.exit_code == 2
    assert not Path("out.csv").exists()
