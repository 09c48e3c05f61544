"""Reading tables: separators, names, notations of every kind of file."""

import bz2
import gzip
import io
import lzma
import sqlite3
import zipfile

import numpy as np
import polars as pl
import pytest

from fastbp.tables.cells.errors import TableError
from fastbp.tables.reading import parts
from fastbp.tables.reading.databases import without_password
from fastbp.tables.reading.sources import BUNDLED_SETS, read_table
from fastbp.tables.reading.table import Reading


@pytest.fixture
def file(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def rows_of(table):
    return [table.frame.columns, *map(list, table.frame.rows())]


# --- separators, names, titles -----------------------------------------------------------------------------

XY = [["x", "y"], ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "   "])
def test_separators(file, separator):
    table = read_table(file("\n".join(separator.join(row) for row in XY) + "\n"))
    assert rows_of(table) == XY
    assert any("separated by" in note for note in table.notes) == (separator != ",")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffx,y\n1,2\n3,4\n", "x,y\r\n1,2\r\n3,4\r\n", "x,y\r1,2\r3,4\r", "x, y\n1, 2\n3 ,4\n",
        "x,y\n1,2\n3,4\n\n\n",
        '"x","y"\n"1","2"\n"3","4"\n', "'x','y'\n'1','2'\n'3','4'\n", "sep=;\nx;y\n1;2\n3;4\n", "\n\nx,y\n1,2\n3,4",
        "x        y\n1        2\n3        4\n",
        "# by me\n# today\nx,y\n1,2\n3,4\n", "# x y\n1 2\n3 4\n", "A title\nx,y\n1,2\n3,4\n",
        "Report, of a kind, of today\nx,y\n1,2\n3,4\n", "x,y\n1,2\n# a remark\n3,4\n", "x,y,,\n1,2,,\n3,4,,\n",
        "x,y\n1,2,\n3,4,\n",
    ],
)  # fmt: skip
def test_files_of_other_programs(file, text):
    assert rows_of(read_table(file(text))) == XY


def test_values_with_blanks_in_columns_aligned_by_more_of_them(file):
    text = "  id    educ        years   div\n   9    12-15 years   1.5    No\n  11    < 12 years    2.5   Yes\n"
    assert rows_of(read_table(file(text))) == [
        ["id", "educ", "years", "div"], ["9", "12-15 years", "1.5", "No"], ["11", "< 12 years", "2.5", "Yes"]
    ]  # fmt: skip


def test_errors_of_spreadsheets_are_no_comments(file):
    rows = ["x,y", "#DIV/0!,1", "# a remark", "2,#N/A", "#n/a,3", "4,5"]
    assert rows_of(read_table(file("# by me\n" + "\n".join(rows)))) == [
        ["x", "y"], ["#DIV/0!", "1"], ["2", "#N/A"], ["#n/a", "3"], ["4", "5"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names", "first"),
    [
        ("Zeit;Temp, innen;y\n0;2,5;7\n1;3,5;8\n", ["Zeit", "Temp, innen", "y"], ("0", "2,5", "7")),
        ("Zeit;Temp, innen;y\n1.2.20;2,5;7,5\n3.2.20;3,5;8,5\n", ["Zeit", "Temp, innen", "y"], ("1.2.20", "2,5", "7,5")),  # noqa: E501
        ("a;b;c\n1,5;2,5;3\n1,5;2,5;4\n", ["a", "b", "c"], ("1,5", "2,5", "3")),
        ('name,"a, b",y\nx,1,2\nz,3,4\n', ["name", "a, b", "y"], ("x", "1", "2")),
        ('"a" "b"\n"1" 2 3\n"2" 4 5\n', ["", "a", "b"], ("1", "2", "3")),
        (",x,y\n0,1,2\n1,2,3\n", ["", "x", "y"], ("0", "1", "2")),
        ('18.0   8   307.0\t"a b"\n15.0   8   350.0\t"c d"\n', None, ("18.0", "8", "307.0", "a b")),
        (" 0.00632  18.00   2.310  0\n 0.02731   0.00   7.070  1\n", None, ("0.00632", "18.00", "2.310", "0")),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6,3,virginica\n", None, ("5.1", "3.5", "setosa")),
        ("A11 6 A34\nA12 48 A32\nA14 12 A34\nA11 42 A32\n", None, ("A11", "6", "A34")),
        ("y,n,y\nn,y,y\ny,n,n\nn,n,y\n", None, ("y", "n", "y")),
        ("1\n2\n3\n", None, ("1",)),
        ("0,1,2\n4.9,3.0,setosa\n", ["0", "1", "2"], ("4.9", "3.0", "setosa")),
        ("name,city\nbob,ulm\nann,kiel\n", ["name", "city"], ("bob", "ulm")),
        ("sex,class\nm,a\nf,a\nm,b\nf,b\n", ["sex", "class"], ("m", "a")),
        ('x,y\n"a\nb",1\nc,2\n', ["x", "y"], ("a\nb", "1")),
    ],
)  # fmt: skip
def test_names_are_told_from_values(file, text, names, first):
    table = read_table(file(text))
    expected = names or [f"column_{k + 1}" for k in range(len(first))]
    assert (table.frame.columns, table.frame.row(0)) == (expected, first)
    assert any("no line of names" in note for note in table.notes) == (names is None)


@pytest.mark.parametrize("quote", "'\"")
@pytest.mark.parametrize("value", ["1,2", "'a',b", "'a','b'"])
def test_quotes_around_names_are_no_part_of_them(file, quote, value):
    names = ",".join(f"{quote}{name}{quote}" for name in ("x", "the y"))
    assert read_table(file("\n".join([names, *[value] * 5]))).frame.columns == ["x", "the y"]
    assert read_table(file("\n".join(["'x',y", *["1,2"] * 5]))).frame.columns == ["'x'", "y"]


@pytest.mark.parametrize("separator", [" ", "   ", ",", ";"])
@pytest.mark.parametrize("names", [True, False])
def test_prose_above_a_table_is_skipped_however_long_it_is(file, separator, names):
    prose = [
        "Averages of a week, from samples of air, in ppm", "",
        *[f"line {k}, of a few words; more or less" for k in range(25)], "In all", "",
    ]  # fmt: skip
    rows = [[f"S{k % 3}", str(k), f"{k / 8}"] for k in range(60)]
    lines = prose + ["site week ppm".replace(" ", separator)] * names + [separator.join(row) for row in rows]
    table = read_table(file("\n".join(lines) + "\n"))
    assert table.frame.columns == (["site", "week", "ppm"] if names else ["column_1", "column_2", "column_3"])
    assert table.frame.rows() == [tuple(row) for row in rows]
    assert any("lines above the table skipped" in note for note in table.notes)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ("state,place,1/22/2020,1/23/2020,1/24/2020,1/25/2020", True),
        ("state,place,2020-01-01,x,2020-03-01,2020-04-01", True),
        ("state,place,1960,1961,1962,1963", True), ("name,place,08:00,09:00,10:00,11:00", True),
        ("b,Rome,17,1,8,0", False), ("b,Rome,17,18,8,0", False),
    ],
)  # fmt: skip
def test_dates_and_years_that_name_columns(file, names, named):
    rows = [["a", "b", "c"][k % 3] + f",place {k},{k * 7 % 5},{k},{k % 4},{k * 3}" for k in range(40)]
    table = read_table(file("\n".join([names, *rows])))
    assert table.frame.columns == (names.split(",") if named else [f"column_{k + 1}" for k in range(6)])
    dated = [f"2020-01-{k + 10},1,2" for k in range(20)]
    assert read_table(file("\n".join(dated))).frame.height == 20
    counting = [f"{k},{k + 1},{k + 2},{k + 3},x" for k in range(20)]
    assert read_table(file("\n".join(counting))).frame.height == 20


def test_names_can_be_told_by_the_user(file):
    path = file("1,2\n3,4\n")
    assert rows_of(read_table(path, Reading(header=True))) == [["1", "2"], ["3", "4"]]
    assert read_table(file("x,y\n1,2\n"), Reading(header=False)).frame.height == 2


def test_joined_files(file):
    path = file("x,y\n1,2\nx,y\n3,4\nx,y\n")
    with pytest.raises(TableError, match=r"row 2 repeats the line of names \(2 such rows; --skip-repeated-header"):
        read_table(path)
    assert rows_of(read_table(path, Reading(skip_repeated=True))) == XY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("x,y\n", "no rows"),
        (b"\0\0\1\2" * 99, "neither a text file nor of a known format"),
        (b"\x1f\x8b\x08 gzip", "cannot be unpacked"),
        (b"PK\x03\x04\x00\x00", "cannot be unpacked"),
        ("x,y\n1,2\n1,2,3\n", r"row 2 \(line 3\) has 3 values, more than there are names \(2\): '3' has none"),
        ("y,x,y\n1,2,3\n", "names must differ: 'y' names columns 1, 3"),
        (b"PAR1 not really", "cannot read"),
        (b"SQLite format 3\0 not really", "the database cannot be read"),
        (b"ARROW1 not really", "cannot read"),
        ('{"a": 1}\n{"a": \n', "JSON cannot be read"),
        ("3 2 1\n0 1\n1\n0 0\n1\n", "promises 9 numbers, 6 are there"),
        ("@relation r\n@attribute a numeric\n@data\n1,2\n", "line 4: 1 values are expected, 2"),
        ("@relation r\n@attribute a numeric\n@attribute a numeric\n@data\n1,2\n", "names must differ"),
    ],
)
def test_unreadable_files_are_refused_in_one_line(file, content, message):
    path = file(content)
    with pytest.raises(TableError, match=message) as caught:
        read_table(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_gets_the_nearest_set(tmp_path):
    with pytest.raises(TableError, match="did you mean 'iris'"):
        read_table("irsi")
    with pytest.raises(TableError, match="sets: breast_cancer, diabetes"):
        read_table(str(tmp_path / "nothing.csv"))
    with pytest.raises(TableError, match="is a folder"):
        read_table(str(tmp_path))


# --- other formats -----------------------------------------------------------------------------------------

TEXT = "x,y\n1,2\n3,4\n"


def zipped(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(TEXT.encode()), bz2.compress(TEXT.encode()), lzma.compress(TEXT.encode()), zipped(a=TEXT),
        TEXT.encode("utf-16"), gzip.compress(TEXT.encode("utf-16")), b"\xef\xbb\xbf" + TEXT.encode(),
    ],
    ids=["gzip", "bzip2", "xz", "zip", "UTF-16", "UTF-16 in gzip", "UTF-8 with a mark"],
)  # fmt: skip
def test_packed_and_coded_files(file, content):
    assert rows_of(read_table(file(content))) == XY


def test_text_that_is_not_utf_8(file):
    table = read_table(file("straße,y\nä,2\n€,3\n".encode("cp1252")))
    assert rows_of(table) == [["straße", "y"], ["ä", "2"], ["€", "3"]]
    assert "not UTF-8" in table.notes[0]
    assert read_table(file(b"x,y\n\x81,1\n")).frame["x"][0] == "\x81"  # no character of Windows-1252


def test_archives_of_several_files(file):
    with pytest.raises(TableError, match="2 files"):
        read_table(file(zipped(a=TEXT, b=TEXT)))


def test_bombs_are_not_unpacked(file, monkeypatch):
    monkeypatch.setattr("fastbp.memory.total", lambda: 1 << 20)
    with pytest.raises(TableError, match="too large for memory"):
        read_table(file(gzip.compress(b"x" * (1 << 21))))


FRAME = pl.DataFrame({"a": [1.5, 2.5, None], "b": ["x", None, "z"]})


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "stream", "xlsx", "ndjson", "json", "db"])
def test_formats(tmp_path, suffix):
    path = tmp_path / "table.data"
    match suffix:
        case "parquet":
            FRAME.write_parquet(path)
        case "arrow":
            FRAME.write_ipc(path)
        case "stream":
            FRAME.write_ipc_stream(path)
        case "xlsx":
            pytest.importorskip("fastexcel")
            FRAME.write_excel(path)
        case "ndjson":
            FRAME.write_ndjson(path)
        case "json":
            FRAME.write_json(path)
        case _:
            write_database(path, "t")
    assert read_table(str(path)).frame.equals(FRAME)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_table(str(path)).frame.equals(FRAME)


def write_database(path, *tables):
    connection = sqlite3.connect(path)
    for table in tables:
        quoted = table.replace('"', '""')
        connection.execute(f'CREATE TABLE "{quoted}" (a REAL, b TEXT)')
        connection.executemany(f'INSERT INTO "{quoted}" VALUES (?, ?)', FRAME.rows())
    connection.commit()
    connection.close()


def test_one_table_of_several(tmp_path):
    write_database(tmp_path / "two.db", "first", 'odd " name')
    path = str(tmp_path / "two.db")
    with pytest.raises(TableError, match=r"2 tables .*choose one with --table"):
        read_table(path)
    with pytest.raises(TableError, match="no table 'frist'; did you mean 'first'"):
        read_table(path, Reading(table="frist"))
    assert read_table(path, Reading(table='odd " name')).frame.equals(FRAME)


def test_one_sheet_of_several(tmp_path):
    pytest.importorskip("fastexcel")
    xlsxwriter = pytest.importorskip("xlsxwriter")
    path = tmp_path / "two.xlsx"
    with xlsxwriter.Workbook(path) as book:
        FRAME.write_excel(book, worksheet="one")
        FRAME.head(1).write_excel(book, worksheet="two")
    table = read_table(str(path))
    assert table.frame.height == 3
    assert "sheet 'one'" in table.notes[0]
    assert read_table(str(path), Reading(table="two")).frame.height == 1


def test_arff_and_fann(file):
    text = "% made by hand\n@relation r\n@attribute 'a b' numeric\n@attribute c {x,'y z'}\n@data\n1,x\n?,'y z'\n"
    assert rows_of(read_table(file(text))) == [["a b", "c"], ["1", "x"], [None, "y z"]]
    table = read_table(file("2 2 1\n0 1\n1\n1 1\n0\n"))
    assert rows_of(table) == [["input_1", "input_2", "output_1"], ["0", "1", "1"], ["1", "1", "0"]]
    assert table.targets == ("output_1",)


def test_file_wins_over_a_set_only_with_suffix_or_folder(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file(TEXT, "iris")
    assert read_table("iris").frame.height == 150
    assert read_table("./iris").frame.height == 2


@pytest.mark.parametrize("name", BUNDLED_SETS)
def test_bundled_sets_are_those_of_scikit_learn(name):
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    frame = read_table(name).frame
    assert frame.columns == [*bunch.feature_names, "target"]
    np.testing.assert_array_equal(frame.drop("target").to_numpy(), bunch.data)
    labels = bunch.target if name in ("digits", "diabetes") else bunch.target_names[bunch.target]
    assert frame["target"].to_list() == labels.tolist()


# --- databases ---------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    from contextlib import closing

    path = tmp_path / "plants.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE TABLE "two words" (x INTEGER, "a ""b""" TEXT, y REAL)')
        connection.executemany(
            'INSERT INTO "two words" VALUES (?, ?, ?)', [(1, "p", 0.5), (None, "q", 2.5), (3, None, None)]
        )
        connection.execute('CREATE VIEW first AS SELECT x FROM "two words" WHERE x = 1')
    return path


ROWS_OF_BASE = [["x", 'a "b"', "y"], [1, "p", 0.5], [None, "q", 2.5], [3, None, None]]


@pytest.mark.parametrize("way", ["file", "url"])
def test_tables_of_databases(base, way):
    if way == "url":
        pytest.importorskip("sqlalchemy")
    source = str(base) if way == "file" else f"sqlite:///{base}"
    assert rows_of(read_table(source, Reading(table="two words"))) == ROWS_OF_BASE
    assert rows_of(read_table(source, Reading(table="first"))) == [["x"], [1]]
    assert rows_of(read_table(source, Reading(query='SELECT y, x FROM "two words" WHERE y > 1'))) == [
        ["y", "x"],
        [2.5, None],
    ]
    for reading, message in (
        (Reading(), "2 tables"), (Reading(table="frist"), "did you mean 'first'"),
        (Reading(query="SELECT z FROM first"), "no such"),
    ):  # fmt: skip
        with pytest.raises(TableError, match=message):
            read_table(source, reading)


def test_databases_in_parts(base, monkeypatch):
    pytest.importorskip("sqlalchemy")
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    found = list(parts.parts_of(f"sqlite:///{base}", Reading(table="two words")))
    assert [frame.height for frame in found] == [2, 1]
    assert found[0].columns == ROWS_OF_BASE[0]


def test_databases_that_cannot_be_read_are_refused_in_one_line():
    pytest.importorskip("sqlalchemy")
    for url, message in (
        ("sqlite:////nowhere/base.db", "unable to open"), ("nonsense://u:secret@host/base", "nonsense"),
        ("postgresql+psycopg9://u:secret@host/base", "postgresql.psycopg9"),
    ):  # fmt: skip
        with pytest.raises(TableError, match=message) as refusal:
            read_table(url)
        assert "\n" not in str(refusal.value)
        assert "secret" not in str(refusal.value)


def test_passwords_are_not_shown():
    assert without_password("mysql://me:pa:ss@host/base") == "mysql://me:***@host/base"
    assert without_password("mysql://me@host/base") == "mysql://me@host/base"
    assert without_password("data/me:x@y.csv") == "data/me:x@y.csv"
