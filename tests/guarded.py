"""Arrays that end where memory ends: the process dies of reading or writing one byte behind them."""

import ctypes
import mmap

import numpy as np

_LIBC = ctypes.CDLL(None, use_errno=True) if hasattr(mmap, "PROT_READ") else None
_kept = []  # the pages, for as long as the process lives: an array does not keep its map


def before_a_guard(array):
    """Return a copy of `array` whose last byte stands right before a page that can be neither read nor written."""
    n_bytes = -(-max(array.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = mmap.mmap(-1, n_bytes + mmap.PAGESIZE)
    _kept.append(pages)
    memory = np.frombuffer(pages, np.uint8)
    if _LIBC.mprotect(ctypes.c_void_p(memory.ctypes.data + n_bytes), ctypes.c_size_t(mmap.PAGESIZE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    copy = memory[n_bytes - array.nbytes : n_bytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
