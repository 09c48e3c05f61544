"""What the machine offers: lanes in a register, registers in a tile; and whether code is made for it at all."""

import contextlib
import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

from llvmlite import binding
from numba.core import config


def cpu_features() -> Any:
    """Names of the features that code is compiled for, Numba's own settings respected."""
    if config.CPU_FEATURES is not None:
        return {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    if config.CPU_NAME == "generic":
        return set()
    found = {name for name, present in binding.get_host_cpu_features().items() if present}
    return found if config.ENABLE_AVX else {name for name in found if not name.startswith("avx")}


# Whether everything runs as plain Python: NUMBA_DISABLE_JIT
JIT_DISABLED = bool(config.DISABLE_JIT)

_FEATURES = cpu_features()

# NEON belongs to each 64-bit Arm processor; on macOS LLVM names no features at all
HAS_NEON = platform.machine().lower() in ("arm64", "aarch64") or "neon" in _FEATURES


def asked_for() -> Any:
    """The shape of registers that FASTBP_REGISTERS asks for, or None: "16x4" for NEON's 16 bytes, in tiles of 4.

    For tests: a machine computes as one with other registers would, but slowly, and with its own instructions.
    """
    text = os.environ.get("FASTBP_REGISTERS", "")
    if not text:
        return None
    register_bytes, _, registers = text.partition("x")
    if register_bytes not in ("16", "32", "64") or registers not in ("2", "4"):
        raise ValueError(f"FASTBP_REGISTERS must be 16, 32 or 64 bytes, x, 2 or 4 registers, as 16x4; got {text!r}")
    return int(register_bytes), int(registers)


# Bytes in a vector register, and the tile of accumulators: units x registers of samples. 24 of 32
# registers, or 12 of 16; the rest hold weights and samples. A tile that spills runs at a tenth of the
# speed, and LLVM leaves a loop over more than 24 rolled up, which is the same.
if "avx512f" in _FEATURES:
    INSTRUCTIONS, REGISTER_BYTES, TILE_REGISTERS = "AVX-512", 64, 4
elif "avx2" in _FEATURES and "fma" in _FEATURES:
    INSTRUCTIONS, REGISTER_BYTES, TILE_REGISTERS = "AVX2", 32, 2
elif HAS_NEON:
    INSTRUCTIONS, REGISTER_BYTES, TILE_REGISTERS = "NEON", 16, 4
else:
    INSTRUCTIONS, REGISTER_BYTES, TILE_REGISTERS = "128-bit", 16, 2

if asked_for() is not None:
    INSTRUCTIONS, (REGISTER_BYTES, TILE_REGISTERS) = "FASTBP_REGISTERS", asked_for()

# Without the instruction, fma(x, y, z) would call a slow library function.
HAS_FMA = "fma" in _FEATURES or HAS_NEON

# Whether a store of a register's first lanes costs no more than one of all: AVX-512's masks
HAS_CHEAP_MASKS = "avx512f" in _FEATURES and REGISTER_BYTES == 64

# Instructions for 14 bits of 1 / x and 1 / sqrt(x), in a tenth of the time of a division, and for x 2**n
HAS_AVX512 = "avx512f" in _FEATURES


CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # Linux
USUAL_L2, SMALLEST_L2 = 1 << 19, 1 << 18  # bytes; smaller ones are no core's own, or not what they say they are


def l2_bytes() -> Any:
    """Bytes of a core's L2 cache: as FASTBP_L2_BYTES says, for tests; as the system does; or a usual number."""
    if os.environ.get("FASTBP_L2_BYTES", "").isdecimal():
        return max(SMALLEST_L2, int(os.environ["FASTBP_L2_BYTES"]))
    found = 0
    with contextlib.suppress(OSError, ValueError):
        levels = {int((path / "level").read_text()): (path / "size").read_text() for path in CACHES.glob("index*")}
        found = int(levels.get(2, "0K").strip().removesuffix("K")) << 10
    if sys.platform == "darwin":
        found = _of_macos("hw.perflevel0.l2cachesize") or _of_macos("hw.l2cachesize")
    return max(SMALLEST_L2, found or USUAL_L2)


def _of_macos(name):
    """A number that macOS knows of the machine, or 0."""
    value, size = ctypes.c_uint64(0), ctypes.c_size_t(8)
    with contextlib.suppress(OSError, AttributeError):
        if ctypes.CDLL(None).sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0) == 0:
            return value.value
    return 0


L2_BYTES = l2_bytes()


def lanes_of(dtype: Any) -> Any:
    """Numbers of `dtype` in a register."""
    return REGISTER_BYTES // dtype.itemsize


def tile_width(dtype: Any) -> Any:
    """Samples in a full tile."""
    return TILE_REGISTERS * lanes_of(dtype)
