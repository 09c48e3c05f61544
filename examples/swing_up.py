"""A pendulum that a small network swings up and balances, trained by an evolution strategy.

    python examples/swing_up.py

The motor is too weak to lift the pendulum at once: it has to be swung. A whole episode, pendulum and
network, is compiled code, and the candidates of a generation run in parallel.
"""

import math

import numba
import numpy as np

import fastbp
from fastbp.jit import forward, with_params

N_STEPS, TIME_STEP = 160, 0.05  # of an episode
MAX_TORQUE, MAX_SPEED = 2.0, 8.0
GRAVITY, LENGTH, MASS = 10.0, 1.0, 1.0
N_PAIRS, N_STARTS = 32, 6  # mirrored candidates in a generation; episodes of each
SPREAD, RATE = 0.3, 0.2


@numba.njit(nogil=True)
def episode(packed, angle, speed, work):
    """Return the cost of an episode, and for how many steps before its end the pendulum stood upright."""
    x, y = np.zeros(4), np.zeros(1)
    cost, n_upright = 0.0, 0
    for _ in range(N_STEPS):
        # Quantities that change sign where left and right change places: so does the torque, without biases.
        x[0], x[1] = math.sin(angle), speed / MAX_SPEED
        x[2], x[3] = math.cos(angle) * x[0], math.cos(angle) * x[1]
        forward(packed, x, y, work)
        torque = MAX_TORQUE * y[0]
        cost += angle**2 + 0.1 * speed**2 + 0.001 * torque**2
        acceleration = 1.5 * GRAVITY / LENGTH * math.sin(angle) + 3.0 / (MASS * LENGTH**2) * torque
        speed = min(max(speed + TIME_STEP * acceleration, -MAX_SPEED), MAX_SPEED)
        angle = (angle + TIME_STEP * speed + math.pi) % (2 * math.pi) - math.pi  # 0 is upright
        n_upright = n_upright + 1 if abs(angle) < 0.3 else 0
    return cost, n_upright


@numba.njit(parallel=True)
def costs_of(packed, candidates, starts, works):
    """Return the mean cost of each candidate over the starts."""
    costs = np.zeros(len(candidates))
    for c in numba.prange(len(candidates)):
        candidate = with_params(packed, candidates[c])
        for s in range(len(starts)):
            costs[c] += episode(candidate, starts[s, 0], starts[s, 1], works[c])[0] / len(starts)
    return costs


def draw_starts(rng, n):
    """Return n angles and speeds to start from, most of them hanging."""
    return np.column_stack([rng.uniform(-math.pi, math.pi, n), rng.uniform(-1, 1, n)])


def train(n_generations=60, seed=0):
    """Return a network that swings the pendulum up."""
    rng = np.random.default_rng(seed)
    net = fastbp.Network((4, 16, 1), output="tanh", bias=False, seed=seed)
    packed, works = net.packed, net.workspace(2 * N_PAIRS)
    velocity = np.zeros(net.n_params)
    for _ in range(n_generations):
        noise = rng.normal(size=(N_PAIRS, net.n_params))
        candidates = net.params + SPREAD * np.concatenate([noise, -noise])
        costs = costs_of(packed, candidates, draw_starts(rng, N_STARTS), works)
        ranks = costs.argsort().argsort() / (len(costs) - 1) - 0.5  # of the costs only their order counts
        slope = (ranks[:N_PAIRS] - ranks[N_PAIRS:]) @ noise / N_PAIRS
        velocity = 0.9 * velocity - RATE * slope
        net.params += velocity
    return net


def share_upright(net, n=200, seed=12345):
    """Return the share of new episodes that end with the pendulum upright for two seconds and more."""
    starts, work = draw_starts(np.random.default_rng(seed), n), net.workspace()
    return np.mean([episode(net.packed, angle, speed, work)[1] >= 2 / TIME_STEP for angle, speed in starts])


if __name__ == "__main__":
    print(f"{share_upright(train()):.0%} of the episodes end upright")
