"""Dates in other words: names of months and weekdays, and notations that stand for one of those of `dates`."""

from __future__ import annotations

import polars as pl

# The first three letters of months: English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish, Polish.
_NAMES = (
    "jan ene gen sty", "feb fév fev lut", "mar mär maa mrt", "apr avr abr kwi", "may mai mag mei maj", "jun giu cze",
    "jul lug lip", "aug aoû aou ago sie", "sep set wrz", "oct okt ott out paź", "nov lis", "dec dez déc dic gru",
)  # fmt: skip
MONTHS = {name: 1 + k for k, names in enumerate(_NAMES) for name in names.split()}
_SOME_MONTH = rf"(?i:{'|'.join(MONTHS)}|jui)\p{{L}}*\.?"
NO_YEAR = rf"^\d{{1,2}}[-/. ]{_SOME_MONTH}$"
_WEEKDAYS = (
    "(?i:Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?i:day)?|(?i:Mo|Diens|Donners|Frei|Sams|Sonn)(?i:tag)"
    "|(?i:Montag|Mittwoch|Sonnabend)|Mo|Di|Mi|Do|Fr|Sa|So"
)
_CLOCK = r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)"
# Other ways to write the same: (pattern, replacement), one after another.
_SAME: tuple[tuple[str, str], ...] = (
    (rf"^(?:{_WEEKDAYS})[.,]* +", ""),
    (rf"[, ]+\(?(?:{_WEEKDAYS})\.?\)?$", ""),
    (r"^([A-Za-z]{3,9} +\d{1,2}) +(\d{1,2}:\d{2}(?::\d{2})?)((?: +[A-Z]{3,4})?) +(\d{4})$", "${1} ${4} ${2}${3}"),
    (r"^[Qq]([1-4])[-/ ]?(\d{4})$", "${2}Q${1}"),
    (r"^(?:W|KW|[Ww]eek) ?(\d{1,2})[-/, ]+(\d{4})$", "${2}-W${1}"),
    (r" ?(?:Uhr|[Hh]rs)$", ""),
    (r"^(\d{1,2})[hH](\d{2})$", "${1}:${2}"),
    (rf"^(\d{{1,2}})({_SOME_MONTH})(\d{{4}})", "${1} ${2} ${3}"),
    (r"^(\d{1,2}[-/ ][A-Za-z]{3}[-/ ]\d{4}):(\d{1,2}:)", "${1} ${2}"),
    (rf"^((?:18|19|20|21)\d{{2}})(\d{{2}})(\d{{2}})[T ]?{_CLOCK}", "${1}-${2}-${3} ${4}:${5}:${6}"),
    (r"^(\d{4}-\d{2}-\d{2}[ T-]+\d{2})[.-](\d{2})[.-](\d{2})", "${1}:${2}:${3}"),
    (r"^(\d{4}) ?[年년] ?(\d{1,2}) ?[月월](?: ?(\d{1,2}) ?[日일])?", "${1}-${2}-${3}"),
    (r"^(\d{4}-\d{1,2})-$", "${1}"),
    (r"(?i)^(\d{1,2}\.?) (?:de |of )?(\p{L}{3,12}\.?) (?:de|del|of) (\d{4})", "${1} ${2} ${3}"),
    (r"\b(\d{1,2})(?:st|nd|rd|th|er|\u00ba)\b", "${1}"),
    (r"(?i)\bjuil\p{L}*", "jul"),
    (r"(?i)\bjuin\b", "jun"),
    (r"^(\d{1,2}) (\d{1,2}) (\d{4})\b", "${1}/${2}/${3}"),
    (r"^(\d{4}) (\d{1,2}) (\d{1,2})\b", "${1}-${2}-${3}"),
)


def plainly(text: pl.Series) -> pl.Series:
    """Write dates in the ways that have a layout: without the name of the weekday, the year before the time."""
    for pattern, replacement in _SAME:
        if text.str.contains(pattern).any():
            text = text.str.replace(pattern, replacement)
    return text
