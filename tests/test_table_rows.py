"""Tables as people have them, one by one: what the command line makes of each at the first try."""

import datetime
import gzip
import json

import numpy as np
import polars as pl
import pytest
from cases import COMPILED
from command_line import refused, run, trained

from fastbp.io import load_network
from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError
from fastbp.tables.preparing.preparation import prepare
from fastbp.tables.reading.sources import read_table
from fastbp.tables.reading.table import Reading

N = 1000 if COMPILED else 60
ODD = N // 2  # the row that is odd
FAST = ("--hidden", "8", "--epochs", "3", "--no-plot", "--threads", "1")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(frame, name="table.csv", **how):
    frame.write_csv(name, **how)
    return name


def prices(n=N):
    """Ages, x and whole-number prices that depend on them, as text."""
    rng = np.random.default_rng(2)
    age, x = rng.integers(18, 93, n), rng.normal(size=n)
    price = (200 + 5 * age + 40 * x).round().astype(int)
    return pl.DataFrame({"age": age, "x": x, "price": price}).cast(pl.String)


def with_cell(frame, column, row, value):
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value)).otherwise(column).alias(column)
    )


def prepared(name, target=None, reading=None, **choices):
    task = choices.pop("task", None)
    return prepare(read_table(name, reading or Reading()), target, Choices(**choices), task=task)


def n_inputs(said):
    return load_network(said["model"])[0].n_inputs


# --- one cell decides too much -----------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["unknown", "sold out"])
def test_one_price_that_is_no_number(word):
    name = written(with_cell(prices(), "price", ODD, word))
    said = trained(name, *FAST)
    assert (said["task"], sum(said["rows"].values())) == ("regression", N - 1)
    assert any(f"1 row without a value of the target left out (row {ODD + 1})" in note for note in said["notes"])
    assert word == "unknown" or f"row {ODD + 1} has 'sold out'" in said["warnings"][0]
    assert f"'price' 1 (row {ODD + 1})" in refused("train", name, *FAST, "--missing", "error")


@pytest.mark.skipif(not COMPILED, reason="a whole training")
def test_one_price_that_is_no_number_costs_no_accuracy():
    said = trained(
        written(with_cell(prices(), "price", ODD, "unknown")), "--hidden", "16", "--epochs", "40", "--no-plot"
    )
    assert said["score"] > 0.99


@pytest.mark.parametrize("mark", ["n.a.", "NA", "-", "?", "#DIV/0!", "<NA>", "\\N", "null", ""])
def test_one_age_that_is_missing(mark):
    found = prepared(written(with_cell(prices(), "age", 7, mark)))
    assert [column.kind for column in found.inputs] == ["number", "number"]
    assert found.inputs[0].gaps == 1
    assert any("missing values filled in: 'age' 1 (row 8)" in note for note in found.notes)


def test_decimal_commas():
    frame = prices().with_columns(pl.col("x").str.replace(".", ",", literal=True))
    name = written(frame, separator=";")
    found = prepared(name)
    assert found.inputs[1].kind == "number"
    assert "column 'x': decimal commas" in found.notes
    said = trained(name, *FAST)
    assert (said["task"], n_inputs(said)) == ("regression", 2)


@pytest.mark.parametrize(
    ("form", "note"),
    [("1,{}.50", "between thousands"), ("1.{},50", "between thousands"), ("${}", "'$' removed"),
     ("{} EUR", "'EUR' removed"), ("{}%", "'%' removed"), ("{} kg", "'kg' removed"), ("\u2212{}", "signs")],
)  # fmt: skip
def test_numbers_with_signs_and_units(form, note):
    frame = prices()
    three = frame["price"].str.zfill(3).str.slice(0, 3)
    found = prepared(written(frame.with_columns(x=pl.Series([form.format(value) for value in three]))))
    assert found.inputs[1].kind == "number"
    assert any(note in line for line in found.notes if line.startswith("column 'x'"))


def test_limits():
    name = written(with_cell(prices(), "age", 3, "<5"))
    assert "'age' has '<5' in row 4: a limit, not a number (--censored" in refused("train", name, *FAST)
    assert trained(name, *FAST, "--censored", "half")["task"] == "regression"


def test_a_repeated_line_of_names():
    frame = prices()
    header = pl.DataFrame({name: [name] for name in frame.columns})
    name = written(pl.concat([frame.head(ODD), header, frame.tail(ODD)]))
    assert f"row {ODD + 1} repeats the line of names" in refused("train", name, *FAST)
    assert sum(trained(name, *FAST, "--skip-repeated-header")["rows"].values()) == N


def test_a_question_mark_among_yes_and_no():
    answers = pl.Series("answer", np.where(np.arange(N) % 3 == 0, "yes", "no"))
    name = written(with_cell(prices().with_columns(answer=answers), "answer", 9, "?"))
    said = trained(name, *FAST)
    assert (said["task"], load_network(said["model"])[0].n_outputs, sum(said["rows"].values())) == (
        "classification",
        2,
        N - 1,
    )
    assert any("'?' (1 time) means missing" in note for note in said["notes"])


def test_numbers_kept_as_text():
    prices().write_parquet("text.parquet")
    said = trained("text.parquet", *FAST)
    assert (said["task"], n_inputs(said)) == ("regression", 2)


# --- separators, headers, names ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_names", [0, 1])
def test_no_line_of_names_is_no_lost_row(n_names):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"a": rng.normal(size=60).round(1), "b": rng.choice(["A11", "A12"], 60), "c": rng.choice(["x", "y"], 60)}
    )
    name = written(frame, include_header=bool(n_names), separator=" ")
    said = trained(name, *FAST)
    assert sum(said["rows"].values()) == 60
    assert any("no line of names" in note for note in said["notes"]) == (not n_names)
    assert sum(trained(name, *FAST, "--no-header", "--out", "m.fastbp")["rows"].values()) == 60 + n_names


@pytest.mark.parametrize("before", ["sep=,\n", "A title\n", "# a comment\n# another\n"])
def test_lines_before_the_table(before, folder):
    (folder / "t.csv").write_text(before + prices(50).write_csv())
    found = prepared("t.csv")
    assert (found.n_rows, found.task) == (50, "regression")
    assert before.startswith("sep") or any("skipped" in note for note in found.notes)


def test_a_row_of_more_values_than_names_is_named(folder):
    (folder / "t.csv").write_text("x,y\n" + "1,2\n" * 20 + "1,2,3\n")
    assert "row 21 (line 22) has 3 values" in refused("train", "t.csv", *FAST)


def test_names_twice_and_empty_columns(folder):
    (folder / "twice.csv").write_text("y,x,y\n" + "1,2,3\n" * 20)
    assert "'y' names columns 1, 3" in refused("train", "twice.csv", *FAST)
    (folder / "empty.csv").write_text("x1,x2,y,,\n" + "".join(f"{k},{k * k},{k * 1.5},,\n" for k in range(20)))
    found = prepared("empty.csv")
    assert [column.name for column in found.targets] == ["y"]
    assert "2 empty columns at the right dropped" in found.notes


@pytest.mark.compiled_only
@pytest.mark.parametrize("target", ["", "a b", 'say "c"', "prix €", "a,b"])
def test_names_of_targets_are_exact(target):
    frame = prices(40).rename({"price": target})
    said = trained(written(frame.select(target, "age", "x")), *FAST, "--target", target, "--out", "m.fastbp")
    assert said["target"] == target


@pytest.mark.compiled_only
def test_packed_tables_and_columns_in_another_order(folder):
    frame = prices(60)
    (folder / "t.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode("utf-16")))
    said = trained("t.csv.gz", *FAST, "--out", "m.fastbp")
    written(frame, "plain.csv")
    written(frame.select("price", "x", "age"), "turned.csv")
    outputs = {run("predict", said["model"], name).stdout for name in ("t.csv.gz", "plain.csv", "turned.csv")}
    assert len(outputs) == 1


# --- kinds -------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%d.%m.%y", "%d-%b-%y", "%H:%M", "%Y-%m", "%m/%d/%Y", "%B %d, %Y", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d"],
)
def test_dates_become_numbers(form):
    times = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=k, minutes=37 * k) for k in range(100)]
    frame = prices(100).with_columns(when=pl.Series([time.strftime(form) for time in times]))
    name = written(frame)
    said = trained(name, *FAST, "--target", "price")
    assert any(note.startswith("column 'when': ") and ("dates" in note or "times" in note) for note in said["notes"])
    assert n_inputs(said) < 12
    assert run("predict", said["model"], name).exit_code == 0


@pytest.mark.compiled_only
def test_dates_that_leave_the_month_open():
    days = np.random.default_rng(0).integers(1, 13, (100, 2))
    name = written(prices(100).with_columns(when=pl.Series([f"{a}/{b}/20" for a, b in days])))
    assert "no row tells whether the day or the month comes first" in refused("train", name, *FAST, "--target", "price")
    said = [
        trained(name, *FAST, "--target", "price", "--dates", order, "--out", f"{order}.fastbp")
        for order in ("day-first", "month-first")
    ]
    assert said[0]["score"] != said[1]["score"]


def test_four_rows(folder):
    (folder / "xor.csv").write_text("a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    said = trained("xor.csv", *FAST)
    assert (said["rows"], said["score"]) == ({"training": 4, "validation": 0, "held_out": 0}, None)
    assert any("too few to hold some out" in note for note in said["notes"])


# --- weights, several targets, losses, prediction ----------------------------------------------------------


@pytest.mark.compiled_only
def test_weights_and_balance_change_the_network():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    frame = pl.DataFrame({"x": x, "w": rng.random(300), "y": np.where(x + rng.normal(size=300) > 1.5, "a", "b")})
    name = written(frame)
    options = ((), ("--weight", "w"), ("--drop", "w"), ("--drop", "w", "--class-weight", "balanced"))
    nets = [load_network(trained(name, *FAST, *more, "--out", "m.fastbp")["model"])[0] for more in options]
    assert [net.n_inputs for net in nets] == [2, 1, 1, 1]
    assert len({net.params.tobytes() for net in nets}) == 4


def test_several_targets():
    frame = prices(100).with_columns(double=2 * pl.col("price").cast(pl.Float64))
    said = trained(written(frame), *FAST, "--target", "price, double")
    assert (said["target"], load_network(said["model"])[0].n_outputs) == ("price, double", 2)
    predictions = pl.read_csv(run("predict", said["model"], "table.csv").stdout.encode())
    assert predictions.columns == ["prediction_price", "prediction_double"]
    scores = run("predict", said["model"], "table.csv").stderr
    assert all(f"'{name}': R2 " in scores for name in ("price", "double")) and "baseline R2 " in scores


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson"])
def test_losses(loss):
    said = trained(written(prices(100)), *FAST, "--loss", loss)
    net = load_network(said["model"])[0]
    assert (net.loss_name, net.layer_functions[-1]) == (loss, "exp" if loss == "poisson" else "identity")
    predictions = pl.read_csv(run("predict", said["model"], "table.csv").stdout.encode())["prediction"]
    assert 0 < predictions.mean() < 2000


def test_logarithm_of_a_skewed_target():
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    name = written(pl.DataFrame({"x": x, "y": np.exp(3 + 2 * x + 0.1 * rng.normal(size=400))}))
    notes = trained(name, "--hidden", "8", "--epochs", "20", "--no-plot")["notes"]
    assert any("RMSE" in note and "logarithm" in note for note in notes)
    scores = [trained(name, *FAST, option)["score"] for option in ("--log-target", "--no-log-target")]
    assert scores[0] != scores[1]


def test_a_logarithm_has_to_be_clearly_better():
    """Of few rows each is held out once: what a handful of them says is chance."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, 2))
    y = np.exp(x[:, 0]) + 40 * np.abs(x[:, 1]) ** 1.5 + 1
    name = written(pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y}))
    said = trained(name, "--no-plot", "--threads", "1")
    chosen = "the logarithm of the target is learnt" in "".join(said["notes"])
    other = trained(name, "--no-plot", "--threads", "1", "--no-log-target" if chosen else "--log-target")
    assert said["score"] > other["score"] - 0.05


def test_the_only_column_may_have_no_name(folder):
    (folder / "t.csv").write_text('"","y"\n' + "".join(f'"{k}",{k * k / 8}\n' for k in range(60)))
    said = trained("t.csv", *FAST)
    assert n_inputs(said) == 1
    assert run("predict", said["model"], "t.csv").exit_code == 0


def test_predict_answers_every_row():
    name = written(prices(60))
    said = trained(name, *FAST)
    ids = prices(60).with_columns(id=pl.int_range(60), x=pl.when(pl.int_range(60) != 2).then("x"), price=pl.lit(None))
    odd = with_cell(with_cell(ids, "age", 4, "old"), "age", 5, "99999")
    result = run("predict", said["model"], written(odd, "odd.csv"), "--keep", "id, x")
    assert result.exit_code == 0
    predictions = pl.read_csv(result.stdout.encode())
    assert predictions.columns == ["id", "x", "prediction"]
    assert (predictions.height, predictions["prediction"].null_count()) == (60, 0)
    for part in (
        "column 'age' has 'old' in row 5: counted as missing",
        "99999 in row 6 is far outside of the training range",
        "missing values were filled in: 'age' 1 (row 5), 'x' 1 (row 3)",
        "no score: no row has a value of the target 'price'",
    ):
        assert part in result.stderr
    clipped = pl.read_csv(run("predict", said["model"], "odd.csv", "--clip").stdout.encode())["prediction"]
    assert clipped[5] != predictions["prediction"][5]
    assert "no column 'nothing'" in refused("predict", said["model"], "odd.csv", "--keep", "nothing")


def test_dry_run_changes_nothing(folder):
    """It says what a training would: inputs, levels, what stands for gaps, by the rows that would be trained on."""
    days = [f"2020-{k % 12 + 1:02}-0{k % 9 + 1}" for k in range(50)]
    soil = [None if k % 4 == 0 else ("clay", "loam", "sand")[k % 3] for k in range(50)]
    frame = prices(50).with_columns(id=pl.int_range(50), day=pl.Series(days), soil=pl.Series(soil))
    name = written(frame)
    result = run("train", name, "--dry-run", "--target", "price")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for part in (
        "left out: it is another number in every row", "regression of 'price'", "50 rows, 36 training", "target from ",
        "one-hot, 3 levels: clay, loam, sand, missing: an input of its own", "mean ", ", missing: ", "days, season_sin",
        "2020-01-0", "inputs 11",
    ):  # fmt: skip
        assert part in text, (part, text)
    assert [path.name for path in folder.iterdir()] == ["table.csv"]
    for option in ((), ("--seed", "5")):
        said = run("train", name, "--dry-run", "--target", "price", *option).stdout
        trained(name, *FAST, "--target", "price", *option)
        mean = f"{load_network('table.fastbp')[1]['table']['columns'][0]['mean']:.5g}"
        assert f"mean {mean}," in " ".join(said.split())


@pytest.mark.compiled_only
def test_codes_levels_and_numbers():
    frame = prices(100).with_columns(code=pl.int_range(100) % 7, town=pl.Series([f"t{k % 40}" for k in range(100)]))
    name = written(frame)
    said = trained(name, *FAST, "--target", "price", "--categorical", "code", "--max-levels", "5")
    assert n_inputs(said) == 2 + 6 + 6
    assert any(
        "column 'town': 40 different texts; all but the 5 most frequent count as one" in note for note in said["notes"]
    )
    assert 3 + 20 < n_inputs(trained(name, *FAST, "--target", "price", "--numeric", "age,code")) <= 3 + 40


# --- random tables -----------------------------------------------------------------------------------------


def odd_column(rng, n):
    """Draw a column of any kind, with damage."""
    kind = rng.integers(0, 9)
    match kind:
        case 0:
            values = rng.normal(size=n).round(3)
        case 1:
            values = rng.integers(-9, 2 ** int(rng.integers(2, 62)), n)
        case 2:
            values = rng.choice(["a", "b", "ü", "d e"], n)
        case 3:
            values = [
                f"{d}.{m}.{y}"
                for d, m, y in zip(rng.integers(1, 29, n), rng.integers(1, 13, n), rng.integers(1, 99, n), strict=True)
            ]
        case 4:
            values = [f"{k:,}" for k in rng.integers(0, 99999, n)]
        case 5:
            values = rng.choice(["true", "false"], n)
        case 6:
            values = [f"{k} kg" for k in rng.integers(0, 99, n)]
        case 7:
            values = np.arange(n)
        case _:
            values = [f"id{k}" for k in rng.integers(0, 10**9, n)]
    cells = [str(value) for value in values]
    for _ in range(rng.integers(0, 4)):
        odd = ["", "NA", "?", "x", "1e999", "<5", "\x00", '"', "-", "0001", "é", "nan", "2020-02-30", " "]
        cells[rng.integers(0, n)] = str(rng.choice(odd))
    return cells


@pytest.mark.filterwarnings("ignore::fastbp.tables.cells.errors.TableWarning")
def test_random_tables_are_understood_or_refused(folder):
    """No other error than a TableError of one line; a target of numbers stays one whatever few cells hold."""
    rng = np.random.default_rng(7)
    import os

    from fastbp.tables.preparing.encoder import Encoder
    from fastbp.tables.preparing.transformer import TableEncoder

    count = 5000 if os.environ.get("FASTBP_TESTS") == "nightly" else 20
    fates = {"understood": 0, "refused": 0}
    for _ in range(count):
        n = int(rng.integers(1, 60))
        frame = pl.DataFrame({f"c{k}": odd_column(rng, n) for k in range(rng.integers(1, 6))})
        separator = str(rng.choice([",", ";", "\t", "|"]))
        (folder / "t.csv").write_text(frame.write_csv(separator=separator, include_header=bool(rng.integers(0, 5))))
        try:
            found = prepared("t.csv", dates=rng.choice(["day", "month"]))
            encoder = Encoder.fit(found.inputs)
            X = encoder.encode(read_table("t.csv").frame)
            TableEncoder(dates="day", censored="limit").fit_transform(read_table("t.csv").frame)
        except TableError as error:
            assert "\n" not in str(error)
            fates["refused"] += 1
        else:
            assert np.isfinite(X).all()
            fates["understood"] += 1
    assert fates["understood"] > 0.2 * count, fates


def test_summary_has_what_scripts_need():
    said = trained(written(prices(100)), *FAST)
    assert {"mae", "rmse", "baseline", "notes", "warnings", "left_out", "linear"} <= set(json.loads(json.dumps(said)))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_report_is_one_page(task, folder):
    from html.parser import HTMLParser

    class Page(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.pictures = [], []

        def handle_starttag(self, tag, attrs):
            if tag == "img":
                self.pictures.append(dict(attrs)["src"])
            elif tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    frame = prices(60).with_columns(
        pl.when(pl.col("age") > "50").then(pl.lit("<b>old</b>")).otherwise(pl.lit("$_y$")).alias("<i>")
    )
    target = "<i>" if task == "classification" else "price"
    trained(written(frame), *FAST, "--target", target, "--report", "page.html", "--task", task)
    text = (folder / "page.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert len(page.pictures) == 3
    assert all(picture.startswith("data:image/svg+xml;base64,") for picture in page.pictures)
    assert "http:" not in text
    assert "https:" not in text
    assert "<i>" not in text
    assert "&lt;i&gt;" in text
