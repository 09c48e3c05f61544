"""Quotes that are not written as RFC 4180 has them, and a text rewritten so that they are.

Readers of separated values take a quote for one at the very beginning of a value alone, and a quote inside of a value
for two of them. Programs write other forms: blanks between a separator and the quote, a backslash before a quote that
belongs to the value (MySQL, Spark), or quotes around each line. Read as they stand they would shift values into other
columns without an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

_EVEN = 0.9  # of the lines, which a separator cuts into values of one number
# A line that stands whole between quotes, with a separator in it; and such lines of a text.
_WHOLE_LINE = re.compile(r'"(?:[^"]|"")*[,;|\t](?:[^"]|"")*"')
_OUTER = re.compile(r'^"((?:[^"\n]|"")*)"(?=\r?$)', re.MULTILINE)
# Blanks before a quote that opens a value, and after one that closes it. Two quotes are an empty value, or one inside.
_BEFORE = re.compile(r'((?:^|[,;|\t])) +"(?!"[^,;|\t\r\n ])', re.MULTILINE)
_AFTER = re.compile(r'" +(?=[,;|\t])')
_ESCAPE = re.compile(r'\\(["\\])')
_INSIDE = re.compile(r'[^\\]\\"(?!\s*(?:[,;|\t]|$))')  # it would end a value that goes on


class Quoting(NamedTuple):
    """`whole`: quotes stand around each line; `padded`: blanks before a quote; `escaped`: backslashes before quotes."""

    whole: bool = False
    padded: bool = False
    escaped: bool = False


PLAIN = Quoting()


def quoting_of(lines: Sequence[str], evenness: Callable[[Sequence[str]], float]) -> Quoting:
    """Tell by the first lines what is odd about a text's quotes.

    Parameters
    ----------
    lines : sequence of str
        Without their ends.
    evenness : function
        Of lines; the share of them that a separator cuts into values of one number.
    """
    given = [line for line in lines if line.strip()]
    if not any('"' in line for line in given):
        return PLAIN
    if len(given) > 1 and all(map(_WHOLE_LINE.fullmatch, given)):
        whole = Quoting(whole=True)
        if evenness([rewritten(line, whole) for line in given]) >= _EVEN:
            return whole
    escaped = Quoting(escaped=any(map(_INSIDE.search, given)))
    padded = escaped._replace(padded=any(map(_BEFORE.search, given)))
    found = [quoting for quoting in (padded, escaped) if quoting != PLAIN]
    return max((PLAIN, *found), key=lambda one: (evenness([rewritten(line, one) for line in given]), *one[1:]))


def rewritten(text: str, quoting: Quoting) -> str:
    """Write a line, or a whole text, as RFC 4180 has it."""
    if quoting.whole:
        text = _OUTER.sub(lambda line: line[1].replace('""', '"'), text)
    if quoting.escaped:
        text = _ESCAPE.sub(lambda found: '""' if found[1] == '"' else found[1], text)
    if quoting.padded:
        text = _AFTER.sub('"', _BEFORE.sub(r'\1"', text))
    return text


def notes_of(quoting: Quoting) -> list[str]:
    """Say what is done about odd quotes."""
    said = {
        "each line stands between quotes: they are taken away": quoting.whole,
        "blanks stand between separators and quotes: they are left out": quoting.padded,
        "a backslash before a quote makes it a part of the value": quoting.escaped,
    }
    return [line for line, is_so in said.items() if is_so]
