"""What is prefetched while sums are formed: the multiply-adds leave the memory idle for most of the time."""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import Numbers, inlined, prefetch


class Prefetch(NamedTuple):
    """Numbers that are prefetched while sums are formed: what is done next reads them, and the memory has time now."""

    first: Numbers
    second: Numbers
    third: Numbers
    start: int  # numbers start .. stop - 1 of all three
    stop: int
    far: bool  # whether the rows that are added are prefetched as well. Known when the kernel is compiled


@kernel
def no_prefetch(out, far):
    """No numbers that are needed later."""
    return Prefetch(out, out, out, 0, 0, far)


@kernel
def prefetch_from(ahead, start, n):
    """The share of `n` of the sums, of those behind the first `start`."""
    inlined()
    begin = ahead.start + start
    return Prefetch(ahead.first, ahead.second, ahead.third, begin, min(begin + n, ahead.stop), ahead.far)


@kernel
def prefetch_at(ahead, place):
    """Prefetch the numbers at `place`, if it is before the end."""
    inlined()
    if place < ahead.stop:
        prefetch(ahead.first, place)
        prefetch(ahead.second, place)
        prefetch(ahead.third, place)
