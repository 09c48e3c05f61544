"""PyTorch with `torch.compile`: gradient and step of a batch in one compiled function.

That is the fastest form of it: a compiled model with `backward()` and an optimiser from outside takes
longer than no compilation at all where the network is small. The loop over batches is Python's.
"""

from functools import cache

import numpy as np

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer


@cache
def _works():
    """Whether there is what `torch.compile` needs, a C++ compiler above all."""
    import torch

    try:
        return bool(torch.compile(lambda x: torch.relu(x).sum())(torch.ones(20)) == 20)
    except Exception:  # whatever is missing, this peer cannot take part
        return False


class PyTorchCompiled(Peer):
    label, package, slow_to_compile = "PyTorch compiled", "torch", True

    def __init__(self, workload, X, T):
        import torch

        # Its count of recompilations goes on from network to network, up to a limit.
        torch.compiler.reset()
        self.torch, self.workload = torch, workload
        self.X, self.T = torch.from_numpy(X), torch.from_numpy(T)
        self.h = {"tanh": torch.tanh, "relu": torch.relu}[workload.activation]
        update = {"adam": self._adam, "sgd": self._sgd}[workload.solver]
        options = {"dynamic": False, "fullgraph": True}
        self.step = torch.compile(update, **options)
        self.forward = torch.compile(self._forward, **options)
        self.grads = torch.compile(self._grads, **options)

    @classmethod
    def problem(cls):
        return super().problem() or (None if _works() else "does not work here")

    def load(self, parameters):
        self.params = [self.torch.from_numpy(p.copy()) for p in (*parameters.weights, *parameters.biases)]

    def _forward(self, params, x):
        linear = self.torch.nn.functional.linear
        *hidden, (w, b) = zip(params[: len(params) // 2], params[len(params) // 2 :], strict=True)
        for weights, biases in hidden:
            x = self.h(linear(x, weights, biases))
        return linear(x, w, b)

    def _loss(self, params, x, t):
        return 0.5 * (self._forward(params, x) - t).square().sum() / len(x)

    def _grads(self, params, x, t):
        return self.torch.func.grad(self._loss)(params, x, t)

    def _adam(self, state, rate, x, t):
        params, means, squares = state
        for p, m, v, grad in zip(params, means, squares, self._grads(params, x, t), strict=True):
            m.mul_(BETA_1).add_(grad, alpha=1 - BETA_1)
            v.mul_(BETA_2).addcmul_(grad, grad, value=1 - BETA_2)
            p.sub_(rate * m / (v.sqrt() + EPSILON))

    def _sgd(self, state, rate, x, t):
        for p, grad in zip(state[0], self._grads(state[0], x, t), strict=True):
            p.sub_(rate * grad)

    def _rates(self, n_steps):
        """Rates of the steps, Adam's corrections in them.

        Inductor miscompiles a step count that the compiled function adds to (PyTorch 2.13: a NaN).
        """
        rates = np.full(n_steps, self.workload.learning_rate)
        if self.workload.solver == "adam":
            t = np.arange(1, n_steps + 1)
            rates *= np.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        return iter(self.torch.from_numpy(rates))

    def train(self, orders):
        torch, batch_size = self.torch, self.workload.batch_size
        state = (self.params, *([torch.zeros_like(p) for p in self.params] for _ in range(2)))
        rates = self._rates(len(orders.rows) * self.workload.n_updates)
        with torch.no_grad():
            for order in torch.from_numpy(orders.rows):
                X, T = (self.X[order], self.T[order]) if orders.shuffled else (self.X, self.T)
                for x, t in zip(X.split(batch_size), T.split(batch_size), strict=True):
                    self.step(state, next(rates), x, t)

    def parameters(self):
        return self._as_parameters(self.params)

    def _as_parameters(self, tensors):
        arrays = [tensor.numpy().copy() for tensor in tensors]
        return Parameters(arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :])

    def one_sample(self, x):
        with self.torch.inference_mode():
            return self.forward(self.params, self.torch.from_numpy(x)).numpy()

    def outputs(self):
        with self.torch.inference_mode():
            return self.forward(self.params, self.X)

    def gradient(self):
        return self.grads(self.params, self.X, self.T)

    def gradient_parameters(self):
        return self._as_parameters(self.gradient())
