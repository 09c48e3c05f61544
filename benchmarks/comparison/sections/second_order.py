"""Second derivatives and the solvers that use them: passes, and times to a goal."""

from typing import NamedTuple

import numpy as np

from ..measure import say
from ..tables import Outcome, Table, digits, percent

N_STARTS = 30
LM_PEERS = ("scipy lm", "scipy trf", "optimistix lm", "torch-lm")


class GoalRow(NamedTuple):
    """The starts of all solvers on a goal."""

    title: str
    starts: dict


def run(setup, done):
    """Four tables; the solvers' has a column for each, the passes' one for each library."""
    from ..second_order import minimisers, passes  # JAX is imported by them

    say("J^T J, Hessians and products: validated, then timed")
    gauss_newton, hessians = passes.gauss_newton(setup.repeats), passes.hessians(setup.repeats)
    products = passes.products(setup.repeats)
    say("times to goals")
    goals = [
        GoalRow(f"{problem.name} {'-'.join(map(str, problem.sizes))}: {goal:g}", starts)
        for (problem, goal), starts in minimisers.run(N_STARTS).items()
    ]
    tables = [_of_passes(gauss_newton), _of_hessians(hessians), _of_products(products), _of_goals(goals)]
    return Outcome("second-order", [*gauss_newton, *hessians, *products, *goals], tables)


def _median(row, name):
    return float(np.median(row.seconds[name]))


def _ms(row, name):
    return digits(1e3 * _median(row, name))


def _times(row, name, by="fastbp"):
    return digits(float(np.median(row.seconds[name] / row.seconds[by])))


def _of_passes(rows):
    columns = ["E, gradient, J^T J (ms)", "fastbp", "JAX", "NumPy, J given", "JAX / fastbp", "NumPy / fastbp",
               "gradients", "of the peak"]  # fmt: skip
    lines = [
        [r.title, _ms(r, "fastbp"), _ms(r, "jax"), _ms(r, "numpy"), _times(r, "jax"), _times(r, "numpy"),
         _times(r, "fastbp", "gradient"), percent(r.flops / _median(r, "fastbp") / r.peak)]
        for r in rows
    ]  # fmt: skip
    return Table("One pass", columns, lines)


def _of_hessians(rows):
    lines = [[r.title, _ms(r, "fastbp"), _ms(r, "jax"), _times(r, "jax")] for r in rows]
    return Table("Exact Hessian", ["(ms)", "fastbp", "JAX", "JAX / fastbp"], lines)


def _of_products(rows):
    columns = ["H v (ms)", "fastbp", "G v", "its gradient", "H v / gradient", "JAX", "JAX / fastbp"]
    lines = [
        [r.title, _ms(r, "fastbp"), _ms(r, "fastbp G v"), _ms(r, "gradient"), _times(r, "fastbp", "gradient"),
         _ms(r, "jax"), _times(r, "jax")]
        for r in rows
    ]  # fmt: skip
    return Table("Products", columns, lines)


def _of_goals(rows):
    """Median of the starts that reached the goal: ms (epochs), and how many of them did, where not all."""
    names = list(dict.fromkeys(name for row in rows for name in row.starts))
    lines = [[r.title, *(_goal_cell(r.starts.get(name)) for name in names), _of_fastest(r), _of_lbfgs(r)] for r in rows]
    return Table("Time to a goal (ms)", ["", *names, "fastest other LM / lm", "SciPy's L-BFGS-B / lbfgs"], lines)


def _reached(starts):
    return [start for start in starts or () if start.is_reached]


def _goal_cell(starts):
    if starts is None:
        return "refuses"
    reached = _reached(starts)
    share = f" {len(reached)}/{len(starts)}" if len(reached) < len(starts) else ""
    if not reached:
        return share.strip()
    milliseconds, epochs = 1e3 * np.median([s.seconds for s in reached]), np.median([s.n_epochs for s in reached])
    return f"{digits(milliseconds)} ({epochs:g}){share}"


def _ratio(row, others, own):
    medians = {name: np.median([s.seconds for s in found]) for name in (*others, own)
               if (found := _reached(row.starts.get(name)))}  # fmt: skip
    ours = medians.pop(own, None)
    return digits(min(medians.values()) / ours) if ours and medians else "-"


def _of_fastest(row):
    return _ratio(row, LM_PEERS, "lm")


def _of_lbfgs(row):
    return _ratio(row, ("scipy L-BFGS-B",), "lbfgs")
