"""What each network's training is asked for, checked: the arguments of `Population.fit` but for the data."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.minimiser_options import MINIMISERS, MinimiserChoice
from fastbp.solvers import SOLVERS, make_solver, options_of_solver, refuse_unknown
from fastbp.structure import initial
from fastbp.training.options import Options

# Arguments of which each network may have its own: a list, a tuple or an array with one for each
OWN = ("solver", "batch_size", "learning_rate", "l1", "l2", "patience", "tol", "goal", "label_smoothing")
RATE = OWN.index("learning_rate")


def each(value: Any, name: str, n: int) -> list[Any]:
    """One value for each of n networks, from a sequence of n or from one for all."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0):
        if len(value) != n:
            raise ValueError(f"{name} must be one for all, or one for each of {n} networks; got {len(value)}")
        return value.tolist() if isinstance(value, np.ndarray) else list(value)
    return [value] * n


def options_of(n: int, caller: Callable[..., Any], solver_options: dict[str, Any], **given: Any) -> list[Options]:
    """The options of each of n networks; those that are the same are one object.

    Raises
    ------
    ValueError, TypeError
        For what makes no sense, or what a network takes alone: minimisers.
    """
    _check_names(given["solver"], solver_options, caller)
    columns = {name: each(given.pop(name), name, n) for name in OWN}
    own_options = {name: each(value, name, n) for name, value in solver_options.items()}
    made: dict[tuple[Any, ...], Options] = {}
    checked: dict[tuple[Any, ...], Options] = {}  # by all but the learning rate
    found = []
    for values in zip(*columns.values(), *own_options.values(), strict=True):
        key = _key(values)
        if key not in made:
            others = key[:RATE] + key[RATE + 1 :]
            if others in checked:
                made[key] = checked[others].with_rate(values[RATE])
            else:
                own = dict(zip(columns, values, strict=False))
                rest = dict(zip(own_options, values[len(columns) :], strict=True))
                made[key] = checked[others] = _options(caller, own, rest, given)
        found.append(made[key])
    return found


def _check_names(solver: Any, solver_options: dict[str, Any], caller: Callable[..., Any]) -> None:
    """Refuse an option that no solver has, before it is asked how many of it there are."""
    known = (*SOLVERS, *MINIMISERS)
    of_all = {option for name in known for option in options_of_solver(name)}
    for option in solver_options:
        if option not in of_all:
            asked = solver if isinstance(solver, list | tuple) else [solver]
            name = next((one for one in asked if isinstance(one, str) and one in known), "adam")
            refuse_unknown(option, options_of_solver(name), name, (caller, caller))


def _key(values: tuple[Any, ...]) -> tuple[Hashable, ...]:
    """What is equal for equal values, or, of a dict or an array, for the same one."""
    with suppress(TypeError):
        hash(values)
        return values
    return tuple(value if isinstance(value, Hashable) else (type(value), id(value)) for value in values)


def _options(caller: Callable[..., Any], own: dict[str, Any], rest: dict[str, Any], common: dict[str, Any]) -> Options:
    solver = make_solver(own["solver"], rest, own["learning_rate"], (caller, caller))
    if isinstance(solver, MinimiserChoice):
        raise ValueError(
            f"solver must be one that steps along gradients in a population; got {solver.name!r}: train the networks "
            "one after the other, net.fit(X, T, solver=...)"
        )
    if solver.keeps_error or solver.initial_step is not None:
        raise ValueError(
            "variant must not be 'irprop+' in a population, and initial_step must be left out: net.fit has both"
        )
    others = {name: value for name, value in own.items() if name not in ("solver", "learning_rate")}
    nothing: dict[str, Any] = {"dropout": np.zeros(2), "callback": None, "progress": False, "seed": None}
    return Options(solver=solver, **others, **common, **nothing)


def seeds_of(seeds: Any, n: int) -> list[int]:
    """A seed for each network: those that are given, or seeds, seeds + 1, ..., or some that the system draws."""
    if seeds is None:
        return [int(seed) for seed in np.random.default_rng().integers(0, 2**63 - 1, n)]
    if isinstance(seeds, list | tuple) or (isinstance(seeds, np.ndarray) and seeds.ndim > 0):
        return [
            checks.integer(s, f"seeds[{k}]", minimum=0, maximum=np.inf) for k, s in enumerate(each(seeds, "seeds", n))
        ]
    first = initial.as_integer(checks.integer(seeds, "seeds", minimum=0, maximum=np.inf))
    assert first is not None
    return [first + k for k in range(n)]


def rows_of(rows: Any, name: str, n: int, n_samples: int) -> list[Array]:
    """Numbers of rows of X for each network: int64."""
    given = checks.items(rows, name, f"a list of {n} arrays of row numbers, one for each network")
    if len(given) != n:
        raise ValueError(f"{name} must have an array of row numbers for each of {n} networks; got {len(given)}")
    known: dict[int, Array] = {}
    return [known.setdefault(id(one), _rows(one, f"{name}[{k}]", n_samples)) for k, one in enumerate(given)]


def _rows(rows: Any, name: str, n_samples: int) -> Array:
    array = checks.numeric(rows, name)
    if array.dtype.kind not in "iu" or array.ndim != 1 or not array.size:
        raise ValueError(
            f"{name} must be numbers of rows of X, (n,) of int, one at least; got {array.dtype} of shape {array.shape}"
        )
    if array.min() < 0 or array.max() >= n_samples:
        raise ValueError(
            f"{name} must hold numbers of rows from 0 to {n_samples - 1}; got {array.min()} to {array.max()}"
        )
    return np.ascontiguousarray(array, np.int64)
