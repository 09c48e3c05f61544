"""The printed formulas of backpropagation, each written out by hand, against one gradient or one step."""

import math

import numpy as np
import oracle
import pytest
from cases import Case, assert_gradients_equal, bias_views, draw, place, weight_views

import fastbp

RATE = 0.7  # the third text's h


def g(r):
    """Return the logistic function, the activation function of every neuron of the third text."""
    return 1 / (1 + math.exp(-r))


def dg(r):
    return g(r) * (1 - g(r))


def one_step(net, X, T, learning_rate=RATE):
    """Take one step of batch learning with the sum of the gradients, as the texts do."""
    net.fit(X, T, solver="sgd", learning_rate=learning_rate, batch_size=None, reduction="sum", epochs=1)


# ---------------------------------------------------------------- the third text: neurons 1 to 5


class Neurons:
    """The 2-2-2-1 network of the text: w["1,3"] from neuron 1 to 3, b[3] of neuron 3, r[3] the input of g."""

    def __init__(self, net):
        w_first, w_second, w_last = net.weights
        self.w = {
            "x1,1": w_first[0, 0],
            "x2,1": w_first[0, 1],
            "x1,2": w_first[1, 0],
            "x2,2": w_first[1, 1],
            "1,3": w_second[0, 0],
            "2,3": w_second[0, 1],
            "1,4": w_second[1, 0],
            "2,4": w_second[1, 1],
            "3,5": w_last[0, 0],
            "4,5": w_last[0, 1],
        }
        self.b = dict(enumerate(map(float, np.concatenate(net.biases)), start=1))

    def inputs(self, x1, x2):
        """Return r_1 .. r_5 for one sample."""
        w, b, r = self.w, self.b, {}
        r[1] = w["x1,1"] * x1 + w["x2,1"] * x2 + b[1]
        r[2] = w["x1,2"] * x1 + w["x2,2"] * x2 + b[2]
        r[3] = w["1,3"] * g(r[1]) + w["2,3"] * g(r[2]) + b[3]
        r[4] = w["1,4"] * g(r[1]) + w["2,4"] * g(r[2]) + b[4]
        r[5] = w["3,5"] * g(r[3]) + w["4,5"] * g(r[4]) + b[5]
        return r


# d E_i / d w of each connection, as printed, e = y - t: the text's rules are w - h times the sum of these.
EXPLICIT_RULES = {
    "3,5": lambda e, w, r, x1, x2: e * dg(r[5]) * g(r[3]),
    "4,5": lambda e, w, r, x1, x2: e * dg(r[5]) * g(r[4]),
    "1,3": lambda e, w, r, x1, x2: e * dg(r[5]) * w["3,5"] * dg(r[3]) * g(r[1]),
    "1,4": lambda e, w, r, x1, x2: e * dg(r[5]) * w["4,5"] * dg(r[4]) * g(r[1]),
    "2,3": lambda e, w, r, x1, x2: e * dg(r[5]) * w["3,5"] * dg(r[3]) * g(r[2]),
    "2,4": lambda e, w, r, x1, x2: e * dg(r[5]) * w["4,5"] * dg(r[4]) * g(r[2]),
    "x1,1": lambda e, w, r, x1, x2: (
        e * dg(r[5]) * dg(r[1]) * x1 * (w["3,5"] * dg(r[3]) * w["1,3"] + w["4,5"] * dg(r[4]) * w["1,4"])
    ),
    "x2,1": lambda e, w, r, x1, x2: (
        e * dg(r[5]) * dg(r[1]) * x2 * (w["3,5"] * dg(r[3]) * w["1,3"] + w["4,5"] * dg(r[4]) * w["1,4"])
    ),
    "x1,2": lambda e, w, r, x1, x2: (
        e * dg(r[5]) * dg(r[2]) * x1 * (w["3,5"] * dg(r[3]) * w["2,3"] + w["4,5"] * dg(r[4]) * w["2,4"])
    ),
    "x2,2": lambda e, w, r, x1, x2: (
        e * dg(r[5]) * dg(r[2]) * x2 * (w["3,5"] * dg(r[3]) * w["2,3"] + w["4,5"] * dg(r[4]) * w["2,4"])
    ),
}


def error_signals(e, w, r):
    """Return the text's delta_1 .. delta_4: what arrives at a neuron, before its own g'."""
    delta = {3: e * dg(r[5]) * w["3,5"], 4: e * dg(r[5]) * w["4,5"]}
    delta[1] = delta[3] * dg(r[3]) * w["1,3"] + delta[4] * dg(r[4]) * w["1,4"]
    delta[2] = delta[3] * dg(r[3]) * w["2,3"] + delta[4] * dg(r[4]) * w["2,4"]
    return delta


@pytest.fixture
def five_neurons():
    return draw(Case((2, 2, 2, 1), "logistic", "logistic", n_samples=6, seed=3))


def samples(problem):
    return zip(problem.X[:, 0], problem.X[:, 1], problem.T[:, 0], strict=True)


@pytest.mark.parametrize("connection", EXPLICIT_RULES)
def test_explicit_weight_updates(five_neurons, connection):
    before = Neurons(five_neurons.net)
    total = 0.0
    for x1, x2, t in samples(five_neurons):
        r = before.inputs(x1, x2)
        total += EXPLICIT_RULES[connection](g(r[5]) - t, before.w, r, x1, x2)
    assert total != 0
    one_step(five_neurons.net, five_neurons.X, five_neurons.T)
    after = Neurons(five_neurons.net)
    assert math.isclose(after.w[connection], before.w[connection] - RATE * total, rel_tol=1e-13)


SIGNAL_RULES = {  # error introduced x gradient x input
    "1,3": lambda delta, r, x1, x2: delta[3] * dg(r[3]) * g(r[1]),
    "1,4": lambda delta, r, x1, x2: delta[4] * dg(r[4]) * g(r[1]),
    "2,3": lambda delta, r, x1, x2: delta[3] * dg(r[3]) * g(r[2]),
    "2,4": lambda delta, r, x1, x2: delta[4] * dg(r[4]) * g(r[2]),
    "x1,1": lambda delta, r, x1, x2: delta[1] * dg(r[1]) * x1,
    "x2,2": lambda delta, r, x1, x2: delta[2] * dg(r[2]) * x2,
}


@pytest.mark.parametrize("connection", SIGNAL_RULES)
def test_weight_updates_by_error_signal(five_neurons, connection):
    before = Neurons(five_neurons.net)
    total = 0.0
    for x1, x2, t in samples(five_neurons):
        r = before.inputs(x1, x2)
        total += SIGNAL_RULES[connection](error_signals(g(r[5]) - t, before.w, r), r, x1, x2)
    one_step(five_neurons.net, five_neurons.X, five_neurons.T)
    after = Neurons(five_neurons.net)
    assert math.isclose(after.w[connection], before.w[connection] - RATE * total, rel_tol=1e-13)


def test_bias_updates_of_five_neurons(five_neurons):
    before = Neurons(five_neurons.net)
    total = dict.fromkeys(range(1, 6), 0.0)
    for x1, x2, t in samples(five_neurons):
        r = before.inputs(x1, x2)
        delta = error_signals(g(r[5]) - t, before.w, r) | {5: g(r[5]) - t}
        for j in total:
            total[j] += delta[j] * dg(r[j])
    one_step(five_neurons.net, five_neurons.X, five_neurons.T)
    after = Neurons(five_neurons.net)
    for j, total_j in total.items():
        assert math.isclose(after.b[j], before.b[j] - RATE * total_j, rel_tol=1e-13)


def test_the_texts_error_signal_times_dg_is_delta(five_neurons):
    before = Neurons(five_neurons.net)
    deltas = five_neurons.net.deltas(five_neurons.X, five_neurons.T)
    for n, (x1, x2, t) in enumerate(samples(five_neurons)):
        r = before.inputs(x1, x2)
        delta = error_signals(g(r[5]) - t, before.w, r) | {5: g(r[5]) - t}
        expected = [[delta[1] * dg(r[1]), delta[2] * dg(r[2])], [delta[3] * dg(r[3]), delta[4] * dg(r[4])]]
        for layer, row in enumerate([*expected, [delta[5] * dg(r[5])]]):
            assert np.allclose(deltas[layer][n], row, rtol=1e-13, atol=0)


def test_updates_of_the_two_layer_network():
    """The section "Putting it all together", with N_0 = 3 inputs and N_1 = 4 hidden neurons."""
    net, X, T, _ = draw(Case((3, 4, 1), "logistic", "logistic", n_samples=5, seed=8))
    w, w_hat = net.weights[0].T.copy(), net.weights[1][0].copy()  # the text's w_{A,B} runs from A to B
    b, b_hat = net.biases[0].copy(), net.biases[1].item()
    d_w, d_w_hat, d_b, d_b_hat = np.zeros((3, 4)), np.zeros(4), np.zeros(4), 0.0
    for x, t in zip(X, T[:, 0], strict=True):
        r = [sum(x[A] * w[A, B] for A in range(3)) + b[B] for B in range(4)]
        r_hat = sum(g(r[A]) * w_hat[A] for A in range(4)) + b_hat
        e = g(r_hat) - t
        d_b_hat += e * dg(r_hat)
        for B in range(4):
            d_w_hat[B] += e * dg(r_hat) * g(r[B])
            d_b[B] += e * dg(r_hat) * w_hat[B] * dg(r[B])
            for A in range(3):
                d_w[A, B] += e * dg(r_hat) * w_hat[B] * dg(r[B]) * x[A]
    one_step(net, X, T)
    assert np.allclose(net.weights[0].T, w - RATE * d_w, rtol=1e-13, atol=0)
    assert np.allclose(net.weights[1][0], w_hat - RATE * d_w_hat, rtol=1e-13, atol=0)
    assert np.allclose(net.biases[0], b - RATE * d_b, rtol=1e-13, atol=0)
    assert math.isclose(net.biases[1].item(), b_hat - RATE * d_b_hat, rel_tol=1e-13)


# ---------------------------------------------------------------- the second text: matrices


@pytest.mark.parametrize("sizes", [(2, 3), (1, 4, 2), (3, 4, 5, 2), (2, 17, 9, 3, 4)], ids=str)
def test_matrix_form(sizes):
    """z_{i+1} = W_i a_i, a_i = sigma(z_i), E = (y - z_n)^2: dE/dW_i = (dE/dz_{i+1})^T a_i^T, and its sum."""
    net, X, Y, _ = draw(Case(sizes, "logistic", "identity", "sse", bias=False, n_samples=11, seed=2))
    W, n = [w.copy() for w in net.weights], len(sizes) - 1

    def sigma(z):
        return 1 / (1 + np.exp(-z))

    dE_dW = [np.zeros_like(W_i) for W_i in W]
    for x, y in zip(X, Y, strict=True):
        a, z = [x[:, None]], [None]
        for i in range(n):
            z.append(W[i] @ a[i])
            a.append(sigma(z[i + 1]))
        dE_dz = {n: -2 * (y[:, None] - z[n]).T}  # a row: numerator layout
        for i in range(n - 1, 0, -1):
            dE_dz[i] = dE_dz[i + 1] @ W[i] @ np.diag((sigma(z[i]) * (1 - sigma(z[i])))[:, 0])
        for i in range(n):
            dE_dW[i] += dE_dz[i + 1].T @ a[i].T
    _, grad = net.gradient(X, Y)
    assert net.n_params == sum(W_i.size for W_i in W)
    assert_gradients_equal(net, grad, np.concatenate([d.ravel() for d in dE_dW]), rtol=1e-13)

    one_step(net, X, Y, learning_rate=0.01)
    for i in range(n):
        assert np.allclose(net.weights[i], W[i] - 0.01 * dE_dW[i], rtol=1e-12, atol=1e-15)


# ---------------------------------------------------------------- Bishop, 5.48 to 5.57

IRREGULAR = Case((3, 4, 5, 2), ["silu", "tanh"], "logistic", "sse", skip=((0, 2), (1, 3)), n_samples=8)


def forward_by_hand(net, X):
    """Return a and z of all layers by (5.48) and (5.49) with the oracle's formulas."""
    a, z = [None], [X]
    for layer, name in enumerate(net.layer_functions, start=1):
        incoming = [(sender, w) for (sender, receiver), w in weight_views(net).items() if receiver == layer]
        a.append(sum(z[sender] @ w.T for sender, w in incoming) + net.biases[layer - 1])
        z.append(np.vectorize(oracle.ACTIVATIONS[name])(a[layer]))
    return a, z


def test_activations_of_all_layers():
    net, X, _, _ = draw(IRREGULAR)
    _, z = forward_by_hand(net, X)
    outputs = net.activations(X)
    assert [layer.shape for layer in outputs] == [(8, 3), (8, 4), (8, 5), (8, 2)]
    for layer, reference in zip(outputs, z, strict=True):
        assert np.allclose(layer, reference, rtol=1e-13, atol=1e-15)
    assert np.array_equal(outputs[0], X)
    assert np.allclose(outputs[-1], net.forward(X), rtol=1e-14, atol=0)


def test_deltas_5_56_over_all_units_that_receive():
    net, X, T, _ = draw(IRREGULAR)
    a, z = forward_by_hand(net, X)
    slope = [
        None,
        *(np.vectorize(lambda v, f=f: oracle.derivative(oracle.ACTIVATIONS[f], v)) for f in net.layer_functions),
    ]
    delta = {3: 2 * (z[3] - T) * slope[3](a[3])}
    for layer in (2, 1):
        sent = [(k, w) for (sender, k), w in weight_views(net).items() if sender == layer]
        delta[layer] = slope[layer](a[layer]) * sum(delta[k] @ w for k, w in sent)
    deltas = net.deltas(X, T)
    assert len(deltas) == 3
    for layer, values in enumerate(deltas, start=1):
        assert values.shape == a[layer].shape
        assert np.allclose(values, delta[layer], rtol=1e-12, atol=1e-15)


def test_gradient_5_53_is_delta_times_z():
    net, X, T, _ = draw(IRREGULAR)
    z, deltas = net.activations(X), net.deltas(X, T)
    _, grad = net.gradient(X, T)
    for (sender, receiver), view in weight_views(net).items():
        expected = sum(np.outer(deltas[receiver - 1][n], z[sender][n]) for n in range(8))
        assert np.allclose(grad[place(net, view)], expected.ravel(), rtol=1e-12, atol=1e-14)
    for delta, view in zip(deltas, bias_views(net), strict=True):
        assert np.allclose(grad[place(net, view)], delta.sum(axis=0), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("squared_error", "identity"),
        ("cross_entropy", "softmax"),
        ("binary_cross_entropy", "logistic"),
        ("poisson", "exp"),
    ],
)
def test_delta_5_54_of_canonical_pairs(loss, output):
    net, X, T, _ = draw(Case((3, 4, 3), "tanh", output, loss, n_samples=9))
    assert np.allclose(net.deltas(X, T)[-1], net.forward(X) - T, rtol=1e-13, atol=1e-15)


# ---------------------------------------------------------------- batch and on-line learning


@pytest.mark.parametrize("case", [IRREGULAR, Case((2, 3, 2), "relu", "softmax", "cross_entropy", n_samples=21)])
def test_batch_gradient_is_the_sum_of_online_gradients(case):
    net, X, T, _ = draw(case)
    E, grad = net.gradient(X, T)
    single = [net.gradient(X[n : n + 1], T[n : n + 1]) for n in range(len(X))]
    assert math.isclose(E, sum(E_n for E_n, _ in single), rel_tol=1e-13)
    assert_gradients_equal(net, grad, sum(grad_n for _, grad_n in single), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", [IRREGULAR, Case((2, 5, 1), "relu", n_samples=20)], ids=["skips", "layered"])
def test_online_learning_is_a_loop_of_single_steps(case, dtype):
    learner, X, T, _ = draw(case, dtype)
    by_hand = draw(case, dtype).net
    history = learner.fit(X, T, solver="sgd", learning_rate=0.05, batch_size=1, shuffle=False, epochs=3)
    errors = []
    for _ in range(3):
        errors.append(0.0)
        for n in range(len(X)):
            E_n, grad = by_hand.gradient(X[n : n + 1], T[n : n + 1])
            by_hand.params = by_hand.params - by_hand.params.dtype.type(0.05) * grad
            errors[-1] += E_n / len(X)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert np.allclose(learner.params, by_hand.params, rtol=tolerance, atol=tolerance)
    assert np.allclose(history.loss, errors, rtol=tolerance)


def test_one_epoch_online_differs_from_one_epoch_batch():
    batch, X, T, _ = draw(IRREGULAR)
    online = draw(IRREGULAR).net
    one_step(batch, X, T, learning_rate=0.1)
    online.fit(X, T, solver="sgd", learning_rate=0.1, batch_size=1, shuffle=False, epochs=1)
    assert isinstance(online, fastbp.Network)
    assert not np.allclose(batch.params, online.params, rtol=1e-3)
