"""Random tables as people write them, with what is to be learnt from each known beforehand."""

import csv
import datetime
import gzip
import io
import json
import uuid
from dataclasses import dataclass

import polars as pl

MISSING = ("", "NA", "?", "n.a.", "null", "nan", "#DIV/0!", "<NA>", "\\N")
NO_NUMBERS = ("unknown", "x", "see notes", "none", "12 oz jar", "--", "1e", "ca. 5")


def fractions(rng, n):
    return [f"{value:.{rng.integers(1, 6)}f}" for value in rng.normal(rng.normal() * 100, 10 ** rng.uniform(-1, 4), n)]


def whole(rng, n):
    return [str(value) for value in rng.integers(-5, 10 ** int(rng.integers(3, 7)), n)]


def amounts(rng, n):
    before, after = [("$", ""), ("€ ", ""), ("", " EUR"), ("", "%"), ("", " kg"), ("USD ", ""), ("", " km")][
        rng.integers(0, 7)
    ]
    return [f"{before}{value:{'.2f' if before else '.1f'}}{after}" for value in rng.uniform(0.1, 9000, n)]


def thousands(rng, n):
    mark = str(rng.choice([",", "'", " "]))
    return [f"{value:,}".replace(",", mark) for value in rng.integers(0, 10**7, n)]


def decimal_commas(rng, n):
    return [f"{value:.3f}".replace(".", ",") for value in rng.normal(50, 20, n)]


def signs(rng, n):
    return [f"{value:.1f}".replace("-", "\u2212") for value in rng.normal(0, 20, n)]


def dates(rng, n):
    days = [datetime.date(2003, 1, 13) + datetime.timedelta(int(k)) for k in rng.integers(0, 6000, n)]
    notations = ("%Y-%m-%d", "%d.%m.%Y", "%d-%b-%y", "%B %d, %Y", "%Y/%m/%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%y", "%Y-%m")
    notation = str(rng.choice(notations))
    return [day.strftime(notation) for day in days]


def times(rng, n):
    start = datetime.datetime(2020, 2, 27, 23)
    moments = [start + datetime.timedelta(minutes=int(k)) for k in rng.integers(0, 10**6, n)]
    notation = str(rng.choice(["%H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M", "%I:%M %p"]))
    return [moment.strftime(notation) for moment in moments]


def categories(rng, n, most=12):
    words = ["red", "Grün", "new york", "a/b", "O'Neil", "x,y", "b;c", 'the "best"', "naïve", "日本", "no-one", "<i>"]
    return rng.choice(rng.choice(words, rng.integers(2, most + 1), replace=False), n).tolist()


def answers(rng, n):
    return rng.choice([("yes", "no"), ("Y", "N"), ("true", "false"), ("TRUE", "FALSE")][rng.integers(0, 4)], n).tolist()


def few(rng, n):
    return [str(value) for value in rng.integers(0, rng.integers(2, 5), n)]


def codes(rng, n):
    return [f"{value:05d}" for value in rng.integers(0, 10**5, n)]


def counters(rng, n):
    start = int(rng.integers(0, 1000))
    return [str(start + k) for k in range(n)]


def ids(rng, n):
    return [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(n)]


def long_numbers(rng, n):
    return [str(int(value) * 10**6 + 7) for value in rng.integers(10**13, 10**14, n)]


def sentences(rng, n):
    return [f'He said: "{word}", and\nleft; {k}' for k, word in enumerate(categories(rng, n))]


def constants(rng, n):
    return [str(rng.choice(["7", "same", "2020-01-01", ""]))] * n


NUMBERS = (fractions, whole, amounts, thousands, decimal_commas, signs)
INPUTS = (*NUMBERS, dates, times, categories, answers, few, codes, counters, ids, long_numbers, sentences, constants)
# What is to be learnt where such a column is the target.
TARGETS = {
    "regression": (fractions, fractions, whole, amounts, thousands, signs),
    "classification": (categories, answers, few),
}


@dataclass(frozen=True)
class DrawnTable:
    """A file's name and bytes, the target's name, the task, and how many rows have a target."""

    name: str
    data: bytes
    target: str
    task: str
    n_rows: int
    n_with_target: int


def draw(rng):
    """Draw a table; some of its cells are missing or wrong, but not so many that a person would doubt the kinds."""
    n = int(rng.integers(30, 120))
    task = str(rng.choice(list(TARGETS)))
    kinds = [INPUTS[k] for k in rng.integers(0, len(INPUTS), rng.integers(1, 6))]
    columns = [damaged(kind(rng, n), rng, kind in NUMBERS) for kind in (fractions, *kinds)]
    kind = TARGETS[task][rng.integers(0, len(TARGETS[task]))]
    target = kind(rng, n) if kind is not categories else categories(rng, n, 4)
    gone = rng.choice(n, rng.integers(0, 3), replace=False)
    for row in gone:
        target[row] = str(rng.choice(MISSING))
    odd = int(rng.integers(0, n)) if kind in NUMBERS and rng.integers(0, 2) else None
    if odd is not None:
        target[odd] = str(rng.choice(NO_NUMBERS))
    names = [*("a", "b b", "Größe", "d.1", "e", "f")[: len(columns)], "target"]
    place = int(rng.integers(0, len(columns) + 1))
    table = dict(zip(names, [*columns, target], strict=True))
    order = list(rng.permutation(len(names) - 1))
    order.insert(place, len(names) - 1)
    table = {names[k]: table[names[k]] for k in order}
    name, data, named = write(table, rng)
    found = "target" if named else f"column_{place + 1}"
    return DrawnTable(name, data, found, task, n, n - len({*gone.tolist(), *([] if odd is None else [odd])}))


def damaged(cells, rng, is_number):
    """Put marks of missing values, and among numbers a word, into a few cells."""
    n = len(cells)
    if rng.integers(0, 2):
        for row in rng.integers(0, n, rng.integers(1, 1 + n // 10)):
            cells[row] = str(rng.choice(MISSING))
    if is_number and rng.integers(0, 3) == 0:
        cells[rng.integers(0, n)] = str(rng.choice(NO_NUMBERS))
    return cells


def write(table, rng):
    """Return a file's name, its bytes, and whether it has the names of the columns."""
    match rng.integers(0, 8):
        case 0:
            stream = io.BytesIO()
            pl.DataFrame(table).write_parquet(stream)
            return "table.parquet", stream.getvalue(), True
        case 1:
            rows = (dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True))
            return "table.jsonl", "\n".join(json.dumps(row) for row in rows).encode(), True
        case _:
            return written_as_text(table, rng)


def written_as_text(table, rng):
    """Write separated values, in one of the ways of spreadsheets and programs."""
    named = bool(rng.integers(0, 6))
    stream = io.StringIO()
    end = str(rng.choice(["\n", "\r\n"]))
    quoting = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)[rng.integers(0, 2)]
    if named and rng.integers(0, 6) == 0:
        stream.write(str(rng.choice(["# measured in May", "Table 1"])) + end)
    writer = csv.writer(stream, delimiter=str(rng.choice([",", ";", "\t", "|"])), lineterminator=end, quoting=quoting)
    if named:
        writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    text = stream.getvalue() + end * int(rng.integers(0, 3))
    data = text.encode(str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
    if rng.integers(0, 6) == 0:
        return "table.csv.gz", gzip.compress(data, 1), named
    return "table.csv", data, named
