"""The matrix products of a network alone, by BLAS: no activation function, no loss, no step, no row looked up."""

from itertools import pairwise
from time import perf_counter

import numpy as np


class Products:
    """The three products of each layer for one batch: z W^T, delta^T z, and delta W but into the inputs.

    `layers` are pairs (inputs, units); the first is fed by the network's inputs unless `backs_into_first`.
    """

    def __init__(self, n_samples, layers, dtype, *, backs_into_first=False):
        rng = np.random.default_rng(0)

        def numbers(*shape):
            return rng.standard_normal(shape).astype(dtype)

        self.z = [numbers(n_samples, n_in) for n_in, _ in layers]
        self.w = [numbers(n_out, n_in) for n_in, n_out in layers]
        self.delta = [numbers(n_samples, n_out) for _, n_out in layers]
        self.a = [np.empty_like(delta) for delta in self.delta]
        self.back = [np.empty_like(z) for z in self.z]
        self.grad = [np.empty_like(w) for w in self.w]
        self.first_back = 0 if backs_into_first else 1

    def __call__(self):
        for z, w, a in zip(self.z, self.w, self.a, strict=True):
            np.dot(z, w.T, out=a)
        for l in reversed(range(len(self.w))):
            np.dot(self.delta[l].T, self.z[l], out=self.grad[l])
            if l >= self.first_back:
                np.dot(self.delta[l], self.w[l], out=self.back[l])


def products_timer(workload, dtype):
    """A function of a number of epochs: does the products of all their batches and returns the seconds it took."""
    layers = list(pairwise(workload.sizes))
    n_whole, n_left = divmod(workload.n_samples, workload.batch_size)
    batch = Products(workload.batch_size, layers, dtype)
    batches = [batch] * n_whole + [Products(n_left, layers, dtype)] * bool(n_left)

    def seconds(n_epochs):
        began = perf_counter()
        for _ in range(n_epochs):
            for products in batches:
                products()
        return perf_counter() - began

    return seconds
