"""Every solver's formula in plain NumPy, and training with it: what `Network.fit` is compared with."""

import math

import numpy as np
from cases import Case, bias_views, draw, place

from fastbp.engine import engine

CASE = Case((3, 6, 2), "tanh", n_samples=23, weighted=True, seed=4)
EPOCHS = 5


class SGD:
    def __init__(self, momentum=0.0, nesterov=False):
        self.momentum, self.nesterov, self.v = momentum, nesterov, 0.0

    def __call__(self, w, g, learning_rate):
        self.v = self.momentum * self.v - learning_rate * g
        if self.nesterov:
            return w + self.momentum * self.v - learning_rate * g
        return w + self.v


class Adam:
    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.m, self.v, self.t = 0.0, 0.0, 0

    def __call__(self, w, g, learning_rate):
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2
        rate = learning_rate * math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return w - rate * self.m / (np.sqrt(self.v) + self.epsilon)


class RMSProp:
    def __init__(self, rho=0.9, epsilon=1e-8):
        self.rho, self.epsilon, self.v = rho, epsilon, 0.0

    def __call__(self, w, g, learning_rate):
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        return w - learning_rate * g / (np.sqrt(self.v) + self.epsilon)


class RProp:
    """iRprop-: Igel and Huesken (2000), "Improving the Rprop learning algorithm"."""

    def __init__(self, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0):
        self.eta_minus, self.eta_plus, self.step_min, self.step_max = eta_minus, eta_plus, step_min, step_max
        self.previous, self.step = 0.0, None

    def __call__(self, w, g, learning_rate):
        if self.step is None:
            self.step = np.full_like(w, learning_rate)
        same, changed = self.previous * g > 0, self.previous * g < 0
        self.step = np.where(same, np.minimum(self.step * self.eta_plus, self.step_max), self.step)
        self.step = np.where(changed, np.maximum(self.step * self.eta_minus, self.step_min), self.step)
        self.previous = np.where(changed, 0.0, g)
        return w - np.sign(self.previous) * self.step


class RPropVariant:
    """The other three of Igel and Huesken (2000), weight by weight; `error` is that of the round at hand."""

    def __init__(self, variant, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0):
        self.variant, self.eta_minus, self.eta_plus = variant, eta_minus, eta_plus
        self.step_min, self.step_max = step_min, step_max
        self.sizes, self.before, self.last, self.last_error = None, None, None, math.inf

    def __call__(self, w, g, learning_rate, error):
        if self.sizes is None:
            self.sizes = np.broadcast_to(learning_rate, w.shape).tolist()
            self.before, self.last = [0.0] * len(w), [0.0] * len(w)
        w = [self.moved(p, w_p, g_p, error > self.last_error) for p, (w_p, g_p) in enumerate(zip(w, g, strict=True))]
        self.last_error = error
        return np.array(w)

    def moved(self, p, w_p, g_p, has_grown):
        sign = math.copysign(1.0, g_p) if g_p != 0.0 else 0.0
        if g_p * self.before[p] > 0.0:
            self.sizes[p] = min(self.sizes[p] * self.eta_plus, self.step_max)
        elif g_p * self.before[p] < 0.0:
            self.sizes[p] = max(self.sizes[p] * self.eta_minus, self.step_min)
            if self.variant != "rprop-":
                self.before[p] = 0.0
                undone = self.last[p] if self.variant == "rprop+" or has_grown else 0.0
                return w_p - undone
        self.before[p], self.last[p] = g_p, -sign * self.sizes[p]
        return w_p + self.last[p]


class QuickProp:
    """Fahlman (1988), as in his program `quickprop1`: slopes point down."""

    def __init__(self, max_growth=1.75):
        self.max_growth, self.slopes, self.steps = max_growth, None, None

    def __call__(self, w, g, learning_rate):
        if self.slopes is None:
            self.slopes, self.steps = [0.0] * len(w), [0.0] * len(w)
        for p, g_p in enumerate(g):
            self.steps[p], self.slopes[p] = self.next_step(self.steps[p], self.slopes[p], -g_p, learning_rate), -g_p
        return w + np.array(self.steps)

    def next_step(self, last, before, slope, epsilon):
        shrink, step = self.max_growth / (1.0 + self.max_growth), 0.0
        if last > 0.0:
            if slope > 0.0:
                step += epsilon * slope
            step += self.max_growth * last if slope > shrink * before else last * slope / (before - slope)
        elif last < 0.0:
            if slope < 0.0:
                step += epsilon * slope
            step += self.max_growth * last if slope < shrink * before else last * slope / (before - slope)
        else:
            step = epsilon * slope
        return step


def train(problem, step, learning_rate, *, epochs=EPOCHS, batch_size=None, reduction="mean", l1=0.0, l2=0.0):
    """Train with the formulas, rows in order; return the History.loss that belongs to it."""
    net, X, T, weight = problem
    n = len(X)
    weight = np.ones(n) if weight is None else weight
    is_weight = np.ones(net.n_params)
    for view in bias_views(net):
        is_weight[place(net, view)] = 0.0
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for start in range(0, n, batch_size or n):
            rows = slice(start, start + (batch_size or n))
            E, g = net.gradient(X[rows], T[rows], sample_weight=weight[rows])
            total += E
            if reduction == "mean":
                g = g / len(X[rows])
            rate = learning_rate(epoch) if callable(learning_rate) else learning_rate
            penalty = is_weight * (l2 * net.params + l1 * np.sign(net.params))
            more = (E,) if isinstance(step, RPropVariant) else ()
            net.params = step(net.params.copy(), g + penalty, rate, *more)
        losses.append(total / n)
    return losses


def assert_same_training(step, rate, *, case=CASE, rtol=1e-10, **options):
    """Train one network by `fit`, its twin by the formulas, and compare weights and losses."""
    fitted, reference = draw(case), draw(case)
    shared = {name: options[name] for name in ("batch_size", "reduction", "l1", "l2") if name in options}
    losses = train(reference, step, rate, **shared)
    net, X, T, weight = fitted
    before = net.params.copy()
    history = net.fit(X, T, sample_weight=weight, epochs=EPOCHS, shuffle=False, **options)
    assert not np.allclose(net.params, before, rtol=1e-4), "nothing was learnt"
    assert np.allclose(net.params, reference.net.params, rtol=rtol, atol=rtol)
    assert np.allclose(history.loss, losses, rtol=rtol)
    assert history.n_epochs == EPOCHS
    assert history.stopped_by == "epochs"


def fresh(step):
    """Return a solver with the same options and no memory."""
    options = {k: v for k, v in vars(step).items() if k not in ("v", "m", "t", "previous", "step")}
    return type(step)(**options)


def set_part_size(monkeypatch, n_samples):
    """Have large jobs done in parts of so many samples, in networks made from now on."""
    monkeypatch.setattr(engine, "SAMPLE_PRODUCTS", 10**6)  # next to which a small network's weights do not count
    monkeypatch.setattr(engine, "PART_PRODUCTS", n_samples * (10**6 + 10**4))
