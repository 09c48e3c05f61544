"""The program `fastbp`: looks for the cli extra, then hands over to `fastbp.cli.commands`.

Importing this module imports nothing but the standard library and the package itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from io import RawIOBase, TextIOWrapper
from typing import NoReturn

EXTRA = {
    "click": "click",
    "rich": "rich",
    "polars": "polars",
    "matplotlib": "matplotlib",
    "sklearn": "scikit-learn",
    "msgspec": "msgspec",
}


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments after the program's name; those of the process when left out.

    Raises
    ------
    SystemExit
        Always: 0 when all went well, 2 after wrong usage or wrong data, 130 after an interrupt.
    """
    _mend_streams()
    missing = [project for module, project in EXTRA.items() if find_spec(module) is None]
    if missing:
        print(f'fastbp: error: {", ".join(missing)} not installed: pip install "fastbp[cli]"', file=sys.stderr)
        sys.exit(2)
    try:
        from fastbp.cli.commands import fastbp

        fastbp.main(args, prog_name="fastbp")
    except KeyboardInterrupt:  # while modules are imported, or a second one
        sys.exit(130)


def _mend_streams() -> None:
    """Let output that was closed go nowhere, and write what an encoding lacks as an escape.

    A closed stream is opened at once: the next file that is opened would get its number, and what the system prints
    as an error would be written into it. A stream without a buffer gets one.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # for the rest of the process
        elif isinstance(stream, TextIOWrapper) and isinstance(stream.buffer, RawIOBase):
            # Unbuffered (PYTHONUNBUFFERED): where a system call writes a part, the rest of a text would be lost.
            whole = open(  # noqa: SIM115  # for the rest of the process
                stream.fileno(), "w", 1, stream.encoding, "backslashreplace", closefd=False
            )
            setattr(sys, name, whole)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
