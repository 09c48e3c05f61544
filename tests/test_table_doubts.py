"""What a table leaves open is decided by the rest of it, and said; nothing is decided by one cell, or in silence."""

import warnings
from pathlib import Path

import polars as pl
import pytest
from command_line import refused, run

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError
from fastbp.tables.preparing.preparation import prepare
from fastbp.tables.preparing.transformer import TableEncoder
from fastbp.tables.reading.parts import parts_of
from fastbp.tables.reading.sources import read_table
from fastbp.tables.reading.table import Reading


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepared(text, name="t.csv", target=None, task=None, **choices):
    Path(name).write_text(text)
    return prepare(read_table(name), target, Choices(**choices), task=task)


def lines(header, rows, n=40):
    return "\n".join([header, *(rows[k % len(rows)] for k in range(n))]) + "\n"


# --- points and commas -------------------------------------------------------------------------------------

DOTS, COMMAS = ("345", "1.234", "12.345"), ('"345"', '"1,234"', '"12,345"')
WITH_COMMAS, WITH_POINTS, WHOLE = ('"1,5"', '"0,25"', '"3"'), ("1.5", "0.25", "3"), ("1", "2", "5")


@pytest.mark.parametrize(
    ("column", "beside", "choices", "second", "warned"),
    [
        (DOTS, WITH_COMMAS, {}, 1234, False),
        (DOTS, WITH_POINTS, {}, 1.234, False),
        (DOTS, WHOLE, {}, 1.234, True),
        (DOTS, WHOLE, {"decimal": "comma"}, 1234, False),
        (DOTS, WHOLE, {"decimal": "point"}, 1.234, False),
        (COMMAS, WITH_COMMAS, {}, 1.234, False),
        (COMMAS, WITH_POINTS, {"decimal_comma": True}, 1234, False),
        (COMMAS, WHOLE, {"decimal_comma": True}, 1.234, True),
        (COMMAS, WHOLE, {}, 1234, False),
        (("345 EUR", "1.234 EUR", "-2.500 EUR"), WITH_COMMAS, {}, 1234, False),
        (("1.234.567", "1.234"), WHOLE, {}, 1234, False),
        (("0.345", "1.234"), WITH_COMMAS, {}, 1.234, False),
        (("1234", "1.234"), WITH_COMMAS, {}, 1.234, False),
    ],
)  # fmt: skip
def test_points_and_commas_that_can_be_read_in_two_ways(column, beside, choices, second, warned):
    rows = [f"{column[k % len(column)]},{beside[k % 3]},{k % 2}" for k in range(6)]
    found = prepared(lines("a,b,y", rows), **choices)
    assert found.inputs[0].values[1] == second
    assert [f"'{column[1].strip(chr(34))}' in row 2 is read as {second}" in line for line in found.warnings] == (
        [True] * warned
    )
    assert second != 1234 or any("column 'a': " in note and "between thousands" in note for note in found.notes)


def test_columns_that_leave_decimals_open_are_said_in_a_line():
    found = prepared(lines("a,b,c,y", [f"{k + 1}.234,{k + 5}.500,{k},{k % 2}" for k in range(9)]))
    assert len(found.warnings) == 1
    assert "'1.234' in row 1 is read as 1.234, and could be 1234" in found.warnings[0]
    assert found.warnings[0].endswith("; so it is with 'b'")
    said = found.warnings[0].replace("--decimal point or comma", "decimal='point' or 'comma'")
    assert said in TableEncoder().fit({"a": ["1.234", "5.234"] * 9, "b": ["5.500"] * 17 + ["1.500"]}).notes_


def test_a_large_table_and_a_transformer_read_the_same(monkeypatch):
    from fastbp.tables.reading import typed
    from fastbp.tables.reading.table import Written

    text = lines("a,b,c,y", [f"{DOTS[k % 3]},{WITH_COMMAS[k % 3]},{k % 3 + 1}.5,{k % 2}" for k in range(6)])
    Path("t.csv").write_text(text)
    monkeypatch.setattr(typed, "LARGE", 1)
    frame = read_table("t.csv", Reading(written=lambda names: Written(()))).frame
    assert (frame.schema["a"], frame.schema["c"]) == (pl.String, pl.Float64)
    encoder = TableEncoder().fit(frame.select("a", "b"))
    assert [column.notation.thousands for column in encoder.encoder_.columns] == [".", ""]
    with pytest.raises(ValueError, match="decimal must be 'point', 'comma' or None; got ','"):
        TableEncoder(decimal=",").fit(frame)


# --- names of columns, ends of lines, quotes around rows ------------------------------------------------------

ABC = (["a", "b", "y"], [("1", "2", "3"), ("4", "5", "6"), ("7", "8", "9")])


@pytest.mark.parametrize("header", [None, True])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,y\n1,2,3,,\n4,5,6,,\n7,8,9,,\n", "2 empty columns at the right dropped"),
        ("a,b,y,\n1,2,3\n4,5,6\n7,8,9\n", "1 empty column at the right dropped"),
        ("a,b,y,,\n1,2,3,\n4,5,6,\n7,8,9\n", "2 empty columns at the right dropped"),
        ("A title,,\na,b,y\n1,2,3\n4,5,6\n7,8,9\n", "1 line above the table skipped"),
        ("a,b,y\ncm,kg,EUR\n1,2,3\n4,5,6\n7,8,9\n", "a second line of names, or of units, skipped: 'cm', 'kg', 'EUR'"),
        ('"a,b,y"\n"1,2,3"\n"4,5,6"\n"7,8,9"\n', "each line stands between quotes: they are taken away"),
        ('a,b,y\n1,2,3\n"4,5,6"\n7,8,9\n', "row 2 stands whole between quotes: it is taken apart"),
    ],
)  # fmt: skip
def test_lines_of_other_forms(text, said, header):
    Path("t.csv").write_text(text)
    table = read_table("t.csv", Reading(header=header))
    assert (table.frame.columns, table.frame.rows()) == ABC
    assert said in table.notes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pl.concat(parts_of("t.csv", Reading(header=header), 12)).select("a", "b", "y").rows() == ABC[1]


@pytest.mark.parametrize("last", ["1,2,", "1,2"])
def test_a_last_column_that_is_mostly_empty_hides_no_names(last):
    Path("t.csv").write_text(lines("a,b,y", [last, last, last, "4,5,6"]))
    assert read_table("t.csv").frame.columns == ["a", "b", "y"]


def test_two_lines_of_names():
    Path("t.csv").write_text(lines("size,,size\nof a,of b,of c", ["1,2,3", "4,5,6"]))
    table = read_table("t.csv")
    assert table.frame.columns == ["size of a", "size of b", "size of c"]
    assert "two lines of names, taken together" in table.notes
    Path("t.csv").write_text(lines("a,b,y\nunknown,red,3", ["1,red,3", "4,blue,6"]))
    assert read_table("t.csv").frame.height == 41


def test_text_with_separators_is_no_row_between_quotes():
    Path("t.csv").write_text('a,b,y\n1,2,3\n"from A, B, C"\n4,5,6\n')
    assert read_table("t.csv").frame["a"][1] == "from A, B, C"
    sentences = '"text"\n"one, two"\n"so, it is"\n"yes, no, well"\n'
    Path("t.csv").write_text(sentences)
    assert read_table("t.csv").frame.columns == ["text"]


@pytest.mark.parametrize(
    ("text", "expected", "names", "height"),
    [
        ("5,6\n", ("column_1", "column_2"), ["column_1", "column_2"], 1),
        ("1,2\n3,4\n", ("x", "y"), ["column_1", "column_2"], 2),
        ("1990,1991\n3,4\n", ("1990", "1991"), ["1990", "1991"], 1),
        ("word,other\n3,x\n", ("column_1", "column_2"), ["column_1", "column_2"], 2),
        ("column_1,column_2\n3,4\n", ("column_1", "column_2"), ["column_1", "column_2"], 1),
        ("of May\nx,y\n3,4\n", ("x", "y"), ["x", "y"], 1),
    ],
)
def test_a_model_s_names_tell_the_first_line(text, expected, names, height):
    Path("t.csv").write_text(text)
    for frame in (
        read_table("t.csv", Reading(expected=expected)).frame,
        *parts_of("t.csv", Reading(expected=expected)),
    ):
        assert (frame.columns, frame.height) == (names, height)


def test_a_table_without_names_for_a_model_with_names():
    encoder = TableEncoder().fit({"a": [1.5, 2.5, 4.5], "b": [2, 5, 3]}).encoder_
    with pytest.raises(TableError, match=r"column 'a' is missing.*: the table has no line of names \(--header"):
        encoder.encode(pl.DataFrame({"column_1": [1], "column_2": [2]}))
    with pytest.raises(TableError, match="column 'b' is missing, and the model needs it; did you mean 'bb'"):
        encoder.encode(pl.DataFrame({"a": [1], "bb": [2]}))


# --- targets -----------------------------------------------------------------------------------------------


def with_target(targets, **choices):
    rows = [f"{k * k % 97},{value}" for k, value in enumerate(targets)]
    return prepared("x,y\n" + "\n".join(rows) + "\n", **choices)


FEW, ANSWERS = ["0", "1"] * 150, ["yes", "no"] * 150


@pytest.mark.parametrize(
    ("targets", "task", "n_classes", "said"),
    [
        ([*FEW, "2.5"], "classification", 2, "'2.5' in row 301 stands among whole numbers that are classes: left out"),
        ([*FEW, "0.5", "1.5"], "classification", 2, "'0.5' in row 301 (2 such values: rows 301, 302) stands among"),
        (["0.5", *FEW[:30]], "classification", 2, "'0.5' in row 1 stands among whole numbers"),
        ([*ANSWERS, "1"], "classification", 2, "'1' in row 301 stands among words: left out (--categorical 'y'"),
        (["true", "false"] * 30 + ["2"], "classification", 2, "'2' in row 61 stands among words"),
        ([*FEW, "7"], "classification", 3, "has one row only of 7 (row 301)"),
        ([*ANSWERS, "maybe"], "classification", 3, "has one row only of 'maybe' (row 301)"),
        (
            ["Yes", "no", "yes", "No", "b"] * 9,
            "classification",
            5,
            "in upper and lower case alone, and stay different: 'No' (9",
        ),
        ([*FEW, *["0.5"] * 40], "regression", 0, ""),
        (["1", "2.5"] * 50, "regression", 0, ""),
        ([*map(str, range(300)), "2.5"], "regression", 0, ""),
        (FEW, "classification", 2, ""),
    ],
)
def test_one_cell_decides_neither_task_nor_classes(targets, task, n_classes, said):
    found = with_target(targets)
    assert found.task == task
    assert said in "".join(found.warnings)
    assert bool(said) == bool(found.warnings)
    if n_classes:
        assert found.targets[0].values.n_unique() == n_classes


def test_the_owner_says_what_stray_cells_are():
    assert with_target([*FEW, "2.5"], task="regression").warnings == ()
    assert with_target([*FEW, "2.5"], task="regression").n_rows == 301
    assert with_target([*ANSWERS, "1"], categorical=("y",)).targets[0].values.n_unique() == 3


def implied(*options, target="y"):
    Path("t.csv").write_text(lines("x,y,kind", [f"{k * k % 17},{k % 3 + 1},{'ab'[k % 2]}" for k in range(30)]))
    result = run("train", "t.csv", "--target", target, "--dry-run", *options)
    return result.stdout + result.stderr


@pytest.mark.parametrize("option", [("--loss", "poisson"), ("--loss", "squared_error"), ("--log-target",)])
def test_losses_of_numbers_make_a_regression(option):
    assert "classification of 'y'" in implied()
    assert f"regression of 'y' (by {' '.join(option)})" in implied(*option)
    for of_classes in (implied(*option, "--task", "classification"), implied(*option, target="kind")):
        assert f"{' '.join(option)} is for numbers" in of_classes


@pytest.mark.parametrize(
    ("option", "wrong", "message"),
    [
        (("--loss", "poisson"), "-3", "has -3 in row 13: the poisson loss is for counts, not below 0"),
        (("--log-target",), "0", "has 0 in row 13: --log-target needs numbers above 0"),
    ],
)
def test_a_target_that_a_loss_cannot_learn_is_named_by_its_row(option, wrong, message):
    targets = ["", *[str(k % 7 + 1) for k in range(40)]]
    targets[12] = wrong
    Path("t.csv").write_text("x,y\n" + "\n".join(f"{k * k % 97},{value}" for k, value in enumerate(targets)))
    assert f"the target 'y' {message}" in refused("train", "t.csv", *option)
    assert f"the target 'y' {message}" in refused("train", "t.csv", *option, "--dry-run")


def test_gaps_of_rows_that_are_left_out_are_not_counted():
    found = prepared(lines("a,y", ["1,x", "3,z"]) + ",\n,z\n,\n")
    assert "missing values filled in: 'a' 1 (row 42) (--missing drop or error for another way)" in found.notes
