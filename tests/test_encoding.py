"""Understanding columns, encoding them and targets, and back; splitting rows."""

import datetime
import json

import msgspec
import numpy as np
import polars as pl
import pytest

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError, TableWarning
from fastbp.tables.cells.kinds import understand
from fastbp.tables.preparing.columns import Column, NumberColumn, to_plain
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.planning import plan_inputs
from fastbp.tables.preparing.splitting import split_rows
from fastbp.tables.preparing.targets import ClassTarget, NumberTarget, guess_task, is_skewed

N = 100


def fitted(frame, **choices):
    return Encoder.fit([understand(series, Choices(**choices)) for series in frame.iter_columns()])


def column(values, **choices):
    return understand(pl.Series("x", values), Choices(**choices))


def texts(values):
    return [str(value) for value in values]


# --- what a column is --------------------------------------------------------------------------------------

COUNTING = texts(range(1, N))


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (["1", " 2", "+3"], "number", 1.0),
        (["1.5", "1e3", ""], "number", 1.5),
        (["true", "False", " TRUE"], "boolean", True),
        (["a", " b ", "1"], "text", "a"),
        (["2020-01-31", "2020-02-01"], "date", datetime.datetime(2020, 1, 31)),
        ([1, 2**70], "number", 1.0),
        ([True, None], "boolean", True),
        ([datetime.date(2020, 1, 31)], "date", datetime.datetime(2020, 1, 31)),
        ([datetime.time(18, 30)], "date", datetime.time(18, 30)),
        ([datetime.timedelta(minutes=1)], "number", 60.0),
        ([1.5, float("nan"), float("inf")], "number", 1.5),
        ([None, None], "text", None),
        ([[1], [2]], "other", None),
        (["20200131", "20200201"] * 9, "date", datetime.datetime(2020, 1, 31)),
        (["01", "1"], "text", "01"),
        (["0.5", "0"], "number", 0.5),
        (["0", "1", "2", "3+"] * 25, "text", "0"),
        (["A11", "A12"] * 9, "text", "A11"),
        (["2wd", "4wd"] * 9, "text", "2wd"),
        (["3 kg", "500 g"] * 9, "text", "3 kg"),
    ],
)  # fmt: skip
def test_kinds(values, kind, first):
    found = column(pl.Series(values, dtype=pl.Int128) if 2**70 in values else values)
    assert found.kind == kind
    if kind != "other":
        assert found.values[0] == first


MARKS = ["n.a.", "NA", "-", "?", "#DIV/0!", "<NA>", "\\N", "null", "", "unknown", "NaN", "#N/A", "None", "missing"]


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_missing_numbers(mark):
    found = column([*COUNTING, mark])
    assert (found.kind, found.gaps, found.odd) == ("number", 1, ())
    assert not mark or mark == "NaN" or repr(mark) in found.notes[0]


def test_a_value_that_is_no_number_is_named():
    found = column([*COUNTING, "many"])
    assert (found.kind, found.gaps) == ("number", 1)
    assert found.odd == ("column 'x' holds numbers, but row 100 has 'many': counted as missing",)
    assert column([*COUNTING[:50], *["a"] * 50]).kind == "text"


@pytest.mark.parametrize(
    ("values", "numbers", "said"),
    [
        (["139,5", "2"], [139.5, 2], "decimal commas"),
        (["1,234.50", "1,000"], [1234.5, 1000], "',' between thousands"),
        (["1.234,50", "2"], [1234.5, 2], "decimal commas, '.' between thousands"),
        (["1.234.567", "1.234"], [1234567, 1234], "'.' between thousands"),
        (["1 234,5", "2 000"], [1234.5, 2000], "decimal commas, ' ' between thousands"),
        (["1\u202f234", "2\u00a0000"], [1234, 2000], "' ' between thousands"),
        (["1'234.5", "2"], [1234.5, 2], '"\'" between thousands'),
        (["1,234", "0,5"], [1.234, 0.5], "decimal commas"),
        (["$139", "$1,000"], [139, 1000], "'$' removed"),
        (["-$5", "$6"], [-5, 6], "'$' removed"),
        (["139 EUR", "5 EUR"], [139, 5], "'EUR' removed"),
        (["5%", "7.5 %"], [5, 7.5], "'%' removed"),
        (["3 kg", "4kg"], [3, 4], "'kg' removed"),
        (["20 °C", "-3 °C"], [20, -3], "'°C' removed"),
        (["\u22123", "2"], [-3, 2], "signs"),
        (["(1,200)", "5"], [-1200, 5], "',' between thousands"),
        (["123.4-", "5"], [-123.4, 5], "signs"),
        (["1,200.5 -", "$3-"], [-1200.5, -3], "',' between thousands, '$' removed"),
        (["1.5e3", "-2E-1"], [1500, -0.2], ""),
    ],
)  # fmt: skip
def test_notations_of_numbers(values, numbers, said):
    found = column(values * 30)
    assert found.kind == "number"
    assert found.values.head(2).to_list() == pytest.approx(numbers)
    assert said in "".join(found.notes)
    encoder = Encoder((NumberColumn.fit(found, found.values),))
    again = Encoder((msgspec.convert(json.loads(json.dumps(to_plain(encoder.columns[0]))), Column),))
    np.testing.assert_array_equal(
        again.encode(pl.DataFrame({"x": values})), encoder.encode(pl.DataFrame({"x": [float(v) for v in numbers]}))
    )


def test_semicolons_between_values_speak_for_decimal_commas():
    assert column(["1,234", "2,345"]).values[0] == 1234
    assert column(["1,234", "2,345"], decimal_comma=True).values[0] == 1.234


def test_limits_are_refused_unless_told_how():
    values = ["<5", *COUNTING, ">200"]
    with pytest.raises(TableError, match="'<5' in row 1: a limit, not a number"):
        column(values)
    assert column(values, censored="limit").values[0] == 5
    assert column(values, censored="half").values[0] == 2.5
    assert column(values, censored="half").values[-1] == 200
    assert column(values, censored="missing").gaps == 2


@pytest.mark.parametrize("steps", [["<=3cm", ">3cm"], ["< 20", "20", "> 20"], [">5", ">5"]])
def test_ends_of_a_scale_are_categories(steps):
    found = column(steps * 10)
    assert found.kind == "text"
    assert found.n_distinct == len(set(steps))


@pytest.mark.parametrize(
    ("values", "first", "said"),
    [
        (["1/5/20", "13/5/20"], "2020-05-01", "the day comes first"),
        (["1/5/20", "5/13/20"], "2020-01-05", "the month comes first"),
        (["5.1.20", "6.2.20"], "2020-01-05", "the day comes first, as with dots"),
        (["05-Jan-20", "06-Feb-20"], "2020-01-05", ""),
        (["5 March 1999", "6 Mai 1999"], "1999-03-05", ""),
        (["Jan 5, 2020", "Feb 1 2020"], "2020-01-05", ""),
        (["Jan 2020", "Feb 2020"], "2020-01-01", ""),
        (["Jan-5-2020", "Feb-1-2020"], "2020-01-05", ""),
        (["2020Q2", "2021 Q1"], "2020-04-01", ""),
        (["2020-01", "2020-12"], "2020-01-01", ""),
        (["03/2020", "4/2020"], "2020-03-01", ""),
        (["03.2020", "12.2020"], "2020-03-01", ""),
        (["2024-W05", "2024W52", "2020-W53-5"], "2024-01-29", ""),
        (["2020-W53-5", "2021-W01-1"], "2021-01-01", ""),
        (["KW 5/2024", "Week 6, 2024"], "2024-01-29", ""),
        (["Q2 2020", "Q1/2021"], "2020-04-01", ""),
        (["Mon, 5 Jan 2015", "Tue, 6 Jan 2015"], "2015-01-05", ""),
        (["Monday 2015-01-05", "Tuesday 2015-01-06"], "2015-01-05", ""),
        (["Mo, 5.1.2015", "Di 6.1.2015"], "2015-01-05", "the day comes first"),
        (["2015-01-05 (Mon)", "2015-01-06, Tue"], "2015-01-05", ""),
        (["Mon, 05 Jan 2015 10:30:00 GMT", "Tue, 06 Jan 2015 00:00:00 GMT"], "2015-01-05T10:30", ""),
        (["Mon Jan  5 10:30:00 2015", "Tue Jan  6 11:00:00 CET 2015"], "2015-01-05T10:30", ""),
        (["2020-01-31T10:30:00+02:00", "2020-01-31T10:30:00-0130"], "2020-01-31T08:30", "in UTC"),
        (["2020-01-31 10:30:00", "2020-01-31T10:30:00+01"], "2020-01-31T10:30", "in UTC, by their offsets"),
        (["2020/01/31", "2020/02/01"], "2020-01-31", ""),
        (["2020-01-31T10:30:00Z", "2020-02-01T00:00:00Z"], "2020-01-31T10:30", ""),
        (["2020-01-31 10:30:15.25", "2020-02-01 00:00:00"], "2020-01-31T10:30:15", ""),
        (["31.1.2020 1:30 PM", "1.2.2020 12:00 am"], "2020-01-31T13:30", ""),
        (["1/5/69", "13/5/68"], "1969-05-01", ""),
        ([f"1/{d}/20" for d in range(1, 13)] + ["2/1/20"], "2020-01-01", "only so the rows are in order"),
        (["18:30", "06:05:30"], "1970-01-01T18:30", "times of day"),
        (["6:30 pm", "12:05 am"], "1970-01-01T18:30", "times of day"),
    ],
)  # fmt: skip
def test_notations_of_dates(values, first, said):
    found = column(values)
    assert found.kind == "date"
    time = found.values[0]
    time = datetime.datetime.combine(datetime.date(1970, 1, 1), time) if isinstance(time, datetime.time) else time
    assert time == datetime.datetime.fromisoformat(first)
    assert said in found.notes[0]
    encoder = Encoder.fit([found])
    frame = pl.DataFrame({"x": values})
    np.testing.assert_allclose(encoder.encode(frame), encoder.encode(pl.DataFrame({"x": found.values})), atol=1e-5)


def date_column(values):
    return Encoder.fit([column(values)])


def test_dates_written_in_another_way_than_in_training():
    """What leaves nothing open is read; the other order of day and month is refused where it can be told."""
    encoder = date_column([f"{k}/5/2020" for k in range(1, 32)])
    plain = pl.DataFrame({"x": [datetime.date(2020, 5, 3), datetime.date(2020, 5, 14)]})
    for written in (["2020-05-03", "14 May 2020"], ["20200503", "May 14, 2020"], ["3/5/20", "2020-05-14T00:00Z"]):
        np.testing.assert_array_equal(encoder.encode(pl.DataFrame({"x": written})), encoder.encode(plain))
    with pytest.raises(
        TableError, match="'5/14/2020' in row 2, with the month first: in training it had the day first"
    ):
        encoder.encode(pl.DataFrame({"x": ["5/3/2020", "5/14/2020"]}))
    with pytest.raises(TableError, match=r"held dates \(year first\) in training; row 1 has '3/5/2020'"):
        date_column(["2020-01-05", "2021-02-06"]).encode(pl.DataFrame({"x": ["3/5/2020", "4/5/2020"]}))


def test_dates_with_a_zone_are_the_same_from_text_and_typed():
    zoned = pl.Series("x", [datetime.datetime(2020, 7, k, 12) for k in range(1, 29)]).dt.replace_time_zone(
        "Europe/Berlin"
    )
    assert understand(zoned).values[0] == datetime.datetime(2020, 7, 1, 10)
    assert column([f"2020-07-{k:02}T12:00:00+02:00" for k in range(1, 29)]).values.equals(understand(zoned).values)


def test_dates_far_outside_of_the_training_range():
    encoder = date_column([f"2020-{m:02}-{d:02}" for m in range(1, 13) for d in (1, 15)])
    frame = pl.DataFrame({"x": ["2020-12-15", "2202-03-01", "2021-02-01"]})
    with pytest.warns(TableWarning, match="'x': 2202-03-01 in row 2 is far outside .*, 2020-01-01 to 2020-12-15$"):
        free = encoder.encode(frame)
    with pytest.warns(TableWarning, match="2202-03-01 in row 2 .*: moved to its end"):
        clipped = encoder.encode(frame, clip=True)
    np.testing.assert_array_equal(clipped[1], free[0])
    np.testing.assert_array_equal(clipped[2], free[0])
    assert free[1, 0] > 100
    older = to_plain(encoder.columns[0])
    del older["last"]
    assert Encoder((msgspec.convert(older, Column),)).encode(frame).shape == free.shape
    times = date_column([f"{h:02}:30" for h in range(9, 18)])
    with pytest.warns(TableWarning, match="23:59:00 in row 1 is far outside .*, 09:30:00 to 17:30:00"):
        times.encode(pl.DataFrame({"x": ["23:59"]}))


def test_dates_that_leave_the_month_open_are_refused():
    with pytest.raises(TableError, match="'1/5/20', and no row tells whether the day or the month comes first"):
        column(["1/5/20", "6/2/20", "3/3/20"])
    assert column(["1/5/20", "6/2/20"], dates="month").values[0].month == 1
    assert column(["1/5/20", "6/2/20"], dates="day").values[0].month == 5


def test_days_in_no_calendar_are_named():
    found = column([*[f"2020-01-{k:02}" for k in range(1, 31)], "2020-02-30"])
    assert (found.kind, found.gaps) == ("date", 1)
    assert "row 31 has '2020-02-30'" in found.odd[0]


def test_dates_become_numbers_that_vary():
    days = pl.Series("x", [datetime.date(2020, 1, 1) + datetime.timedelta(k) for k in range(0, 800, 3)])
    encoder = Encoder.fit([understand(days)])
    names = [name.removeprefix("x ") for name in encoder.inputs]
    assert names == ["days", "year", "season_sin", "season_cos", "weekday_sin", "weekday_cos"]
    X = encoder.encode(pl.DataFrame({"x": days}))
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(X.std(axis=0), 1, atol=1e-5)
    months = pl.Series("x", [f"{y}-{m:02}" for y in (2019, 2020) for m in range(1, 13)])
    assert not any("weekday" in name for name in Encoder.fit([understand(months)]).inputs)
    hours = pl.Series("x", [f"2020-01-01 {h:02}:00" for h in range(24)])
    assert {name.removeprefix("x ") for name in Encoder.fit([understand(hours)]).inputs} == {
        "days",
        "hour_sin",
        "hour_cos",
    }


# --- which columns are used --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("x", list(range(N)), "counts the rows"),
        ("x", texts(range(1, N + 1)), "counts the rows"),
        ("year", list(range(N)), ""),
        ("x", list(range(5, N + 5)), ""),
        ("patient_id", [7 * k for k in range(N)], "called an id"),
        ("customerId", [7 * k for k in range(N)], "called an id"),
        ("", [7 * k for k in range(N)], "called an id"),
        ("PassengerId", [*range(5, N + 4), 5], "another number in nearly every row"),
        ("patient_id", [*range(5, N + 4), None], "another number in nearly every row"),
        ("patient_id", [k // 2 for k in range(N)], ""),
        ("x", texts(10**19 + 7 * k for k in range(N)), "more digits"),
        ("x", [f"name {k}" for k in range(N)], "names, or ids"),
        ("x", [f"city {k % 30}" for k in range(N)], ""),
        ("x", [4] * N, "is 4.0 in every row"),
        ("x", [None] * N, "has no value"),
        ("x", ["a"] * (N - 1) + [None], ""),
        ("x", [[1]] * N, "holds values of type"),
    ],
)
def test_what_is_left_out(name, values, reason):
    frame = pl.DataFrame({name: values, "other": np.arange(N) * 1.5})
    plans = plan_inputs(frame, Choices())
    assert reason in plans[0].reason
    assert (plans[0].reason == "") == (reason == "")
    assert plans[1].used
    if values[0] not in (4, None) and values[0] != [1]:
        assert plan_inputs(frame, Choices(keep=(name,)))[0].used


def test_the_only_column_is_used():
    assert plan_inputs(pl.DataFrame({"x": range(N)}), Choices())[0].used
    with pytest.raises(TableError, match="no column is left to learn from: 'x' has 100 different texts"):
        plan_inputs(pl.DataFrame({"x": [f"n{k}" for k in range(N)]}), Choices())


def test_the_user_knows_better():
    assert column([1, 2, 3], categorical=("x",)).values.to_list() == ["1", "2", "3"]
    assert column([1.0, 2.0], categorical=("x",)).values.to_list() == ["1", "2"]
    assert column(["01", "02", "a"], numeric=("x",)).values.to_list() == [1, 2, None]
    with pytest.raises(TableError, match="no number"):
        column(["a", "b"], numeric=("x",))


# --- encoding ----------------------------------------------------------------------------------------------


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "size": rng.normal(170, 12, 50),
            "count": rng.integers(0, 9, 50),
            "city": rng.choice(["Bonn", "Kiel", "Ulm"], 50),
            "member": rng.integers(0, 2, 50).astype(bool),
        }
    )


def test_encoding_standardises_numbers_and_spreads_text(frame):
    encoder = fitted(frame)
    size, count = (frame[name].to_numpy() for name in ("size", "count"))
    expected = np.column_stack(
        [
            (size - size.mean()) / size.std(),
            (count - count.mean()) / count.std(),
            *(frame["city"].to_numpy() == city for city in ("Bonn", "Kiel", "Ulm")),
            frame["member"].to_numpy(),
        ]
    )
    X = encoder.encode(frame)
    assert X.dtype == np.float32
    assert encoder.inputs == ("size", "count", "city=Bonn", "city=Kiel", "city=Ulm", "member")
    np.testing.assert_allclose(X, expected, rtol=0, atol=1e-6)
    shuffled = frame.select("member", pl.lit("2024-01-01").alias("date"), "city", "count", "size")
    np.testing.assert_array_equal(encoder.encode(shuffled), X)


def test_encoding_survives_json(frame):
    encoder = fitted(frame)
    again = Encoder(msgspec.convert(json.loads(json.dumps(to_plain(encoder.columns))), tuple[Column, ...]))
    assert again == encoder
    np.testing.assert_array_equal(again.encode(frame), encoder.encode(frame))


def test_missing_values_are_filled_as_in_training(frame):
    holes = frame.with_columns(pl.when(pl.int_range(pl.len()) >= 10).then(pl.all()).name.keep())
    encoder = fitted(holes)
    assert [name for name in encoder.inputs if name.endswith("missing")] == [
        "size missing", "count missing", "city missing", "member missing",
    ]  # fmt: skip
    with pytest.warns(TableWarning, match=r"filled in: 'size' 10 \(rows 1, 2, 3 ...\), 'count' 10") as caught:
        X = encoder.encode(holes)
    assert len(caught) == 1
    at = encoder.inputs.index
    np.testing.assert_array_equal(X[:, at("size missing")], np.arange(50) < 10)
    median = holes["size"].median()
    np.testing.assert_allclose(
        X[:10, at("size")], (median - holes["size"].mean()) / holes["size"].std(ddof=0), rtol=1e-5
    )
    np.testing.assert_array_equal(X[:10, at("city=Bonn")], 0)


def test_few_missing_values_have_no_input_of_their_own(frame):
    holes = frame.with_columns(size=pl.when(pl.int_range(pl.len()) != 3).then("size"))
    assert "size missing" not in fitted(holes).inputs
    blank = frame.with_columns(pl.lit(None).cast(pl.String).alias("city"), size=pl.lit(None))
    with pytest.warns(TableWarning, match="filled in: 'size' 50"):
        X = fitted(frame).encode(blank)
    assert np.isfinite(X).all()


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e15, 3, True])
def test_constant_column_is_no_division_by_zero(constant):
    encoder = fitted(pl.DataFrame({"x": [constant] * 7}))
    np.testing.assert_array_equal(encoder.encode(pl.DataFrame({"x": [constant] * 3})), [[float(constant is True)]] * 3)
    assert constant is True or encoder.encode(pl.DataFrame({"x": [1e6]}))[0, 0] == 0


def test_large_offsets_keep_their_spread():
    seconds = 1.7e9 + np.arange(20.0)
    X = fitted(pl.DataFrame({"x": seconds})).encode(pl.DataFrame({"x": seconds}))
    np.testing.assert_allclose(X[:, 0], (np.arange(20.0) - 9.5) / np.arange(20.0).std(), rtol=1e-5)


def test_unseen_category_is_zeros_and_a_warning(frame):
    encoder = fitted(frame.select("city"))
    with pytest.warns(TableWarning, match="column 'city': not seen in training: 'Jena'"):
        X = encoder.encode(pl.DataFrame({"city": ["Jena", "Ulm"]}))
    np.testing.assert_array_equal(X, [[0, 0, 0], [0, 0, 1]])


def test_rare_categories_are_one_input(recwarn):
    values = ["a"] * 20 + ["b"] * 10 + ["c", "d"]
    encoder = Encoder.fit([column(values)], max_levels=2)
    assert encoder.inputs == ("x=a", "x=b", "x other")
    X = encoder.encode(pl.DataFrame({"x": ["b", "d", "new"]}))
    np.testing.assert_array_equal(X, [[0, 1, 0], [0, 0, 1], [0, 0, 1]])
    assert not recwarn


def test_values_far_outside_are_named_and_clipped(frame):
    encoder = fitted(frame.select("count"))
    far = pl.DataFrame({"count": [3, 9000, -5, 8]})
    with pytest.warns(
        TableWarning, match="'count': 9000 in row 2 and 1 more is far outside of the training range, 0 to 8"
    ):
        X = encoder.encode(far)
    with pytest.warns(TableWarning, match="moved to its end"):
        clipped = encoder.encode(far, clip=True)
    np.testing.assert_array_equal(clipped[1], clipped[3])
    assert X[1, 0] > 100 * clipped[1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("city"), "column 'city' is missing"),
        (lambda f: f.rename({"size": "Size"}), "column 'size' is missing.*did you mean 'Size'"),
        (lambda f: f.drop("city", "size"), r"column 'size' is missing.*and 1 more"),
        (lambda f: f.with_columns(size=pl.lit("tall")), "'size' held numbers in training; row 1 has 'tall'"),
        (lambda f: f.with_columns(size=pl.lit(datetime.date(2024, 1, 1))), "'size' held numbers"),
        (lambda f: f.with_columns(size=pl.lit([1]).implode()), "'size' held numbers in training, now values of type"),
        (lambda f: f.with_columns(city=pl.lit([1]).implode()), "'city' held text in training, now values of type"),
        (lambda f: f.with_columns(member=pl.lit(2)), "'member' held true and false"),
        (lambda f: f.with_columns(member=pl.lit("yes")), "'member' held true and false"),
        (lambda f: f.with_columns(size=pl.lit(1e200)), "'size' has 1e.200 in row 1: too far"),
    ],
)
@pytest.mark.filterwarnings("ignore::fastbp.tables.cells.errors.TableWarning")
def test_other_tables_are_refused(frame, change, message):
    with pytest.raises(TableError, match=message):
        fitted(frame).encode(change(frame))


def test_a_bad_cell_is_missing_and_named(frame):
    text = frame.with_columns(
        size=pl.when(pl.int_range(pl.len()) == 6).then(pl.lit("tall")).otherwise(pl.col("size").cast(pl.String))
    )
    with pytest.warns(TableWarning) as caught:
        fitted(frame).encode(text)
    assert "column 'size' has 'tall' in row 7: counted as missing" in str(caught[0].message)


def test_numbers_0_and_1_do_for_booleans(frame):
    encoder = fitted(frame.select("member"))
    for dtype in (pl.Int64, pl.Float32):
        numbers = frame.select(pl.col("member").cast(dtype))
        np.testing.assert_array_equal(encoder.encode(numbers), encoder.encode(frame.select("member")))


# --- targets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"] * 5, ("a", "b")),
        (["01", "1", "01"] * 5, ("01", "1")),
        ([True, False, True] * 5, (False, True)),
        ([10, 2, 10] * 5, (2, 10)),
        ([2.0, 1.0, 2.0] * 5, (1, 2)),
        ([0.5, 1.5, 1.5] * 5, (0.5, 1.5)),
        ([1e20, 2e20, 1e20] * 5, (1e20, 2e20)),
    ],
)
def test_classes_round_trip(values, classes):
    found = understand(pl.Series("y", values))
    target = ClassTarget.fit(found, np.arange(len(values)))
    assert target.classes == classes
    assert target.classes[target.majority] == max(values, key=values.count)
    T = np.eye(2)[target.codes_of(found)]
    again = msgspec.convert(json.loads(json.dumps(to_plain(target))), ClassTarget)
    decoded = again.decode(T)
    assert decoded["prediction"].to_list() == values
    names = [f"probability_{str(c).lower() if isinstance(c, bool) else c}" for c in classes]
    assert decoded.columns == ["prediction", *names]
    written = pl.Series("y", [str(value).lower() if isinstance(value, bool) else str(value) for value in values])
    np.testing.assert_array_equal(again.codes(written), target.codes_of(found))


def test_majority_is_that_of_the_training_rows():
    target = ClassTarget.fit(understand(pl.Series("y", ["a"] * 6 + ["b"] * 4)), np.arange(4, 10))
    assert target.classes[target.majority] == "b"


@pytest.mark.parametrize("log", [False, True])
def test_numbers_round_trip(log):
    numbers = np.random.default_rng(3).lognormal(9, 1, (40, 2))
    columns = [understand(pl.Series(name, numbers[:, k])) for k, name in enumerate("yz")]
    rows = np.arange(10, 40)
    target = NumberTarget.fit(columns, rows, log=log)
    T = target.encode(numbers)
    np.testing.assert_allclose((T[rows].mean(axis=0), T[rows].std(axis=0)), [[0, 0], [1, 1]], atol=1e-5)
    again = msgspec.convert(json.loads(json.dumps(to_plain(target))), NumberTarget)
    decoded = again.decode(T)
    assert decoded.columns == ["prediction_y", "prediction_z"]
    np.testing.assert_allclose(decoded.to_numpy(), numbers, rtol=1e-5)


@pytest.mark.parametrize(
    ("fit", "values", "message"),
    [
        (ClassTarget.fit, ["a"] * 9, "single class, 'a'"),
        (ClassTarget.fit, texts("abcdefghi"), "9 distinct values in 9 rows"),
        (lambda c, rows: NumberTarget.fit([c], rows), [2.5] * 9, "is 2.5 in every row"),
        (lambda c, rows: NumberTarget.fit([c], rows), ["a", "b", "c"] * 3, "is text: regression needs numbers"),
        (lambda c, rows: NumberTarget.fit([c], rows), [1e308, -1e308] * 5, "too large to standardise"),
    ],
)
def test_targets_without_information_are_refused(fit, values, message):
    with pytest.raises(TableError, match=message):
        fit(understand(pl.Series("y", values)), np.arange(len(values)))


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        (["a", "b"] * 20, "classification", "text, 2 classes"),
        ([True, False] * 20, "classification", "true and false"),
        ([0, 1, 2, 3] * 10, "classification", "whole numbers, 4 distinct"),
        ([0.0, 1.0] * 20, "classification", "whole numbers, 2 distinct"),
        (list(range(40)), "regression", "whole numbers, 40 distinct"),
        ([0.5, 1.0] * 20, "regression", "numbers with fractions"),
        ([*texts(range(200)), "unknown"], "regression", "whole numbers, 200 distinct"),
        ([*texts(range(200)), "what"], "regression", "whole numbers, 200 distinct"),
        (["yes", "no"] * 20 + ["?"], "classification", "text, 2 classes"),
    ],
)
def test_task_is_guessed_with_a_reason(values, task, reason):
    assert guess_task(understand(pl.Series("y", values))) == (task, reason)


@pytest.mark.parametrize(
    ("name", "values", "task"),
    [
        ("year", range(1935, 1955), "regression"), ("Birth_Year", [1999, 2008, 2009], "regression"),
        ("jahr", ["1990", "1995", "2000", "2005"], "regression"), ("year", [1999, 2008], "classification"),
        ("year", [1, 2, 3, 4], "classification"), ("code", [1999, 2008, 2009], "classification"),
        ("yearly", [1999, 2008, 2009], "classification"),
    ],
)  # fmt: skip
def test_years_are_quantities(name, values, task):
    assert guess_task(understand(pl.Series(name, list(values) * 20)))[0] == task


def test_skewed_targets():
    rng = np.random.default_rng(0)
    assert is_skewed(rng.lognormal(0, 1, (500, 1)))
    assert not is_skewed(rng.normal(50, 1, (500, 1)))
    assert not is_skewed(rng.lognormal(0, 1, (500, 1)) - 1)


# --- splitting ---------------------------------------------------------------------------------------------


def test_split_keeps_the_shares_of_the_classes():
    strata = np.repeat([0, 1, 2], [100, 50, 10])
    kept, taken = split_rows(strata, 0.2, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, taken])), np.arange(160))
    np.testing.assert_array_equal(np.bincount(strata[taken]), [20, 10, 2])


def test_split_is_seeded_and_random():
    strata = np.zeros(40, dtype=np.int64)
    first, again, other = (split_rows(strata, 0.25, np.random.default_rng(seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) == len(other) == 10
    assert not np.array_equal(first, other)


def test_split_at_its_ends():
    strata = np.arange(12) % 3
    kept, taken = split_rows(strata, 0.0, np.random.default_rng(0))
    assert (len(kept), len(taken)) == (12, 0)
    kept, taken = split_rows(strata, 0.01, np.random.default_rng(0))
    assert (len(kept), len(taken)) == (11, 1)
    lonely = np.array([0] * 9 + [1])  # a class of one sample is learnt from
    assert 9 in split_rows(lonely, 0.3, np.random.default_rng(0))[0]
