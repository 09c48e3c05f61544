"""Texts laid out in unusual ways: names that are numbers, quotes of other programs, first bytes as of an archive."""

from pathlib import Path

import polars as pl
import pytest

from fastbp.tables.errors import TableError
from fastbp.tables.parts import parts_of
from fastbp.tables.preparation import choose_targets
from fastbp.tables.sources import read_table
from fastbp.tables.table import Reading

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
