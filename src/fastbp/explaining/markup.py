"""Sections as HTML and as LaTeX: expressions in plain text, with their indices and Greek letters set."""

import re
from collections.abc import Callable, Iterable
from html import escape

from fastbp.explaining.sections import Line, Section

_GREEK = {"delta": ("&delta;", r"\delta"), "sigma": ("&sigma;", r"\sigma"), "eta": ("&eta;", r"\eta")}  # the names used
_GREEK |= {"sum": ("&Sigma;", r"\sum"), "Phi": ("&Phi;", r"\Phi"), "phi": ("&phi;", r"\varphi")}
_INDEX = r"[A-Za-z0-9]+(?:,[A-Za-z0-9]+|\+[0-9])?"
# A name with its lower index, and an upper one: w_42, W_0^01, z_l+1, r_5. Words without an index stay words.
_TOKEN = re.compile(
    rf"(?P<name>(?<![A-Za-z])[A-Za-z]+)(?:_(?P<low>{_INDEX}))?(?:\^(?P<high>[A-Za-z0-9]+(?:,[0-9]+)?))?(?P<prime>'?)"
    r"|(?P<number>[+-]?[0-9.]+e[+-][0-9]+)|(?P<power>[0-9)]\^[0-9T])|(?P<arrow><-|->)|(?P<times>\*)"
)
_LATEX_SPECIAL = str.maketrans({c: "\\" + c for c in "%#&$_{}"})


def html(sections: Iterable[Section]) -> str:
    """A fragment for notebooks and pages; it takes the page's colours."""
    style = "font-family:monospace;white-space:nowrap;overflow-x:auto"
    return f'<div class="fastbp-explanation" style="{style}">{"".join(map(_html_section, sections))}</div>'


def html_expression(text: str) -> str:
    """An expression with its indices set."""
    return _set(text, _html_token, escape)


def html_line(line: Line) -> str:
    """An equation and its remark."""
    note = f' <em class="note">{html_expression(line.note)}</em>' if line.note else ""
    return f"{html_expression(' '.join(line.parts))}{note}"


def _html_section(section: Section) -> str:
    parts = [f"<h4>{html_expression(section.title)}</h4>"]
    if section.formulas:
        parts.append(f"<p>{' &emsp; '.join(map(html_expression, section.formulas))}</p>")
    pairs = ((html_expression(line.label), html_line(line)) for line in section.lines)
    rows = [f"<tr><td>{label}&emsp;</td><td>{equation}</td></tr>" for label, equation in pairs]
    if rows:
        parts.append(f"<table>{_left(''.join(rows))}</table>")
    if section.table is not None:
        head = "".join(f"<th>{html_expression(cell)}</th>" for cell in section.table.head)
        cells = ("".join(f"<td>{html_expression(cell)}</td>" for cell in row) for row in section.table.rows)
        parts.append(f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>")
    return "".join([*parts, *(f'<p style="white-space:normal">{html_expression(note)}</p>' for note in section.notes)])


def _left(rows: str) -> str:
    return rows.replace("<td>", '<td style="text-align:left">')


def latex(sections: Iterable[Section]) -> str:
    """A fragment for a document that uses amsmath and booktabs."""
    return "\n\n".join(map(_latex_section, sections)) + "\n"


def latex_expression(text: str) -> str:
    """An expression for math mode."""
    return _set(text, _latex_token, lambda plain: plain.translate(_LATEX_SPECIAL).replace(" ", r"\ "))


def _latex_section(section: Section) -> str:
    parts = [rf"\paragraph{{{_latex_text(section.title)}}}"]
    if section.formulas:
        parts.append(r" \quad ".join(f"${latex_expression(formula)}$" for formula in section.formulas))
    if section.lines:
        rows = [rf"&{latex_expression(f'{line.label}   ' + ' '.join(line.parts))}" for line in section.lines]
        parts.append("\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}")
        parts += [rf"\textit{{{_latex_text(line.note)}}}" for line in section.lines if line.note]
    if section.table is not None:
        rows = [" & ".join(f"${latex_expression(cell)}$" for cell in row) for row in section.table.rows]
        head = " & ".join(f"${latex_expression(cell)}$" for cell in section.table.head)
        body = [rf"\toprule {head} \\ \midrule", *(rf"{row} \\" for row in rows), r"\bottomrule"]
        columns = "r" * len(section.table.head)
        parts.append("\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}"]))
    return "\n\n".join([*parts, *map(_latex_text, section.notes)])


def _latex_text(text: str) -> str:
    """A sentence: what has an index in it is set as mathematics."""
    words = text.split(" ")
    return " ".join(f"${latex_expression(w)}$" if _is_symbol(w) else w.translate(_LATEX_SPECIAL) for w in words)


def _is_symbol(word: str) -> bool:
    """Whether a word of a sentence is mathematics."""
    match = _TOKEN.search(word)
    has_index = match is not None and bool(match["name"]) and bool(match["low"] or match["high"] or match["prime"])
    return "->" in word or "<" in word or word in _GREEK or (has_index and _is_letter(match["name"]))  # type: ignore[index]


def _set(text: str, token: Callable[[re.Match[str]], str], plain: Callable[[str], str]) -> str:
    """Each token by `token`, and what is between them by `plain`."""
    parts, end = [], 0
    for match in _TOKEN.finditer(text):
        parts += [plain(text[end : match.start()]), token(match)]
        end = match.end()
    return "".join([*parts, plain(text[end:])])


def _split(name: str) -> tuple[str, str]:
    """("d", the rest) of a differential, ("", name) of all else."""
    rest = name[1:]
    return ("d", rest) if name.startswith("d") and (len(rest) == 1 or rest in _GREEK) else ("", name)


def _is_letter(name: str) -> bool:
    """Whether a name is a symbol that takes indices; other names with an underscore are those of functions."""
    rest = _split(name)[1]
    return len(rest) == 1 or rest in _GREEK


def _html_token(match: re.Match[str]) -> str:
    if match["arrow"]:
        return "&larr;" if match["arrow"] == "<-" else "&rarr;"
    if match["times"]:
        return "&middot;"
    if match["number"]:
        return match["number"]
    if match["power"]:
        return f"{match['power'][0]}<sup>{match['power'][2]}</sup>"
    if not _is_letter(match["name"]):
        return escape(match[0])
    d, name = _split(match["name"])
    low = f"<sub>{match['low']}</sub>" if match["low"] else ""
    high = f"<sup>{match['high']}</sup>" if match["high"] else ""
    return f"{d}{_GREEK.get(name, (name,))[0]}{low}{high}{'&prime;' if match['prime'] else ''}"


def _latex_token(match: re.Match[str]) -> str:
    if match["arrow"]:
        return r"\leftarrow " if match["arrow"] == "<-" else r"\to "
    if match["times"]:
        return r"\cdot "
    if match["number"]:
        mantissa, exponent = match["number"].split("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    if match["power"]:
        return f"{match['power'][0]}^{{{match['power'][2]}}}"
    if not _is_letter(match["name"]):
        return rf"\mathrm{{{match[0].translate(_LATEX_SPECIAL)}}}"
    d, name = _split(match["name"])
    low = f"_{{{match['low']}}}" if match["low"] else ""
    high = f"^{{{match['high']}}}" if match["high"] else ""
    prime = "'" if match["prime"] else ""
    return f"{d}{_GREEK.get(name, ('', name))[1]}{prime}{low}{high}"
