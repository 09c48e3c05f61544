"""Cells as people write them: what a column of them is, and what its numbers are."""

import datetime

import numpy as np
import polars as pl
import pytest

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableWarning
from fastbp.tables.cells.kinds import understand
from fastbp.tables.preparing.columns import fit_column
from fastbp.tables.preparing.transformer import TableEncoder


def column(cells, **choices):
    return understand(pl.Series("a", [str(cell) for cell in cells]), Choices(**choices))


def some_numbers(n=200, seed=0):
    return np.random.default_rng(seed).integers(20, 80, n)


@pytest.mark.parametrize(
    ("cells", "later", "numbers"),
    [
        ([f"${k}.50" for k in range(40)], ["$1,250.00", "$9", "$1,234,567"], [1250, 9, 1234567]),
        ([f"{k},{k % 9 + 1}" for k in range(40)], ["1234.5", "1.234,5", "1.234"], [1234.5, 1234.5, None]),
        ([f"{k}.{k % 9 + 1}" for k in range(40)], ["1234,5", "1'234", "1,234"], [1234.5, 1234, None]),
    ],
)
@pytest.mark.filterwarnings("ignore::fastbp.tables.cells.errors.TableWarning")
def test_numbers_that_leave_nothing_open_are_read_later_in_any_notation(cells, later, numbers):
    found = column(cells)
    read = fit_column(found, found.values, 200).read(pl.Series("a", later))
    assert read.values.to_list() == numbers


def test_a_price_far_above_those_of_training_is_called_so():
    encoder = TableEncoder().fit({"price": [f"${k}.00" for k in range(20, 60)]})
    with pytest.warns(TableWarning, match=r"1250 in row 1 is far outside of the training range, 20 to 59"):
        encoder.transform({"price": ["$1,250.00"]})


@pytest.mark.parametrize(
    ("cells", "kind", "said"),
    [
        ([":" if k % 10 == 0 else k % 46 for k in range(300)], "number", "':' means missing"),
        (["BDL" if k % 16 == 0 else (k % 46) / 10 for k in range(300)], "number", "'BDL' (19 such values): counted as"),
        (["\u2013" if k % 8 == 0 else k % 40 for k in range(60)], "number", "means missing"),
        (["don't know" if k % 100 == 0 else k % 5 + 1 for k in range(800)], "number", "(8 such values): counted as"),
        (["5more" if k % 4 == 0 else k % 3 + 2 for k in range(100)], "text", "'5more' in row 1 (--numeric 'a'"),
        (["X" if k % 12 == 0 else k % 23 for k in range(300)], "text", "25 values beside 275 numbers"),
        (["007" if k == 20 else 100 + 37 * k for k in range(300)], "number", "'007' in row 21 begins with 0"),
        ([f"{1000 + 293 * k:05}" for k in range(300)], "text", "some values begin with 0"),
        (["01234" if k == 5 else 20000 + 193 * k for k in range(300)], "text", "some values begin with 0"),
    ],
)  # fmt: skip
def test_what_stands_among_numbers_is_said(cells, kind, said):
    found = column(cells)
    assert found.kind == kind
    assert any(said in line for line in (*found.notes, *found.odd)), (found.notes, found.odd)


@pytest.mark.parametrize(
    "form",
    ["{} W/m\u00b2", "{} \u00b5g/L", "{}m\u00b3/h", "{} \u03a9", "{} sq ft", "{} z\u0142", "R${}", "\u20ba{}",
     "{}\u20ba", '="{}"', "'{}", "Rs {}", "{} of 80", "{} K", "{}*"],
)  # fmt: skip
def test_one_sign_at_every_number_is_a_unit(form):
    numbers = some_numbers()
    found = column([form.format(number) for number in numbers])
    assert (found.kind, found.values.to_list()) == ("number", numbers.tolist())
    assert len(found.notes) == 1
    read = fit_column(found, found.values, 200).read(pl.Series("a", [form.format("1234.5")]))
    assert read.values.to_list() == [1234.5]


@pytest.mark.parametrize("form", ["Room {}", "id{}", "{} Main Street, {}", "A-{}", "{}-1000"])
def test_words_with_numbers_stay_words(form):
    assert column([form.format(number, number) for number in some_numbers()]).kind == "text"


@pytest.mark.parametrize(
    ("cells", "numbers", "choices"),
    [
        (["\u20ac5.1M", "\u20ac565K", "\u20ac2B", "\u20ac900K"], [5.1e6, 565e3, 2e9, 9e5], {}),
        (["1.5 Mio", "2 Mrd", "3 Mio"], [1.5e6, 2e9, 3e6], {}),
        (["2\u2019284", "956", "1\u2019234.50"], [2284, 956, 1234.5], {}),
        (["1,23,456.78", "12,34,567", "956"], [123456.78, 1234567, 956], {}),
        (["5,83,711", "95,780"], [583711, 95780], {"decimal_comma": True}),
        (["1.2*", "3.4", "5.6**", "7.1\u2020"], [1.2, 3.4, 5.6, 7.1], {}),
    ],
)  # fmt: skip
def test_thousands_and_millions(cells, numbers, choices):
    found = column(cells * 5, **choices)
    assert found.values.head(len(cells)).to_list() == pytest.approx(numbers)
    assert found.notes


def test_a_single_letter_at_a_number_is_no_thousand():
    found = column(["12B" if k == 3 else k for k in range(100)])
    assert (found.kind, found.gaps) == ("number", 1)


@pytest.mark.filterwarnings("ignore:missing values were filled in")
def test_categories_of_pandas_stay_categories():
    pd = pytest.importorskip("pandas")
    number = np.arange(100) ** 2
    for categories, inputs in (
        (pd.Categorical([3, 1, 2, 3] * 25), ["a=1", "a=2", "a=3"]),
        (pd.cut(np.arange(100), 2), ["a=(-0.099, 49.5]", "a=(49.5, 99.0]"]),
        (pd.Categorical([1.5, 2.0, None, 2.0] * 25), ["a=1.5", "a=2.0", "a missing"]),
    ):
        frame = pd.DataFrame({"a": categories, "b": number})
        encoder = TableEncoder().fit(frame)
        assert encoder.encoder_.inputs == (*inputs, "b")
        assert encoder.transform(frame)[:, : len(inputs)].sum() == 100


# --- dates -------------------------------------------------------------------------------------------------

DAYS = [datetime.datetime(2021, 1, 1) + datetime.timedelta(days=11 * k, minutes=67 * k) for k in range(100)]
FRENCH = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
SPANISH = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]


@pytest.mark.parametrize(
    "form",
    ["%d%b%Y", "%d%b%Y:%H:%M:%S", "%d/%b/%Y:%H:%M:%S +0000", "%Y%m%dT%H%M%S", "%Y-%m-%d %H.%M.%S",
     "%d.%m.%Y %H:%M:%S Uhr", "%Y\u5e74%m\u6708%d\u65e5", "%d %m %Y", "%Y-%j", "%Y%m%d%H%M%S", "%dth %B %Y",
     "%B %dth, %Y", "{day} {french} %Y", "{day} de {spanish} de %Y", "%d.%m.%y"],
)  # fmt: skip
def test_notations_of_dates(form):
    cells = [
        time.strftime(form).format(day=time.day, french=FRENCH[time.month - 1], spanish=SPANISH[time.month - 1])
        for time in DAYS
    ]
    found = column(cells)
    assert found.kind == "date"
    assert [date.date() for date in found.values] == [time.date() for time in DAYS]
    assert "%H" not in form or [time.hour for time in found.values] == [time.hour for time in DAYS]
    read = fit_column(found, found.values, 200).read(pl.Series("a", cells))
    assert read.values.to_list() == [date.replace(tzinfo=datetime.UTC).timestamp() for date in found.values]


@pytest.mark.parametrize(
    ("mark", "form", "first", "said"),
    [
        ("9999-12-31", "%Y-%m-%d", None, "'9999-12-31' means missing"),
        ("0000-00-00", "%Y-%m-%d", None, "'0000-00-00' means missing"),
        ("09.06.62", "%d.%m.%y", datetime.datetime(1962, 6, 9), "years of two digits are 1940 to 2039"),
    ],
)
def test_dates_that_mean_another_time(mark, form, first, said):
    found = column([mark if k % 4 == 0 else time.strftime(form) for k, time in enumerate(DAYS)])
    assert (found.kind, found.values[0]) == ("date", first)
    assert any(said in note for note in found.notes)


@pytest.mark.parametrize(("form", "said"), [("%d-%b", "a date without its year"), ("12-1%j", "")])
def test_what_is_no_date(form, said):
    found = column([time.strftime(form) for time in DAYS])
    assert found.kind == "text"
    assert said in "".join(found.odd)


def test_times_of_day_with_a_letter():
    assert column([time.strftime("%Hh%M") for time in DAYS]).values[1] == datetime.time(1, 7)


# --- what is said -------------------------------------------------------------------------------------------


def test_nines_far_from_all_others_are_said():
    def notes(cells):
        return TableEncoder().fit({"a": cells}).notes_

    assert "-999 (3 times), beside 0 to 40, may mean" in "".join(notes([*([-999] * 3), *range(41)]))
    assert "999 (2 times), beside 0 to 40" in "".join(notes([999.0, 999.0, *map(float, range(41))]))
    assert notes([-999, *range(0, -998, -1)]) == notes([999, *range(0, 999, 3)]) == []


def test_notes_in_python_name_arguments():
    frame = {
        "id": [f"k{k}" for k in range(40)],
        "a": ["007", *(str(90 + 37 * k * k) for k in range(39))],
        "z": ["x", *map(str, range(39))],
    }
    notes = (
        TableEncoder().fit(frame | {"c": [f"0{k}" for k in range(40)], "e": ["-", "low", "high", "low"] * 10}).notes_
    )
    said = "\n".join(notes)
    assert "--" not in said
    assert "keep=['id'] uses it" in said
    assert "categorical=['a'] if" in said
    assert "numeric=['c'] for" in said
    assert "column 'e': '-' (10 times) counts as a category" in said


def test_names_of_people_are_no_categories():
    names = [f"Ann {'BCDE'[k % 4]}{k % 300}" for k in range(800)]
    left_out = TableEncoder().fit({"name": names, "town": names, "x": some_numbers(800)}).left_out_
    assert left_out == {"name": "has 300 different texts in 800 rows, and is called a name"}


@pytest.mark.filterwarnings("ignore:missing values were filled in")
def test_truth_in_words_and_numbers():
    found = column(["True", "0", "false", "1"] * 10)
    assert (found.kind, found.values.head(4).to_list()) == ("boolean", [True, False, False, True])
    encoder = TableEncoder().fit({"a": ["True", "False"] * 10})
    with pytest.warns(TableWarning, match="'maybe' in row 1: counted as missing"):
        encoder.transform({"a": ["maybe"]})


def test_marks_without_width_beside_numbers():
    assert column([f"\u200b{k}.5" for k in range(40)]).values[3] == 3.5
