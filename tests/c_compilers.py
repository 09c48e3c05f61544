"""Compiles what `to_c` wrote, runs its self-test, and calls it."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

STRICT = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]


def compile_c(source, *options, compiler="gcc", flags=STRICT):
    """Compile a file; return the path of what came out."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    out = source.with_suffix(".out")
    command = [compiler, *flags, *options, str(source), "-o", str(out), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr[:3000]}"
    return out


def self_test(source, *options, name="net", **compiling):
    """Return the exit code and the output of the self-test."""
    program = compile_c(source, f"-D{name.upper()}_TEST", *options, **compiling)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


class Library:
    """The functions of a C file, for arrays of samples."""

    def __init__(self, source, dtype, name="net", *options, **compiling):
        self.dtype, self.name = dtype, name
        self.library = ctypes.CDLL(str(compile_c(source, "-shared", "-fPIC", *options, **compiling)))

    def call(self, function, *arrays):
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        getattr(self.library, function)(*pointers)

    def forward(self, X, n_outputs):
        Y = np.full((len(X), n_outputs), np.nan, self.dtype)
        for x, y in zip(X, Y, strict=True):
            self.call(self.name, x, y)
        return Y

    def input_gradient(self, X, V):
        D = np.full(X.shape, np.nan, self.dtype)
        for x, v, dx in zip(X, V, D, strict=True):
            self.call(f"{self.name}_input_gradient", x, v, dx)
        return D
