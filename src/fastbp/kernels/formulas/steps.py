"""Weight updates: one loop over flat arrays each.

w, g and the moments have the same length and order, filled up to whole registers.
`scale` turns the summed gradient into the one that is stepped along (1, or 1 / samples in the batch).
Numbers below the smallest normal one are set to zero, or squares held just above it: moments that fade away, such as
those of a unit that has died, would otherwise slow the whole loop.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.codes import ADAM, IRPROP_PLUS, OF_SOLVER, SGD, SOLVERS
from fastbp.kernels.compiling.addresses import Slot, for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.elementary import quotient_by_root, smallest_normal
from fastbp.kernels.registers.lanes import (
    Doubles,
    Numbers,
    copysign,
    fma,
    lanes,
    like,
    load,
    maximum,
    minimum,
    number,
    select,
    set_number,
    shift,
    store,
    store_first,
    view,
    where_normal,
)  # fmt: skip


def place_of(solver: Any, option: Any) -> Any:
    """Where `Solver.options` holds an option of a solver."""
    return SOLVERS[solver].options.index(option)


MOMENTUM = place_of("sgd", "momentum")
BETA_1, BETA_2, EPSILON = (place_of("adam", option) for option in ("beta_1", "beta_2", "epsilon"))
RHO, RMSPROP_EPSILON = place_of("rmsprop", "rho"), place_of("rmsprop", "epsilon")
ETA_MINUS, ETA_PLUS = place_of("rprop", "eta_minus"), place_of("rprop", "eta_plus")
STEP_MIN, STEP_MAX = place_of("rprop", "step_min"), place_of("rprop", "step_max")
MAX_GROWTH = place_of("quickprop", "max_growth")
LAST_ERROR, HAS_GROWN = 0, 1  # what `Solver.decay` holds of irprop_plus

TINY = 2.2250738585072014e-308  # the smallest normal number of float64


class Solver(NamedTuple):
    """What takes a step from a gradient, and what it remembers."""

    kind: int  # its code
    address: int  # of its function, see `address_of_step`
    options: np.ndarray  # (N_OPTIONS,) float64, see `place_of`
    state: np.ndarray  # (n_moments, n_params filled up); if it is `scaled` two rows more, see `scaled_steps.py`
    decay: np.ndarray  # (2,) float64: beta_1**t and beta_2**t after t steps, or see `compare_errors`
    l1: float
    l2: float
    n_weights: int  # the first of the parameters; biases, which l1 and l2 leave alone, follow
    mean: bool  # steps follow the mean over the batch, not the sum
    scaled: bool = False  # whether each parameter has a factor of its own, which `address` knows of


class Rule(NamedTuple):
    """A `Solver` as views."""

    kind: int
    options: Doubles
    first: Numbers  # the moments
    second: Numbers
    decay: Doubles
    l1: float
    l2: float
    n_weights: int
    n_params: int
    address: int  # of the function that takes the step


@kernel
def rule_of(solver):
    """The views of a solver."""
    first = view(solver.state)
    second = shift(first, solver.state.shape[1] if len(solver.state) > 1 else 0)
    return Rule(
        solver.kind, view(solver.options), first, second, view(solver.decay),
        solver.l1, solver.l2, solver.n_weights, solver.state.shape[1], solver.address,
    )  # fmt: skip


@kernel
def with_penalties_divided(rule, total):
    """The rule with its penalties divided by `total`."""
    return Rule(
        rule.kind, rule.options, rule.first, rule.second, rule.decay,
        rule.l1 / total, rule.l2 / total, rule.n_weights, rule.n_params, rule.address,
    )  # fmt: skip


class Step(NamedTuple):
    """A step along a gradient, if it is to be taken."""

    taken: bool
    rule: Rule
    learning_rate: float
    scale: float  # turns the sum over the samples into what is followed


@kernel
def no_step(numbers, doubles):
    """The step that is not taken; the views stand where it would have its own."""
    return Step(False, Rule(SGD, doubles, numbers, numbers, doubles, 0.0, 0.0, 0, 0, 0), 0.0, 0.0)


@kernel
def mean_of_squares(rate, v, share, g):
    """rate v + share g**2, and next to nothing, so that it is never a subnormal number."""
    return fma(rate, v, fma(share, g * g, smallest_normal(g)))


@kernel
def mean_of(beta, m, share, g):
    """beta m + share g, or share g where m is a subnormal number."""
    return fma(share, g, where_normal(m, beta * m))


@kernel
def velocity(momentum, v, step):
    """momentum v - step, or 0 where that is a subnormal number."""
    v = momentum * v - step
    return where_normal(v, v)


class Span(NamedTuple):
    """Parameters start .. stop - 1, whole registers, with the learning rate and scale of a `Step`."""

    start: int
    stop: int
    learning_rate: float
    scale: float


@entry
def sgd(w, g, rule, span):
    """v <- momentum v - eta g;  w <- w + v."""
    add_penalties(w, g, rule, span)
    v, momentum = rule.first, number(rule.options, MOMENTUM)
    for p in range(span.start, span.stop, lanes(w)):
        v_p = velocity(momentum, load(v, p), span.learning_rate * (span.scale * load(g, p)))
        store(v, p, v_p)
        store(w, p, load(w, p) + v_p)


@entry
def nesterov(w, g, rule, span):
    """v <- momentum v - eta g;  w <- w + momentum v - eta g, with the new v."""
    add_penalties(w, g, rule, span)
    v, momentum = rule.first, number(rule.options, MOMENTUM)
    for p in range(span.start, span.stop, lanes(w)):
        step_p = span.learning_rate * (span.scale * load(g, p))
        v_p = velocity(momentum, load(v, p), step_p)
        store(v, p, v_p)
        store(w, p, load(w, p) + (momentum * v_p - step_p))


@entry
def adam(w, g, rule, span):
    """m <- beta_1 m + (1 - beta_1) g;  v <- beta_2 v + (1 - beta_2) g**2;  w <- w - eta m / (sqrt(v) + epsilon).

    Kingma and Ba (2015), algorithm 1 in the form at the end of its section 2: eta holds the two
    corrections for the start from zero.
    """
    add_penalties(w, g, rule, span)
    m, v = rule.first, rule.second
    beta_1, beta_2 = number(rule.options, BETA_1), number(rule.options, BETA_2)
    epsilon = number(rule.options, EPSILON)
    share_1, share_2 = (1.0 - beta_1) * span.scale, (1.0 - beta_2) * span.scale * span.scale
    for p in range(span.start, span.stop, lanes(w)):
        g_p = load(g, p)
        m_p = mean_of(beta_1, load(m, p), share_1, g_p)
        v_p = mean_of_squares(beta_2, load(v, p), share_2, g_p)
        store(m, p, m_p)
        store(v, p, v_p)
        store(w, p, load(w, p) - quotient_by_root(span.learning_rate * m_p, v_p, epsilon))


@entry
def rmsprop(w, g, rule, span):
    """v <- rho v + (1 - rho) g**2;  w <- w - eta g / (sqrt(v) + epsilon).  Tieleman and Hinton (2012)."""
    add_penalties(w, g, rule, span)
    v, rho, epsilon = rule.first, number(rule.options, RHO), number(rule.options, RMSPROP_EPSILON)
    for p in range(span.start, span.stop, lanes(w)):
        g_p = span.scale * load(g, p)
        v_p = mean_of_squares(rho, load(v, p), 1.0 - rho, g_p)
        store(v, p, v_p)
        store(w, p, load(w, p) - quotient_by_root(span.learning_rate * g_p, v_p, epsilon))


# Rprop: each weight has a step size of its own, led by the sign of its gradient. Riedmiller and Braun (1993); names of
# the four variants: Igel and Huesken (2000). Only signs are compared: products of tiny gradients would underflow.


@kernel
def next_size(size, agreement, options):
    """The sign stays: the step grows. It changes: the step shrinks."""
    larger = minimum(number(options, STEP_MAX), size * number(options, ETA_PLUS))
    smaller = maximum(number(options, STEP_MIN), size * number(options, ETA_MINUS))
    return select(agreement > 0.0, larger, select(agreement < 0.0, smaller, size))


@entry
def rprop(w, g, rule, span):
    """iRprop-: after a change of sign the gradient counts as zero, here and in the next round."""
    add_penalties(w, g, rule, span)
    previous, size = rule.first, rule.second
    for p in range(span.start, span.stop, lanes(w)):
        sign = sign_of(load(g, p))
        agreement = sign * load(previous, p)
        size_p = next_size(load(size, p), agreement, rule.options)
        sign = select(agreement < 0.0, like(sign, 0.0), sign)
        store(size, p, size_p)
        store(previous, p, sign)
        store(w, p, load(w, p) - sign * size_p)


@entry
def rprop_minus(w, g, rule, span):
    """Rprop-: after a change of sign the smaller step is taken back at once."""
    add_penalties(w, g, rule, span)
    previous, size = rule.first, rule.second
    for p in range(span.start, span.stop, lanes(w)):
        sign = sign_of(load(g, p))
        size_p = next_size(load(size, p), sign * load(previous, p), rule.options)
        store(size, p, size_p)
        store(previous, p, sign)
        store(w, p, load(w, p) - sign * size_p)


@entry
def rprop_plus(w, g, rule, span):
    """Rprop+: after a change of sign the last step is undone."""
    add_penalties(w, g, rule, span)
    step_with_backtracking(w, g, rule, span, 1.0)


@entry
def irprop_plus(w, g, rule, span):
    """iRprop+: the last step is undone only if the error has grown."""
    add_penalties(w, g, rule, span)
    step_with_backtracking(w, g, rule, span, number(rule.decay, HAS_GROWN))


@kernel
def step_with_backtracking(w, g, rule, span, undone):
    """A step; after a change of sign `undone` (1 or 0) of the last, which was -(sign before) (size before)."""
    previous, size = rule.first, rule.second
    for p in range(span.start, span.stop, lanes(w)):
        sign, before, old_size = sign_of(load(g, p)), load(previous, p), load(size, p)
        changed = sign * before < 0.0
        size_p = next_size(old_size, sign * before, rule.options)
        sign = select(changed, like(sign, 0.0), sign)
        store(size, p, size_p)
        store(previous, p, sign)
        store(w, p, load(w, p) - select(changed, -undone * before * old_size, sign * size_p))


@kernel
def compare_errors(rule, error):
    """For irprop_plus: whether the error has grown since the last step."""
    if rule.kind == IRPROP_PLUS:
        set_number(rule.decay, HAS_GROWN, 1.0 if error > number(rule.decay, LAST_ERROR) else 0.0)
        set_number(rule.decay, LAST_ERROR, error)


@entry
def quickprop(w, g, rule, span):
    """Steps to where the parabola through the last two slopes is least. Fahlman (1988), as in his program.

    With s = -g: step <- s / (s_before - s) step; but max_growth times the last one if that would be longer, or up; and
    eta s is added unless the slope has changed its sign.
    """
    add_penalties(w, g, rule, span)
    before, step, growth = rule.first, rule.second, number(rule.options, MAX_GROWTH)
    shrink = growth / (1.0 + growth)
    for p in range(span.start, span.stop, lanes(w)):
        s, last = -span.scale * load(g, p), load(step, p)
        way = sign_of(last)
        far = way * s > shrink * (way * load(before, p))
        parabola = select(far, growth * last, last * s / (load(before, p) - s))
        step_p = select(way == 0.0, way, parabola)
        step_p = step_p + select(way * s < 0.0, like(s, 0.0), span.learning_rate * s)
        step_p = where_normal(step_p, step_p)
        store(before, p, s)
        store(step, p, step_p)
        store(w, p, load(w, p) + step_p)


@kernel
def sign_of(x):
    """-1, 0 or 1."""
    return select(x == 0.0, x, copysign(like(x, 1.0), x))


@kernel
def add_penalties(w, g, rule, span):
    """g += l2 w + l1 sign(w), for the weights; g is a sum that is still to be scaled.

    Only the last register is stored in part: the step's loads would wait for such stores.
    """
    if rule.l1 == 0.0 and rule.l2 == 0.0:
        return
    stop = max(span.start, min(span.stop, rule.n_weights))  # a thread's share may hold biases only
    whole = stop - (stop - span.start) % lanes(w)
    l1, l2 = rule.l1 / span.scale, rule.l2 / span.scale
    for p in range(span.start, whole, lanes(w)):
        store(g, p, penalized(load(g, p), load(w, p), l1, l2))
    if whole < stop:
        store_first(g, whole, penalized(load(g, whole), load(w, whole), l1, l2), stop - whole)


@kernel
def penalized(g, w, l1, l2):
    """A register of `add_penalties`; a subgradient: 0 where w = 0."""
    return g + (l2 * w + l1 * sign_of(w))


STEP = Slot(Numbers, Numbers, Rule, Span)
STEPS = {code: globals()[name] for name, code in OF_SOLVER.items()}  # code -> what takes the step


@for_warm_up(*((kind,) for kind in STEPS))
@cache
def address_of_step(kind, dtype):
    """Address of the function that takes a solver's step."""
    return STEP.address(STEPS[kind], dtype)


@kernel
def next_power(power, base):
    """power * base, or 0 once that leaves the normal numbers.

    0.9**t would stay among the subnormal ones for ever after 7,000 steps, and each product of these is slow.
    """
    product = power * base
    return product if product > TINY else 0.0


@kernel
def next_rate(rule, learning_rate):
    """The learning rate of the next step; with adam, its corrections for the start from zero included."""
    if rule.kind != ADAM:
        return learning_rate
    decay_1 = next_power(number(rule.decay, 0), number(rule.options, BETA_1))
    decay_2 = next_power(number(rule.decay, 1), number(rule.options, BETA_2))
    set_number(rule.decay, 0, decay_1)
    set_number(rule.decay, 1, decay_2)
    return learning_rate * np.sqrt(1.0 - decay_2) / (1.0 - decay_1)


@kernel
def step_along(w, g, step, start, stop):
    """Update the parameters w from `start` to before `stop`, whole registers, along the summed gradient g."""
    STEP.call(step.rule.address, w, g, step.rule, Span(start, stop, step.learning_rate, step.scale))


@kernel
def take_step(w, g, step):
    """Update all parameters."""
    step_along(w, g, step, 0, step.rule.n_params)
