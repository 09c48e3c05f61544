"""PyTorch: nn.Sequential and a Python loop over batches of the shuffled samples, fused Adam."""

from itertools import pairwise

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer


class PyTorch(Peer):
    label, package = "PyTorch", "torch"

    def __init__(self, workload, X, T):
        import torch

        self.torch, self.workload = torch, workload
        self.X, self.T = torch.from_numpy(X), torch.from_numpy(T)
        function = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[workload.activation]
        layers = []
        for n_in, n_out in pairwise(workload.sizes):
            layers += [torch.nn.Linear(n_in, n_out, dtype=self.X.dtype), function()]
        self.linear = layers[::2]
        self.model = torch.nn.Sequential(*layers[:-1])  # identity output

    def load(self, parameters):
        with self.torch.no_grad():
            for layer, w, b in zip(self.linear, *parameters, strict=True):
                layer.weight[:] = self.torch.from_numpy(w)
                layer.bias[:] = self.torch.from_numpy(b)

    def _optimizer(self):
        parameters, rate = self.model.parameters(), self.workload.learning_rate
        if self.workload.solver == "sgd":
            return self.torch.optim.SGD(parameters, lr=rate, fused=True)
        return self.torch.optim.Adam(parameters, lr=rate, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True)

    def _loss(self, x, t):
        return 0.5 * (self.model(x) - t).square().sum() / len(x)

    def train(self, orders):
        optimizer, batch_size = self._optimizer(), self.workload.batch_size
        for order in self.torch.from_numpy(orders.rows):
            X, T = (self.X[order], self.T[order]) if orders.shuffled else (self.X, self.T)
            for x, t in zip(X.split(batch_size), T.split(batch_size), strict=True):
                optimizer.zero_grad()
                self._loss(x, t).backward()
                optimizer.step()

    def parameters(self):
        return self._by_kind(lambda parameter: parameter)

    def _by_kind(self, of):
        """What `of` gives for each parameter, weights and biases apart."""
        kinds = ("weight", "bias")
        return Parameters(
            *([of(getattr(layer, kind)).detach().numpy().copy() for layer in self.linear] for kind in kinds)
        )

    def one_sample(self, x):
        with self.torch.inference_mode():
            return self.model(self.torch.from_numpy(x)).numpy()

    def outputs(self):
        with self.torch.inference_mode():
            return self.model(self.X)

    def gradient(self):
        self.model.zero_grad()
        self._loss(self.X, self.T).backward()

    def gradient_parameters(self):
        self.gradient()
        return self._by_kind(lambda parameter: parameter.grad)
