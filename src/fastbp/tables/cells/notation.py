"""Numbers as people write them: decimal commas, thousands, currencies, per cent, units, other minus signs.

One notation holds for a whole column. `find_notation` chooses the one that reads most of its values,
`to_numbers` reads by it, also later, when another table comes with the same column.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import polars as pl

from fastbp.tables.cells.errors import TableError, listed, row_number, shown

# What means "no value" in any column, and what means it where the other values are numbers or dates.
MISSING_MARKS = ("na", "n/a", "#n/a", "n.a.", "null", "nan", "?", "<na>", "\\n", "#div/0!", "#value!", "#ref!", "#num!")
NUMBER_MARKS = (
    *MISSING_MARKS, "none", "missing", "nil", "-", "--", "---", ".", "..", "k.a.", "unknown", "nat", "*", ":", "\u2013",
    "\u2014", "\u2026", "...", "n/s", "n/d", "#n/d", "(x)", ": c", ": u", ": z",
    "0000-00-00", "0000-00-00 00:00:00", "00/00/0000", "00.00.0000", "9999-12-31", "9999-12-31 00:00:00", "31.12.9999",
    "31/12/9999", "12/31/9999",
)  # fmt: skip

_CURRENCIES = r"[$€£¥₹₽]|US\$|USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|AUD|CAD|NZD|BRL|Rs\.?"
_UNITS = (
    r"%|‰|°[CF]?|[kcmµun]?m[²³23]?|[kmµ]?g|mg|t|lbs?|oz|[kM]?Wh?|[kM]?J|[kM]?V|m?A|[kMG]?Hz|[cmdh]?l|[cmdh]?L|ml|"
    r"km/h|mph|m/s|kmh|h|min|s|ms|hrs?|days?|yrs?|years?|mpg|hp|HP|PS|cc|CC|ft|in|mi|sqft|[kKMGT]i?B|ppm|bar|[hkM]?Pa|kcal|cal|mmHg"
)
_NUMBER = r"[-+]?(?:\d[\d.,' ]*|[.,]\d+)(?:[eE][-+]?\d+)?"
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "Mio": 1e6, "B": 1e9, "bn": 1e9, "Mrd": 1e9}
_SCALED = rf"(\d)([kKMB]| ?(?:mn|Mio|bn|Mrd))\.?( ?(?:{_CURRENCIES})?)$"  # 300 K is no amount, but a temperature
_FEW_LEVELS = 10  # different values, of which "2wd" and "4wd" may be categories
# A sign that stands at every number is a unit, whatever it is; before it only a currency is one: "Room 12" has none.
_ANY_SIGN = rf"^(\D*?) ?{_NUMBER} ?(\D.*|)$"
_BEFORE = r"^(?:\p{L}{0,3}\p{Sc}|z\u0142|kr\.?|Fr\.?|S/|RM|R|Ft|K\u010d|Rp\.?)$"
_AFTER = r"^[\p{L}\p{Sc}\u2126%\u2030\u00b0\u00b5'\"\u2032\u2033/#][^:]{0,14}$"
_AMOUNT = rf"^([-+]?)((?:{_CURRENCIES})?) ?({_NUMBER}?) ?((?:{_CURRENCIES}|{_UNITS})?|(?: [A-Za-z][A-Za-z/]*)?)$"
_ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0e50\u0ed0\u0f20\u1040\u17e0\u1810\uff10"
)
_DIGITS = {chr(ord(zero) + k): str(k) for zero in _ZEROS for k in range(10)} | {"\u066b": ".", "\u066c": ","}
_OTHER_DIGITS = f"[{''.join(f'{zero}-{chr(ord(zero) + 9)}' for zero in _ZEROS)}]"
_CENSORED = r"^(?:[<>≤≥]=?) ?[-+.,\d]"

# (decimal sign, thousands separator), the likeliest first. Where semicolons separate the values, commas are likely to
# be decimal; where other columns say so, they are.
_Choice = tuple[Literal[".", ","], Literal["", ",", ".", " ", "'"]]
_POINTS: tuple[_Choice, ...] = ((".", ""), (".", ","), (".", " "), (".", "'"))
_COMMAS: tuple[_Choice, ...] = ((",", ""), (",", "."), (",", " "), (",", "'"))
_LIKELY_COMMAS: tuple[_Choice, ...] = (_POINTS[0], *_COMMAS[:2], _POINTS[1], _COMMAS[2], *_POINTS[2:], _COMMAS[3])
_LIKELY_POINTS: tuple[_Choice, ...] = (*_POINTS[:2], *_COMMAS[:2], _POINTS[2], _COMMAS[2], _POINTS[3], _COMMAS[3])

# Numbers that leave nothing open, whatever the others of their column look like: 1,234.5, 1.234.567, 1'234, 1234,5.
_UNMISTAKABLE: tuple[tuple[str, _Choice], ...] = (
    (r"^[-+]?\d{1,3}(?:(?:,\d{3})+\.\d*|(?:,\d{3}){2,})$", (".", ",")),
    (r"^[-+]?\d{1,3}(?:(?:\.\d{3})+,\d*|(?:\.\d{3}){2,})$", (",", ".")),
    (r"^[-+]?\d{1,3}(?:'\d{3})+(?:\.\d*)?$", (".", "'")),
    (r"^[-+]?(?:\d*\.(?:\d{1,2}|\d{4,})|\d{4,}\.\d+)$", (".", "")),
    (r"^[-+]?(?:\d*,(?:\d{1,2}|\d{4,})|\d{4,},\d+)$", (",", "")),
)

Censored = Literal["refuse", "limit", "half", "missing"]


class Notation(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the numbers of a column are written; `plain` ones need no second look.

    `units` are the units and currencies that stood at the numbers of training, "" where a number had none; None
    where that is not known, in older files. `signs` stand before and after each number, and are no unit of the usual
    ones; `scaled` says that 5K is 5000.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    censored: Censored = "refuse"
    units: tuple[str, ...] | None = None
    signs: tuple[str, str] = ("", "")
    scaled: bool = False

    @property
    def plain(self) -> bool:
        """Whether the numbers are written as a program writes them."""
        return self.decimal == "." and not self.thousands


def to_numbers(text: pl.Series, notation: Notation) -> pl.Series:
    """Return the numbers of a column of text; null where there is none.

    Parameters
    ----------
    text : polars.Series of str
        Without blanks around the values.
    notation : Notation
        How they are written.

    Returns
    -------
    polars.Series of float
    """
    plain = text.cast(pl.Float64, strict=False) if notation.plain else pl.Series([None], dtype=pl.Float64)
    if notation.plain and plain.null_count() == text.null_count():
        return plain
    odd = text.unique() if not notation.plain else text.filter(plain.is_null()).unique()
    odd = odd.drop_nulls()
    read = _read(_censored(odd, notation.censored), notation)
    others = pl.DataFrame({"text": odd, "number": read}).drop_nulls()
    found = text.replace_strict(others["text"], others["number"], default=None, return_dtype=pl.Float64)
    return found if not notation.plain else plain.zip_with(plain.is_not_null(), found)


def _censored(text: pl.Series, how: Censored) -> pl.Series:
    """Put what was asked for in the place of `<5`: its limit, half of it, or nothing."""
    if how in ("refuse", "missing"):
        return text
    limits = text.str.replace(r"^[<>≤≥]=? ?", "")
    if how == "limit":
        return limits
    half = (limits.cast(pl.Float64, strict=False) / 2).cast(pl.String)
    return limits.zip_with(~text.str.contains(r"^[<≤]"), half)


def amounts(text: pl.Series, notation: Notation | None = None) -> pl.DataFrame:
    """Take amounts apart: sign, currency before, number ("body"), unit after; nulls where a value is none.

    With a `notation` its signs are units, and "scale" is what a number is multiplied by.
    """
    notation = notation or Notation()
    text = _plainly(text)
    scale = pl.Series("scale", [1.0]).new_from_index(0, len(text))
    if notation.scaled:
        found = text.str.extract(_SCALED, 2).str.strip_chars()
        scale = found.replace_strict(_SCALES, default=1.0, return_dtype=pl.Float64).fill_null(1.0).alias("scale")
        text = text.str.replace(_SCALED, "${1}${3}")
    before, after = notation.signs
    own = text.str.starts_with(before) & text.str.ends_with(after) & bool(before or after)
    inner = text.str.strip_prefix(before).str.strip_suffix(after).str.strip_chars()
    parts = text.zip_with(~own, inner).str.extract_groups(_AMOUNT).struct.unnest()
    parts = parts.rename(dict(zip(parts.columns, ("sign", "before", "body", "unit"), strict=True)))
    return parts.with_columns(unit=pl.when(own).then(pl.lit(before + after)).otherwise("unit"), scale=scale)


def _plainly(text: pl.Series) -> pl.Series:
    """Write minus signs, blanks and apostrophes in one way, without what spreadsheets and footnotes add."""
    text = text.str.replace_all("[\u200b\u200e\u200f\u2060\ufeff]", "")  # marks without width
    text = text.str.replace_all("[\u2212\u2013\u2012]", "-").str.replace_all("[\u00a0\u2007\u2009\u202f]", " ")
    text = text.str.replace_all("(\\d)[\u2019\u2018\u02bc\u00b4`](\\d)", "${1}'${2}").str.strip_chars()
    text = text.str.replace('^="(.*)"$', "${1}").str.replace(r"^'([-+.,\d])", "${1}")
    text = text.str.replace(r"^([-+.,\d][^*]*?) ?[*\u2020\u2021]{1,4}$", "${1}")
    text = text.str.replace(r"^\((.*\d.*)\)$", "-${1}")  # accountants' negative numbers
    return text.str.replace(r"^([^-+]*\d) ?-$", "-${1}")  # those of some business programs


def _read(text: pl.Series, notation: Notation, strictly: bool = False) -> pl.Series:
    """Read by a notation, and unless `strictly` what leaves nothing open in any other, too."""
    parts = amounts(text, notation)
    body = parts["body"].str.strip_chars()
    number = _in_one_way(parts["sign"], body, (notation.decimal, notation.thousands))
    for pattern, choice in () if strictly else _UNMISTAKABLE:
        clear = number.is_null() & body.str.contains(pattern).fill_null(False)
        if clear.any():
            number = number.zip_with(~clear, _in_one_way(parts["sign"], body, choice))
    return number * parts["scale"]


def _in_one_way(sign: pl.Series, body: pl.Series, choice: _Choice) -> pl.Series:
    decimal, groups = choice
    point = "\\" + decimal
    mark = {"": None, " ": " ", "'": "'", ",": ",", ".": r"\."}[groups]
    simple = rf"\d*{point}?\d+|\d+{point}"
    grouped = rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+(?:{point}\d*)?" if mark else simple
    indian = rf"|[1-9]\d?(?:,\d{{2}})+,\d{{3}}(?:{point}\d*)?" if groups == "," else ""
    fits = body.str.contains(rf"^[-+]?(?:{simple}|{grouped}{indian})(?:[eE][-+]?\d+)?$")
    if groups:
        body = body.str.replace_all(groups, "", literal=True)
    number = (sign + body.str.replace(",", ".", literal=True)).cast(pl.Float64, strict=False)
    return number.zip_with(fits.fill_null(False), pl.Series([None], dtype=pl.Float64))


def _signs_of(odd: pl.Series, n_values: int) -> Notation:
    """Find what stands at half of the numbers of a column, or more, beside the usual units: one sign, or K and M."""
    notation = Notation(scaled=2 * int(odd.str.contains(_SCALED).sum()) >= n_values)
    unread = _plainly(odd.filter(~amounts(odd, notation)["body"].str.contains(r"\d").fill_null(False)))
    if notation.scaled:
        unread = unread.str.replace(_SCALED, "${1}${3}")
    parts = unread.str.extract_groups(_ANY_SIGN).drop_nulls().value_counts(sort=True)
    if n_values <= _FEW_LEVELS or 2 * len(unread) < n_values or len(parts) == 0 or 2 * parts["count"][0] < n_values:
        return notation
    before, after = (str(part or "").strip() for part in parts.to_series(0)[0].values())
    signs = pl.Series([before, after])
    is_sign = signs.str.contains(_BEFORE)[0] if before else signs.str.contains(_AFTER)[1]
    return msgspec.structs.replace(notation, signs=(before, after)) if is_sign else notation


def find_notation(
    text: pl.Series, decimal_comma: bool = False, decimal: Literal["point", "comma"] | None = None
) -> tuple[Notation, str]:
    """Choose how the numbers of a column are written: in the way that reads most of its values.

    Parameters
    ----------
    text : polars.Series of str
        The column.
    decimal_comma : bool
        Whether "1,234" is more likely 1.234 than 1234, for what else is known of the file.
    decimal : "point", "comma" or None
        What stands before decimals wherever a column leaves it open, where that is known.

    Returns
    -------
    notation : Notation
    said : str
        What was decided or taken away, in words; empty for plain numbers.
    """
    values = text.drop_nulls().unique()
    plain = values.cast(pl.Float64, strict=False)
    if plain.null_count() == 0 and decimal != "comma":
        return Notation(), ""
    odd = values.filter(plain.is_null())
    signs = _signs_of(odd, len(values))
    parts = amounts(odd, signs)
    if len(odd) and not parts["body"].str.contains(r"\d").any():
        return Notation(), ""
    ways = [
        msgspec.structs.replace(signs, decimal=decimal_sign, thousands=thousands)
        for decimal_sign, thousands in _choices(decimal_comma, decimal)
    ]
    read = [_read(values, notation, strictly=True) for notation in ways]
    best = min(range(len(ways)), key=lambda k: (read[k].null_count(), k))
    if read[best].null_count() == len(values):
        return Notation(), ""
    is_read = read[best].filter(plain.is_null()).is_not_null()
    return ways[best], _said(parts.filter(is_read), ways[best])


def _choices(decimal_comma: bool, decimal: Literal["point", "comma"] | None) -> tuple[_Choice, ...]:
    match decimal:
        case "point":
            return (*_POINTS, *_COMMAS)
        case "comma":
            return (*_COMMAS, *_POINTS)
        case _:
            return _LIKELY_COMMAS if decimal_comma else _LIKELY_POINTS


def units_of(text: pl.Series, notation: Notation) -> list[str]:
    """Return the different units and currencies that stand at the numbers of a column, without that of none."""
    found = units_by_row(text.drop_nulls().unique(), notation)
    return [unit for unit in found.drop_nulls().unique().sort().to_list() if unit]


def units_by_row(text: pl.Series, notation: Notation) -> pl.Series:
    """Return the unit or currency at each number of a column, "" for none; null where there is no number."""
    parts = amounts(text, notation)
    return pl.select(
        pl.when(parts["body"].str.contains(r"\d")).then(parts["before"] + parts["unit"].str.strip_chars())
    ).to_series()


def ascii_digits(text: pl.Series) -> pl.Series:
    """Write the digits of other scripts as 0 to 9, and the Arabic signs between them as a point and a comma."""
    if text.is_empty() or not text.str.contains(_OTHER_DIGITS).any():
        return text
    return text.str.replace_many(_DIGITS)


def _said(parts: pl.DataFrame, notation: Notation) -> str:
    """Say what of the odd values was understood how."""
    said = []
    if notation.decimal == "," and (notation.thousands != "." or parts["body"].str.contains(",").any()):
        said.append("decimal commas")
    if notation.thousands:
        said.append(f"{notation.thousands!r} between thousands")
    units = pl.concat([parts["before"], parts["unit"].str.strip_chars()]).unique().sort()
    removed = [unit for unit in units.to_list() if unit]
    if removed:
        said.append(f"{listed(removed)} removed")
    if notation.scaled:
        said.append("K is read as thousands, M as millions, B as thousands of millions")
    return ", ".join(said) or "signs written in another way"


def is_missing_mark(text: pl.Series, of_numbers: bool) -> pl.Series:
    """Tell for each value whether it is what people write for no value; null counts too."""
    marks = NUMBER_MARKS if of_numbers else MISSING_MARKS
    return text.is_null() | text.str.to_lowercase().is_in(marks).fill_null(False)


def refuse_censored(name: str, text: pl.Series) -> None:
    """Raise a TableError for the first value such as `<5`."""
    censored = text.str.contains(_CENSORED).fill_null(False).arg_true()
    if len(censored):
        row = int(censored[0])
        raise TableError(
            f"column {name!r} has {shown(text[row])} in row {row_number(row)}: a limit, not a number "
            "(--censored limit, half or missing says what to take)"
        )
