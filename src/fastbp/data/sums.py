"""Sums over partitions, always in the same order: in pairs, pairs of pairs, and so on."""

from fastbp.checks import Array

Term = tuple[float, Array, int]  # an error, its gradient, and how many samples they are of


class PairwiseSum:
    """A sum of errors and gradients, added up in a tree that follows from their number alone.

    Terms come in the order of the partitions. A complete tree of 2**m of them is one number and one gradient, so n
    terms keep log2(n) gradients in memory at most; and whoever adds up 2**m terms from a multiple of 2**m on, another
    process for one, comes to a part of the same tree.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.data.sums import PairwiseSum
    >>> total = PairwiseSum()
    >>> for k in range(3):
    ...     total.add((float(k), np.full(2, k + 1.0), 10))
    >>> total.result()
    (3.0, array([6., 6.]), 30)
    """

    def __init__(self) -> None:
        self._trees: list[tuple[int, Term]] = []  # (m, sum of 2**m terms), m falling

    def __bool__(self) -> bool:
        """Whether there is a term."""
        return bool(self._trees)

    def add(self, term: Term, m: int = 0) -> None:
        """Add the next term, or the sum of the next 2**m; the gradient is written into later."""
        while self._trees and self._trees[-1][0] == m:
            term, m = _sum(self._trees.pop()[1], term), m + 1
        self._trees.append((m, term))

    def result(self) -> Term:
        """The sum of all terms: (error, gradient, number of samples)."""
        if not self._trees:
            raise ValueError("there is no term to add up")
        term = self._trees.pop()[1]
        while self._trees:
            term = _sum(self._trees.pop()[1], term)
        return term


def _sum(left: Term, right: Term) -> Term:
    error, gradient, n_samples = left
    gradient += right[1]
    return error + right[0], gradient, n_samples + right[2]
