"""Sections as plain text, in so many columns."""

from collections.abc import Iterable, Sequence

from fastbp.explaining.sections import Line, Section, Table


class Text(str):
    """A text that shows itself as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def render(sections: Iterable[Section], width: int) -> str:
    """All sections, in at most `width` columns unless a single part is wider."""
    lines: list[str] = []
    for section in sections:
        lines += ([""] if lines else []) + _section(section, width)
    return "\n".join(line.rstrip() for line in lines)


def _section(section: Section, width: int) -> list[str]:
    heads = (section.title, *("   " + formula for formula in section.formulas))
    lines = fill([piece for head in heads for piece in _pieces(head, width - 11)], width, "", " " * 11)
    label_width = max((len(line.label) for line in section.lines), default=0)
    for line in section.lines:
        lines += _line(line, label_width, width)
    if section.table is not None:
        lines += table(section.table, width)
    for note in section.notes:
        lines += fill(note.split(), width, "  ", "    ")
    return lines


def _pieces(part: str, width: int) -> list[str]:
    """A part as it is, or its words if it has no room on a line."""
    return [part] if len(part) <= width else part.split(" ")


def _line(line: Line, label_width: int, width: int) -> list[str]:
    label = f"  {line.label.ljust(label_width)}   "
    room = width - len(label) - 2
    parts = [piece for part in line.parts for piece in _pieces(part, room)]
    lines = fill(parts, width, label, " " * (len(label) + 2))
    if line.note:
        if len(lines) == 1 and len(lines[0]) + 3 + len(line.note) <= width:
            return [f"{lines[0]}   {line.note}"]
        lines += fill(line.note.split(), width, " " * len(label), " " * len(label))
    return lines


def fill(parts: Sequence[str], width: int, first: str, other: str) -> list[str]:
    """Parts with a blank between them; a part that does not fit begins a new line."""
    lines, line = [], first
    begun = False
    for part in parts:
        if begun and len(line) + 1 + len(part) > width:
            lines.append(line)
            line = other + part.lstrip()
        else:
            line += (" " if begun else "") + part
        begun = True
    return [*lines, line]


def table(shown: Table, width: int | None = None) -> list[str]:
    """Columns set right-aligned; closer together where they would not fit into the width."""
    rows = [shown.head, *shown.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(shown.head))]
    between = " " if width is not None and sum(widths) + 2 * len(widths) > width else "  "
    return ["  " + between.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
