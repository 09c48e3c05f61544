"""Work on columns and parts of large tables on all cores: NumPy and polars let go of Python's lock meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from fastbp.engine import threads

Item = TypeVar("Item")
Result = TypeVar("Result")

MANY_ROWS = 1 << 17  # with fewer it takes no longer than to begin


def for_each(function: Callable[[Item], Result], items: Sequence[Item], n_rows: int) -> list[Result]:
    """Return `function` of each item, in their order; the first error in that order is raised.

    Parameters
    ----------
    function : callable
        It must not warn: warnings are a thread's own. Row numbers in its errors are those of the caller.
    items : sequence
        Columns, or parts of rows.
    n_rows : int
        Of the table.
    """
    n_threads = min(threads.available(), len(items))
    if n_rows < MANY_ROWS or n_threads < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        contexts = [copy_context() for _ in items]
        return list(pool.map(lambda context, item: context.run(function, item), contexts, items))
