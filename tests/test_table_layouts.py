"""Texts laid out in unusual ways: names that are numbers, quotes of other programs, first bytes as of an archive."""

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError
from fastbp.tables.preparing.preparation import choose_targets, prepare
from fastbp.tables.reading.parts import parts_of
from fastbp.tables.reading.sniffing import _evenness
from fastbp.tables.reading.sources import read_table
from fastbp.tables.reading.table import Reading

N = 30


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(head, row):
    """Write lines of names, if any, and rows made by a function of their number."""
    lines = [*head, *(row(k) for k in range(N))]
    Path("t.csv").write_text("".join(f"{line}\n" for line in lines))


def spread(k, n):
    """Numbers in no order."""
    return ",".join(str(pow(k + 3, 3 * j + 2, 99991) / 100) for j in range(n))


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("country,2019,2020,2021", lambda k: f"c{k},{spread(k, 3)}"),
        ("region,2010,2020", lambda k: f"{'NSEW'[k % 4]},{spread(k, 2)}"),
        ("1100,1102,1104,moisture", lambda k: spread(k, 4)),
        ("10%,50%,90%,y", lambda k: spread(k, 4)),
        ("5mm,10mm,20mm,strength", lambda k: spread(k, 4)),
        ("name,400.5,401,401.5", lambda k: f"s{k},{spread(k, 3)}"),
    ],
)
@pytest.mark.parametrize("above", [[], ["Source,Some office", "", "Updated,2024", ""]])
def test_names_that_are_numbers(names, row, above):
    written([*above, names], row)
    frame = read_table("t.csv").frame
    assert (frame.columns, frame.height) == (names.split(","), N)


@pytest.mark.parametrize(
    ("first", "row"),
    [
        ("Bob,1,2,3", lambda k: f"n{k},{k % 5},{k * 3 % 7},{k % 2}"),
        ("Bob,1999,2004", lambda k: f"n{k},{1950 + k},{1960 + k}"),
        ("1.5,2.5,3.5,x", lambda k: f"{spread(k, 3)},{'xyz'[k % 3]}"),
        ("Bob,7,8,9", lambda k: f"n{k},{k + 10},{k + 11},{k + 12}"),
    ],
)
def test_rows_that_are_no_names(first, row):
    written([first], row)
    assert read_table("t.csv").frame.height == N + 1


@pytest.mark.parametrize("first", ["5.5,7.25,", "-3,1e4,"])
def test_a_first_row_without_its_last_values_is_no_title(first):
    written([first], lambda k: f"{spread(k, 2)},{'yn'[k % 2]}")
    assert read_table("t.csv").frame.height == N + 1


def test_a_row_that_goes_on_behind_the_sample_makes_no_separator_uneven():
    """Lines within quotes have a comma each; the sample of lines ends within a row."""
    written([], lambda k: f'{k}|"a, ""{k}"", b\nc; {k}"|"a, ""{k}"", b\nc; {k}"|{k}.5')
    assert _evenness(Path("t.csv").read_text().splitlines() * 9, "|", '"')[0] == 1


@pytest.mark.parametrize("target", ["7", "5,7"])
def test_a_target_in_the_first_line_makes_it_one_of_names(target):
    written(["5,7,6"], lambda k: spread(k, 3))
    assert read_table("t.csv").frame.height == N + 1
    assert read_table("t.csv", Reading(target=target)).frame.columns == ["5", "7", "6"]
    table = read_table("t.csv", Reading(target="8"))
    with pytest.raises(TableError, match=r"there is no column '8'; the table has no line of names \(--header"):
        choose_targets(table, "8", ())


def test_a_target_in_another_case_is_hinted_at():
    written(["a,aa,A_long_one"], lambda k: spread(k, 3))
    for asked, meant in (("A", "a"), ("a_LONG_one", "A_long_one")):
        with pytest.raises(TableError, match=f"no column '{asked}'; did you mean '{meant}'"):
            choose_targets(read_table("t.csv"), asked, ())


@pytest.mark.parametrize(
    ("names", "row", "last", "said"),
    [
        ("x, c, y", '1.5, "a, z", 3', "a, z", "blanks stand between"),
        ("x, c, y", '1.5, b, 3\n1.5, "a, z", 3', "a, z", "blanks stand between"),
        ("x , c , y", '1.5 , "a, z" , 3', "a, z", "blanks stand between"),
        ("x; c; y", '1.5; "a, z"; 3', "a, z", "blanks stand between"),
        ("x,c,y", r'1.5,"a \"z\", b",3', 'a "z", b', "a backslash before"),
        ("x,c,y", r'1.5,"5\"",3' + "\n" + r'2.5,"\"a, z\" \\b",3', '"a, z" \\b', "a backslash before"),
        ("x,c,y", r'1.5,"C:\dir\",3', "C:\\dir\\", ""),
        ("x,c,y", '1.5,"a, ""z""",3', 'a, "z"', ""),
    ],
)
@pytest.mark.parametrize("n_bytes", [None, 100])
def test_quotes_of_other_programs(names, row, last, said, n_bytes):
    written([names], lambda k: row)
    frame = read_table("t.csv").frame if n_bytes is None else pl.concat(parts_of("t.csv", n_bytes=n_bytes))
    assert (frame.columns, set(frame["y"]), frame["c"][-1]) == (["x", "c", "y"], {"3"}, last)
    notes = "".join(read_table("t.csv").notes)
    assert ("blanks stand" in notes, "backslash" in notes) == ("blanks" in said, "backslash" in said)


@pytest.mark.parametrize("names", [["x^2,y"], ["x\x01,y"], ["x\x5e,y"], []])
def test_a_text_that_begins_as_an_archive_does(names):
    written(names, lambda k: f"x^{k % 3},{k}")
    frame = read_table("t.csv", Reading(header=bool(names))).frame
    assert (frame.height, frame.row(0)) == (N, ("x^0", "0"))


# --- formats -----------------------------------------------------------------------------------------------

ABC = {"a": [1, 2, 3], "b": ["x", "y", "x"]}
RECORDS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "x"}]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("written_as", "said"),
    [
        (ABC, "its names are those of the columns"),
        ({name: dict(zip("012", column, strict=True)) for name, column in ABC.items()}, "its names are those"),
        ({"columns": ["a", "b"], "index": [0, 1, 2], "data": [[1, "x"], [2, "y"], [3, "x"]]}, "names and rows apart"),
        ({"schema": {"fields": []}, "data": RECORDS}, "the rows are those of 'data'"),
        ({"count": 3, "results": RECORDS}, "the rows are those of 'results'"),
    ],
)
def test_a_table_that_is_one_object_of_json(written_as, said, indent):
    Path("t.json").write_text(json.dumps(written_as, indent=indent))
    table = read_table("t.json")
    assert table.frame.to_dict(as_series=False) == ABC
    assert said in table.notes[0]
    assert next(parts_of("t.json")).equals(table.frame)


def test_one_row_of_json_stays_one():
    Path("t.json").write_text('{"a": 1, "b": "x"}')
    assert read_table("t.json").frame.rows() == [(1, "x")]


@pytest.mark.parametrize(
    "page", ["<html><table><tr><td>1", "\n<TABLE border=1>\n<tr>", '<?xml version="1.0"?>\n<Workbook>']
)
def test_a_page_is_no_workbook(page):
    Path("t.xls").write_text(page + "\n" * 5)
    with pytest.raises(TableError, match="it is a page of HTML or XML"):
        read_table("t.xls")


HEAD_OF_ARFF = "@RELATION r\n@ATTRIBUTE 'the size' NUMERIC\n@ATTRIBUTE c {0, 1, 2}\n@ATTRIBUTE k {1,2}\n@DATA\n"


@pytest.mark.parametrize(
    "rows", ["1.5,0,2\n0,2,1\n?,1,1\n", "1.5\t0\t2\n0\t2\t1\n?\t1\t1\n", "{0 1.5, 2 2}\n{1 2}\n{ 0 ?,1 1 }\n"]
)
def test_classes_of_arff_are_no_numbers(rows):
    Path("t.arff").write_text(HEAD_OF_ARFF + rows)
    frame = read_table("t.arff").frame
    assert frame.rows() == [("1.5", "0", "2"), ("0", "2", "1"), (None, "1", "1")]
    Path("t.arff").write_text(HEAD_OF_ARFF + rows * 9)
    found = prepare(read_table("t.arff"), None, Choices())
    assert ([column.kind for column in found.inputs], found.task) == (["number", "text"], "classification")


@pytest.mark.parametrize("row", ["{0 1.5, 3 2}", "{x 2}", "{1}", "1,2"])
def test_rows_that_are_not_of_arff(row):
    Path("t.arff").write_text(HEAD_OF_ARFF + "1,2,1\n" + row + "\n")
    with pytest.raises(TableError, match="line 7: "):
        read_table("t.arff")


def test_what_systems_put_into_archives_is_no_table():
    with zipfile.ZipFile("t.zip", "w") as archive:
        for name in ("data/", "data/t.csv", "data/.DS_Store", "__MACOSX/data/._t.csv", "Thumbs.db", "desktop.ini"):
            archive.writestr(name, "a,b\n1,2\n" if name == "data/t.csv" else "")
    assert read_table("t.zip").frame.rows() == [("1", "2")]


def test_a_wrong_byte_leaves_the_rest_as_it_is():
    rows = [f"Zürich,{k}".encode() for k in range(N)]
    rows[6] = b"Gen\xe8ve,6"
    Path("t.csv").write_bytes(b"\n".join([b"town,y", *rows]))
    table = read_table("t.csv")
    assert (table.frame["town"][5:7].to_list(), table.frame.height) == (["Zürich", "Genève"], N)
    assert "single bytes (line 8): those are read as Windows-1252" in table.notes[0]
    assert pl.concat(parts_of("t.csv", n_bytes=100)).equals(table.frame)


@pytest.mark.parametrize(
    ("last", "n_left_out"),
    [("Total,12.5,400.1", 1), (",Grand total:,400.1", 1), ("Totals Ltd,1,2", 0), ("b,total,2", 0), ("sum,1,2", 0)],
)
def test_a_last_row_of_sums_is_no_example(last, n_left_out):
    written(["a,b,y"], lambda k: f"{('b', 'sum')[k % 2]},{k % 7},{spread(k, 1)}")
    with Path("t.csv").open("a") as file:
        file.write(f"{last}\n")
    found = prepare(read_table("t.csv"), None, Choices())
    assert found.n_rows == N + 1 - n_left_out
    assert any("a row of sums, left out" in note for note in found.notes) == bool(n_left_out)
