"""What files are called that are made of a table, where their user names none."""

from __future__ import annotations

import glob
import re
from pathlib import Path

NAMELESS = "model"  # what is made of a table that has no name
_WILDCARDS = re.compile(r"\[[^]]*\]|[*?]")
_AT_ENDS = " ._-/\\"  # what is left there of a name without its wildcards


def name_of_table(data: str) -> str:
    """Return a name for what is made of a table: its file's, its folder's, or a pattern's without the wildcards."""
    if data == "-" or "://" in data:
        return "table"
    if Path(data).is_dir():
        return Path(data).resolve().name or NAMELESS
    if not glob.has_magic(data) or Path(data).exists():
        return Path(data).stem
    names = (_WILDCARDS.sub("", name).strip(_AT_ENDS) for name in (Path(data).stem, *reversed(Path(data).parent.parts)))
    return next(filter(None, names), NAMELESS)
