"""A neural ODE: du/dt = net(u), learned from trajectories by backpropagation through the Runge-Kutta steps.

    python examples/neural_ode.py

The solver, its adjoint and the network are one compiled function. The training adjusts the network until
the solver, started where a trajectory starts, runs through its points.
"""

import numba
import numpy as np

import fastbp
from fastbp.jit import forward, gradient, input_gradient

SPIRAL = np.array([[-0.1, 2.0], [-2.0, -0.1]])  # du/dt = SPIRAL u**3
STEP, N_STEPS = 0.05, 12
STAGE = np.array([0.0, 0.5, 0.5, 1.0])  # the classical Runge-Kutta method: where each stage stands in a step,
WEIGHT = np.array([1.0, 2.0, 2.0, 1.0]) / 6  # and how much its slope counts


def trajectories(n, seed):
    """Return n trajectories of the spiral, (n, N_STEPS + 1, 2), from small steps of the same method."""
    u = np.random.default_rng(seed).uniform(-2, 2, (n, 2))
    points, fine = [u], 10
    for _ in range(N_STEPS):
        for _ in range(fine):
            total, slope = 0, 0
            for stage, weight in zip(STAGE, WEIGHT, strict=True):
                slope = (u + STEP / fine * stage * slope) ** 3 @ SPIRAL.T
                total = total + weight * slope
            u = u + STEP / fine * total
        points.append(u)
    return np.stack(points, axis=1)


@numba.njit
def step(packed, u, points, slopes, after, work):
    """Write u after a Runge-Kutta step to `after`; the four points and slopes in between are kept."""
    for s in range(4):
        for i in range(u.size):
            points[s, i] = u[i] + STEP * STAGE[s] * slopes[s - 1, i] if s > 0 else u[i]
        forward(packed, points[s], slopes[s], work)
    for i in range(u.size):
        after[i] = u[i]
        for s in range(4):
            after[i] += STEP * WEIGHT[s] * slopes[s, i]


@numba.njit
def step_back(packed, adjoint, points, slopes, grad, work):
    """Turn dE/du after a step into dE/du before it, and add what the step contributes to dE/dparams."""
    before, v, dx = adjoint.copy(), np.zeros(adjoint.size), np.zeros(adjoint.size)
    for s in range(3, -1, -1):
        for i in range(v.size):  # dE/dslope: by the sum at the end, and by the point of the next stage
            v[i] = STEP * WEIGHT[s] * adjoint[i]
            if s < 3:
                v[i] += STEP * STAGE[s + 1] * dx[i]
        # With the squared error, delta of a linear output is y - t: t = y - v gives v^T dy/dparams.
        gradient(packed, points[s], slopes[s] - v, grad, work)
        input_gradient(packed, points[s], v, dx, work)
        before += dx
    adjoint[:] = before


@numba.njit(nogil=True)
def error_and_gradient(packed, data, grad, work):
    """Return the mean squared distance to the points of trajectories; its gradient goes to `grad`."""
    n, n_points, size = data.shape
    u, points, slopes = np.zeros((n_points, size)), np.zeros((n_points, 4, size)), np.zeros((n_points, 4, size))
    error, scale = 0.0, 1.0 / (n * (n_points - 1))
    grad[:] = 0.0
    for k in range(n):
        u[0] = data[k, 0]
        for m in range(n_points - 1):
            step(packed, u[m], points[m], slopes[m], u[m + 1], work)
        adjoint = np.zeros(size)
        for m in range(n_points - 2, -1, -1):
            distance = u[m + 1] - data[k, m + 1]
            error += scale * (distance**2).sum()
            adjoint += 2 * scale * distance
            step_back(packed, adjoint, points[m], slopes[m], grad, work)
    return error


def train(n_epochs=600, seed=0):
    """Return the trained network, and its errors on unseen trajectories before the training and after it."""
    data, unseen = trajectories(40, seed), trajectories(40, seed + 1)
    net = fastbp.Network((2, 32, 2), seed=seed)
    packed, work, grad = net.packed, net.workspace(), np.zeros(net.n_params)
    before = error_and_gradient(packed, unseen, grad, work)
    mean, square = np.zeros_like(grad), np.zeros_like(grad)
    for epoch in range(1, n_epochs + 1):  # Adam
        error_and_gradient(packed, data, grad, work)
        mean += 0.1 * (grad - mean)
        square += 0.001 * (grad**2 - square)
        rate = 0.02 * (1 - epoch / (n_epochs + 1)) * np.sqrt(1 - 0.999**epoch) / (1 - 0.9**epoch)
        net.params -= rate * mean / (np.sqrt(square) + 1e-8)
    return net, before, error_and_gradient(packed, unseen, grad, work)


if __name__ == "__main__":
    _net, before, after = train()
    print(f"mean squared distance to unseen trajectories: {before:.3f} before the training, {after:.5f} after it")
