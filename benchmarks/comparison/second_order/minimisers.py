"""Time to a goal: each solver from the same beginnings, stopped where the mean squared error is reached."""

from time import process_time
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.optimize

MOST_EPOCHS = {"lm": 500, "lm, acceleration=0": 500, "scg": 4_000, "lbfgs": 4_000}
MOST_EVALUATIONS = 2_000  # of a peer's residuals
BUDGET = 25.0  # seconds for all starts of a peer, as in the study that the goals come from


class Reached(Exception):
    """A peer has come to its goal."""


class Outcome(NamedTuple):
    """The starts of one solver on one goal: seconds of processor time of those that reached it."""

    seconds: np.ndarray
    n_starts: int
    n_epochs: np.ndarray


class Fastbp:
    """`Network.fit`, with all that stands around it in Python."""

    def __init__(self, solver, **options):
        self.solver, self.options = solver, options

    def __call__(self, problem, functions, w, goal):
        net = problem.network(w)
        most = MOST_EPOCHS[self.solver]
        began = process_time()
        history = net.fit(
            problem.X, problem.T, solver=self.solver, epochs=most, goal=problem.loss_at(goal), n_threads=1, **self.options
        )  # fmt: skip
        return process_time() - began, history.stopped_by == "goal", history.n_epochs


class Watched:
    """Residuals, and J, that raise `Reached` at the goal; every peer is stopped by them alone."""

    def __init__(self, problem, functions, goal):
        self.functions, self.n_jacobians, self.n_evaluations = functions, 0, 0
        self.least = 2.0 * problem.loss_at(goal) * len(problem.X)

    def residuals(self, w):
        r = np.asarray(self.functions.residuals(w))
        self.n_evaluations += 1
        if r @ r <= self.least or self.n_evaluations > MOST_EVALUATIONS:
            raise Reached(r @ r <= self.least)
        return r

    def jacobian(self, w):
        self.n_jacobians += 1
        return np.asarray(self.functions.jacobian(w))


def least_squares(method):
    """SciPy's, with JAX's Jacobian."""

    def solve(problem, functions, w, goal):
        watched = Watched(problem, functions, goal)
        if method == "lm" and problem.T.size < w.size:
            return None  # it refuses
        began = process_time()
        reached = False
        try:
            scipy.optimize.least_squares(
                watched.residuals, w, watched.jacobian, method=method, ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=500
            )
        except Reached as end:
            reached = bool(end.args[0])
        return process_time() - began, reached, watched.n_jacobians

    return solve


def scipy_lbfgs(problem, functions, w, goal):
    """SciPy's L-BFGS-B on fastbp's gradient: what its own bookkeeping takes is part of it."""
    net, least = problem.network(w), problem.loss_at(goal) * len(problem.X)
    counts = [0]

    def value_and_gradient(params):
        net.params = params
        error, gradient = net.gradient(problem.X, problem.T, n_threads=1)
        counts[0] += 1
        if error <= least:
            raise Reached
        return error / len(problem.X), gradient / len(problem.X)

    began, reached = process_time(), False
    try:
        scipy.optimize.minimize(
            value_and_gradient, w, jac=True, method="L-BFGS-B", options={"maxiter": 4_000, "maxfun": 10_000, "ftol": 0, "gtol": 1e-12}
        )  # fmt: skip
    except Reached:
        reached = True
    return process_time() - began, reached, counts[0]


def torch_lbfgs(problem, functions, w, goal):
    """PyTorch's L-BFGS with strong Wolfe conditions."""
    import torch

    torch.set_num_threads(1)
    X, T = torch.tensor(problem.X), torch.tensor(problem.T)
    layers, place = [], 0
    for k, (n_in, n_out) in enumerate(zip(problem.sizes, problem.sizes[1:], strict=False)):
        layers.append(torch.nn.Linear(n_in, n_out, dtype=torch.float64))
        with torch.no_grad():
            layers[-1].weight[:] = torch.tensor(w[place : place + n_in * n_out].reshape(n_out, n_in))
        place += n_in * n_out
        if k < len(problem.sizes) - 2 or problem.output == "tanh":
            layers.append(torch.nn.Tanh())
    for layer in (layer for layer in layers if isinstance(layer, torch.nn.Linear)):
        with torch.no_grad():
            layer.bias[:] = torch.tensor(w[place : place + layer.bias.numel()])
        place += layer.bias.numel()
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=4_000, max_eval=10_000, tolerance_grad=1e-12, tolerance_change=0,
        line_search_fn="strong_wolfe", history_size=10,
    )  # fmt: skip
    least, counts = problem.loss_at(goal), [0]

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * ((model(X) - T) ** 2).sum() / len(X)
        counts[0] += 1
        if loss.item() <= least:
            raise Reached
        loss.backward()
        return loss

    began, reached = process_time(), False
    try:
        optimizer.step(closure)
    except Reached:
        reached = True
    return process_time() - began, reached, counts[0]


def optimistix_lm():
    """optimistix's Levenberg-Marquardt, compiled, with the goal in its own test for an end."""
    import equinox as eqx
    import jax
    import optimistix as optx

    class ToGoal(optx.LevenbergMarquardt):
        least: float = 0.0

        def terminate(self, fn, y, args, options, state, tags):
            r = fn(y, args)[0]
            done = (r @ r <= args[0]) | (state.num_accepted_steps >= 500)
            return done, optx.RESULTS.successful

    solvers = {}

    def solve(problem, functions, w, goal):
        least = 2.0 * problem.loss_at(goal) * len(problem.X)
        key = problem.name, problem.sizes
        if key not in solvers:
            solver = optx.LevenbergMarquardt(rtol=1e-15, atol=1e-15)
            solvers[key] = eqx.filter_jit(_until(optx, functions, solver))
            jax.block_until_ready(solvers[key](jnp.asarray(w), least))
        began = process_time()
        error, n_steps = jax.block_until_ready(solvers[key](jnp.asarray(w), least))
        return process_time() - began, bool(error <= least), int(n_steps)

    return solve


def _until(optx, functions, solver):
    """Steps of a solver of optimistix until the goal, in one compiled loop."""
    import jax

    def function(w, _args):
        return functions.plain_residuals(w), None

    def run(w, least):
        shape = jax.ShapeDtypeStruct
        f_struct = jax.eval_shape(lambda y: function(y, None), w)
        options = {}
        state = solver.init(function, w, None, options, f_struct[0], f_struct[1], frozenset())

        def go_on(carry):
            y, _state, k, error = carry
            return (error > least) & (k < 500)

        def step(carry):
            y, state, k, _error = carry
            y, state, _aux = solver.step(function, y, None, options, state, frozenset())
            r = functions.plain_residuals(y)
            return y, state, k + 1, r @ r

        r = functions.plain_residuals(w)
        y, _state, k, error = jax.lax.while_loop(go_on, step, (w, state, 0, r @ r))
        return error, k

    return run


def torch_levenberg_marquardt():
    """The package torch-levenberg-marquardt, with Cholesky."""

    def solve(problem, functions, w, goal):
        raise NotImplementedError

    return solve
