"""The shapes of registers that machines have, and how this machine takes each of them on for a test run.

As a program: a line with a name and settings for each shape that the machine itself does not have, for `.ci/run`.

    python tests/registers.py               # other machines' instructions, where this one has them
    python tests/registers.py uncompiled    # plain Python, which a word of FASTBP_REGISTERS is enough for
"""

import platform
import sys
from typing import NamedTuple

from fastbp.kernels.registers import machine


class Registers(NamedTuple):
    """A shape of registers, and the settings under which fastbp computes in it."""

    name: str
    register_bytes: int
    tile_registers: int
    settings: dict

    @property
    def shape(self):
        return self.register_bytes, self.tile_registers


HASWELL = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


def asked_for(register_bytes, tile_registers):
    """Return the settings for a shape whose own instructions are not there, or are not wanted."""
    return {"FASTBP_REGISTERS": f"{register_bytes}x{tile_registers}"}


def shapes(features, architecture):
    """Return all shapes, each by its own instructions if a machine of that architecture has them."""
    is_x86 = architecture.lower() in ("x86_64", "amd64")
    has_avx2 = is_x86 and {"avx2", "fma"} <= set(features)
    return [
        Registers("AVX-512", 64, 4, asked_for(64, 4)),
        Registers("AVX2", 32, 2, HASWELL if has_avx2 else asked_for(32, 2)),
        Registers("NEON", 16, 4, asked_for(16, 4)),
        Registers("128-bit", 16, 2, GENERIC if is_x86 else asked_for(16, 2)),
    ]


def others(features, architecture, own):
    """Return the shapes but for the machine's own one, (bytes of a register, registers of a tile)."""
    return [registers for registers in shapes(features, architecture) if registers.shape != own]


def here():
    """Return the shapes that this machine does not have by itself."""
    own = machine.REGISTER_BYTES, machine.TILE_REGISTERS
    return others(machine.cpu_features(), platform.machine(), own)


def lines(uncompiled=False):
    """Return what the program prints."""
    found = []
    for registers in here():
        settings = asked_for(*registers.shape) | {"NUMBA_DISABLE_JIT": "1"} if uncompiled else registers.settings
        found.append(" ".join([registers.name, *(f"{name}={value}" for name, value in settings.items())]))
    return found


if __name__ == "__main__":
    print("\n".join(lines("uncompiled" in sys.argv[1:])))
