"""The same networks in PyTorch, with PyTorch's own functions and automatic differentiation, in float64.

Importing this module needs torch: tests get it by `pytest.importorskip("peers")`.
"""

import numpy as np
import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "identity": lambda a: a * 1,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda a: F.leaky_relu(a, 0.01),
    "elu": F.elu,
    "softplus": lambda a: F.softplus(a, threshold=700),
    "softsign": F.softsign,
    "gelu": F.gelu,
    "silu": F.silu,
    "selu": F.selu,
    "ramp": lambda a: F.hardtanh(a, 0.0, 1.0),
    "mish": F.mish,
    "sin": torch.sin,
    "gaussian": lambda a: torch.exp(-(a**2)),
    "exp": torch.exp,
    "softmax": lambda a: torch.softmax(a, dim=1),
}

LOSSES = {
    "squared_error": lambda y, t: F.mse_loss(y, t, reduction="none") / 2,
    "sse": lambda y, t: F.mse_loss(y, t, reduction="none"),
    "cross_entropy": lambda y, t: -torch.xlogy(t, y),
    "binary_cross_entropy": lambda y, t: F.binary_cross_entropy(y, t, reduction="none"),
    "poisson": lambda y, t: F.poisson_nll_loss(y, t, log_input=False, reduction="none", eps=0),
    "absolute_error": lambda y, t: F.l1_loss(y, t, reduction="none"),
    "huber": lambda y, t, threshold=1.0: F.huber_loss(y, t, reduction="none", delta=threshold),
    "quantile": lambda y, t, quantile=0.5: torch.maximum(quantile * (t - y), (quantile - 1) * (t - y)),
}

FROM_ACTIVATIONS = {  # pairs for which torch has a function of a instead of y
    ("cross_entropy", "softmax"): lambda a, t: -t * F.log_softmax(a, dim=1),
    ("binary_cross_entropy", "logistic"): lambda a, t: F.binary_cross_entropy_with_logits(a, t, reduction="none"),
    ("poisson", "exp"): lambda a, t: F.poisson_nll_loss(a, t, reduction="none"),
}


def output(net, weights, biases, X):
    """Return a and y of the output layer of an `oracle.Layers`."""
    z = [X]
    for layer, function in enumerate(net.functions, start=1):
        a = biases[layer - 1]
        for (sender, receiver), w in weights.items():
            if receiver == layer:
                a = a + z[sender] @ w.T
        z.append(ACTIVATIONS[function](a))
    return a, z[-1]


def gradient(net, X, T, sample_weight=None):
    """Return E, dE/dw and dE/db of an `oracle.Layers`, as `oracle.gradient` does, as arrays."""
    weights = {pair: tensor(w).requires_grad_() for pair, w in net.weights.items()}
    biases = [tensor(b).requires_grad_() for b in net.biases]
    a, y = output(net, weights, biases, tensor(X))
    pair = (net.loss, net.functions[-1])
    if pair in FROM_ACTIVATIONS:
        errors = FROM_ACTIVATIONS[pair](a, tensor(T))
    else:
        errors = LOSSES[net.loss](y, tensor(T), **net.loss_options)
    if sample_weight is not None:
        errors = errors * tensor(sample_weight)[:, None]
    E = errors.sum()
    E.backward()
    return E.item(), {pair: w.grad.numpy() for pair, w in weights.items()}, [b.grad.numpy() for b in biases]


def tensor(x):
    return torch.tensor(np.asarray(x, dtype=np.float64))
