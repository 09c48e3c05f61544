"""Pictures as files, which say what made them."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fastbp.files.outputs import replacing
from fastbp.plots.axes import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOFTWARE = "fastbp learning curve"  # in the file of a picture


def save(figure: Figure, path: Path | IO[bytes], suffix: str | None = None) -> None:
    """Write a picture that says in its file who made it; `suffix` is the format of what is no path."""
    suffix = suffix or Path(str(path)).suffix[1:]
    if f".{suffix}" not in PICTURE_SUFFIXES:
        raise ValueError(f"path must end in {', '.join(PICTURE_SUFFIXES)}; got {str(path)!r}")
    metadata = {"Software": SOFTWARE} if suffix == "png" else {"Creator": SOFTWARE}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a box in the title is no loss
        drawn = BytesIO()  # what a full disk does to a half-written picture is no error that can be told to anybody
        figure.savefig(drawn, dpi=130, format=suffix, metadata=metadata)
    if isinstance(path, Path):
        with replacing(path) as file:
            file.write(drawn.getvalue())
    else:
        path.write(drawn.getvalue())
