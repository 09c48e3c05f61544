"""What a fresh process waits for: the import, and the first call with and without cached kernels."""

import subprocess
import sys

FIRST_CALL = """
import numpy as np
from fastbp import Network
net = Network((4, 10, 3), seed=0)
net.fit(np.zeros((64, 4)), np.zeros((64, 3)), epochs=1)
net.forward(np.zeros((1, 4)))
"""

EMPTY_CACHE = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
os.environ["NUMBA_CACHE_DIR"] = folder.name
"""


def timeraw_import():
    return "import fastbp"


def timeraw_import_of_numba():
    """The larger part of the import, and not ours."""
    return "import numba"


class FirstCallWarmCache:
    """Import, build a network, train an epoch, call it."""

    timeout = 300

    def setup(self):
        subprocess.run([sys.executable, "-c", FIRST_CALL], check=True)  # fills the cache

    def timeraw_warm_cache(self):
        return FIRST_CALL


class FirstCallEmptyCache:
    """The same with every kernel compiled anew."""

    timeout = 600
    repeat = (1, 3, 60.0)

    def timeraw_empty_cache(self):
        return FIRST_CALL, EMPTY_CACHE
