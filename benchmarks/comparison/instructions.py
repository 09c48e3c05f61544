"""A machine with AVX-512 plays one with AVX2: for fastbp and all its peers alike."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("hide_avx512.c")
KNOWN = ("all", "avx2")
_DONE = "FASTBP_BENCH_INSTRUCTIONS"


def play(instructions):
    """Start this process again as if the processor had no AVX-512, if that is asked for and not yet done.

    The libraries ask the processor when they are loaded: it has to be done before. Needs Linux, a C compiler, and a
    processor that can hide what it has (`cpuid_fault` in /proc/cpuinfo).
    """
    if instructions == "all" or os.environ.get(_DONE) == instructions:
        return
    library = Path(tempfile.mkdtemp(prefix="fastbp-")) / "hide_avx512.so"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    preload = ":".join(filter(None, [str(library), os.environ.get("LD_PRELOAD", "")]))
    os.execve(
        sys.executable,
        [sys.executable, *sys.orig_argv[1:]],
        os.environ | {"LD_PRELOAD": preload, _DONE: instructions},
    )
