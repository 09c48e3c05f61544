"""Time to a goal: each solver from the same beginnings, stopped where the mean squared error is reached."""

from time import process_time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from .jax_functions import Functions, parts_of
from .problems import PROBLEMS, nguyen_widrow

EPOCHS = {"lm": 500, "scg": 4_000, "lbfgs": 4_000}  # of fastbp, at most
PEER_EPOCHS = 500  # of a peer's Levenberg-Marquardt, at most
EVALUATIONS = 10_000  # of a peer's gradient, at most
BUDGET = 10.0  # seconds for all starts of a peer


class Reached(Exception):
    """A peer has come to its goal."""


class Start(NamedTuple):
    """What a solver made of one beginning."""

    seconds: float  # of processor time
    is_reached: bool
    n_epochs: int


class Case(NamedTuple):
    """A problem with a goal, and what trains on it from all beginnings: fastbp's network, JAX's functions."""

    problem: object
    goal: float
    functions: Functions
    net: object

    @property
    def least(self):
        """The sum of squared residuals at the goal."""
        return 2.0 * self.problem.loss_at(self.goal) * len(self.problem.X)


def fastbp_fit(solver, **options):
    """`Network.fit`, with all that stands around it in Python."""

    def solve(case, w):
        problem, net, goal = case.problem, case.net, case.problem.loss_at(case.goal)
        net.params = w
        began = process_time()
        history = net.fit(
            problem.X, problem.T, solver=solver, epochs=EPOCHS[solver], goal=goal, n_threads=1, **options
        )  # fmt: skip
        return Start(process_time() - began, history.stopped_by == "goal", history.n_epochs)

    return solve


def least_squares(method):
    """SciPy's, with JAX's Jacobian; stopped by its residuals."""

    def solve(case, w):
        n_jacobians, functions, least = 0, case.functions, case.least

        def residuals(params):
            r = np.asarray(functions.residuals(params))
            if r @ r <= least:
                raise Reached
            return r

        def jacobian(params):
            nonlocal n_jacobians
            n_jacobians += 1
            return np.asarray(functions.jacobian(params))

        if method == "lm" and case.problem.T.size < w.size:
            return None  # it refuses
        began, is_reached = process_time(), False
        tolerances = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15)
        try:
            scipy.optimize.least_squares(residuals, w, jacobian, method=method, max_nfev=PEER_EPOCHS, **tolerances)
        except Reached:
            is_reached = True
        return Start(process_time() - began, is_reached, n_jacobians)

    return solve


def scipy_lbfgs(case, w):
    """SciPy's L-BFGS-B on fastbp's gradient: what its own bookkeeping takes is part of it."""
    problem, net, n_calls = case.problem, case.net, 0
    least = problem.loss_at(case.goal) * len(problem.X)

    def value_and_gradient(params):
        nonlocal n_calls
        n_calls += 1
        net.params = params
        error, gradient = net.gradient(problem.X, problem.T, n_threads=1)
        if error <= least:
            raise Reached
        return error / len(problem.X), gradient / len(problem.X)

    options = {"maxiter": EPOCHS["lbfgs"], "maxfun": EVALUATIONS, "ftol": 0.0, "gtol": 1e-12}
    began, is_reached = process_time(), False
    try:
        scipy.optimize.minimize(value_and_gradient, w, jac=True, method="L-BFGS-B", options=options)
    except Reached:
        is_reached = True
    return Start(process_time() - began, is_reached, n_calls)


def _torch_model(problem, w):
    """The network as a PyTorch module with these parameters."""
    import torch

    torch.set_num_threads(1)
    modules = []
    for k, (W, b) in enumerate(parts_of(w, problem.sizes)):
        layer = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
        with torch.no_grad():
            layer.weight[:], layer.bias[:] = torch.tensor(W), torch.tensor(b)
        is_last = k == len(problem.sizes) - 2
        modules += [layer] if is_last and problem.output == "identity" else [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*modules), torch.tensor(problem.X), torch.tensor(problem.T)


def torch_lbfgs(case, w):
    """PyTorch's L-BFGS with strong Wolfe conditions."""
    import torch

    model, X, T = _torch_model(case.problem, w)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=EPOCHS["lbfgs"], max_eval=EVALUATIONS, tolerance_grad=1e-12,
        tolerance_change=0.0, line_search_fn="strong_wolfe", history_size=10,
    )  # fmt: skip
    n_calls = 0

    def closure():
        nonlocal n_calls
        n_calls += 1
        optimizer.zero_grad()
        squares = ((model(X) - T) ** 2).sum()
        if squares.item() <= case.least:
            raise Reached
        loss = 0.5 * squares / len(X)
        loss.backward()
        return loss

    began, is_reached = process_time(), False
    try:
        optimizer.step(closure)
    except Reached:
        is_reached = True
    return Start(process_time() - began, is_reached, n_calls)


def torch_levenberg_marquardt():
    """The package of that name, with Cholesky's decomposition."""
    from torch_levenberg_marquardt.training import LevenbergMarquardtModule

    def solve(case, w):
        model, X, T = _torch_model(case.problem, w)
        module = LevenbergMarquardtModule(model, solve_method="cholesky")
        goal, began = case.least / case.problem.T.size, process_time()
        n_steps, loss, stops = 0, np.inf, False
        while n_steps < PEER_EPOCHS and loss > goal and not stops:
            _outputs, squares, stops, _logs = module.training_step(X, T)
            n_steps, loss = n_steps + 1, squares.item()  # the mean squared error before the step
        return Start(process_time() - began, loss <= goal, n_steps)

    return solve


def optimistix_lm():
    """optimistix's Levenberg-Marquardt, its steps in one compiled loop that ends at the goal."""
    import equinox as eqx
    import optimistix as optx

    made = {}

    def loop_of(functions):
        solver = optx.LevenbergMarquardt(rtol=1e-15, atol=1e-15)

        def residuals(w, _arguments):
            return functions.plain_residuals(w), None

        def run(w, least):
            r, aux = jax.eval_shape(lambda y: residuals(y, None), w)
            state = solver.init(residuals, w, None, {}, r, aux, frozenset())
            arrays, rest = eqx.partition(state, eqx.is_array)  # a loop carries arrays alone

            def step(carry):
                w, arrays, k, _squares = carry
                state = eqx.combine(arrays, rest)
                w, state, _aux = solver.step(residuals, w, None, {}, state, frozenset())
                return w, eqx.filter(state, eqx.is_array), k + 1, (functions.plain_residuals(w) ** 2).sum()

            def goes_on(carry):
                return (carry[3] > least) & (carry[2] < PEER_EPOCHS)

            return jax.lax.while_loop(goes_on, step, (w, arrays, 0, (functions.plain_residuals(w) ** 2).sum()))[2:]

        return eqx.filter_jit(run)

    def solve(case, w):
        if case.functions not in made:
            made[case.functions] = loop_of(case.functions)
            jax.block_until_ready(made[case.functions](jnp.asarray(w), case.least))
        began = process_time()
        n_steps, squares = jax.block_until_ready(made[case.functions](jnp.asarray(w), case.least))
        return Start(process_time() - began, bool(squares <= case.least), int(n_steps))

    return solve


def solvers():
    """name -> solver; those whose packages are not installed are left out."""
    found = {
        "lm": fastbp_fit("lm"),
        "lm, acceleration=0": fastbp_fit("lm", acceleration=0.0),
        "scg": fastbp_fit("scg"),
        "lbfgs": fastbp_fit("lbfgs"),
        "scipy lm": least_squares("lm"),
        "scipy trf": least_squares("trf"),
        "scipy L-BFGS-B": scipy_lbfgs,
        "torch L-BFGS": torch_lbfgs,
    }
    for name, make in (("optimistix lm", optimistix_lm), ("torch-lm", torch_levenberg_marquardt)):
        try:
            found[name] = make()
        except ImportError:
            continue
    return found


def starts_of(solve, case, n_starts):
    """All starts of a solver, or as many as its seconds are enough for."""
    w = nguyen_widrow(case.problem, 0)
    if solve(case, w) is None:  # which compiles, too
        return None
    found, spent = [], 0.0
    for seed in range(n_starts):
        found.append(solve(case, nguyen_widrow(case.problem, seed)))
        spent += found[-1].seconds
        if spent > BUDGET:
            break
    return found


def run(n_starts):
    """{(problem, goal): {solver: its starts}}; of all solvers that do not refuse."""
    rows, known = {}, solvers()
    for problem in PROBLEMS:
        functions = Functions(problem.sizes, problem.output, problem.X, problem.T)
        for goal in problem.goals:
            case = Case(problem, goal, functions, problem.network())
            found = {name: starts_of(solve, case, n_starts) for name, solve in known.items()}
            rows[problem, goal] = {name: starts for name, starts in found.items() if starts is not None}
    return rows
