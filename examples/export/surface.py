"""Train a small network, and write it as surface.c and surface.safetensors, for the files beside this one.

python surface.py
cmake -B build && cmake --build build && ctest --test-dir build     # the library, its self-test, a caller in C
gfortran caller.f90 surface.c -o caller && ./caller                 # Fortran
octave --eval "evaluate('surface.safetensors', [0.5 -0.25])"        # Octave or MATLAB
"""

import sys
from pathlib import Path

import numpy as np

import fastbp


def train() -> fastbp.Network:
    """A network that has learnt z = sin(x) cos(y)."""
    X = np.random.default_rng(0).uniform(-2, 2, size=(2000, 2))
    net = fastbp.Network((2, 16, 16, 1), seed=0)
    net.fit(X, np.sin(X[:, 0]) * np.cos(X[:, 1]), epochs=50, seed=0)
    return net


def main(folder: Path) -> None:
    """Train, write both files, and print what callers must find."""
    net = train()
    net.to_c(folder / "surface.c", name="surface")
    net.save(folder / "surface.safetensors")
    print(net.forward(np.array([[0.5, -0.25]]))[0, 0])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
