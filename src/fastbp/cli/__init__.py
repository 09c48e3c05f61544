"""The program `fastbp`: looks for the cli extra, then hands over to `fastbp.cli.commands`.

Importing this module imports nothing but the standard library and the package itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

EXTRA = {
    "click": "click",
    "rich": "rich",
    "polars": "polars",
    "matplotlib": "matplotlib",
    "sklearn": "scikit-learn",
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
    missing = [project for module, project in EXTRA.items() if find_spec(module) is None]
    if missing:
        print(f'fastbp: error: {", ".join(missing)} not installed: pip install "fastbp[cli]"', file=sys.stderr)
        sys.exit(2)
    try:
        from fastbp.cli.commands import fastbp

        fastbp.main(args, prog_name="fastbp")
    except KeyboardInterrupt:  # while modules are imported, or a second one
        sys.exit(130)
