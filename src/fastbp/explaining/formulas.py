"""The formulas of the activation functions and losses as they are printed, with a and z for what stands in them."""

from fastbp.explaining.terms import Output
from fastbp.kernels.formulas.activations import SELU_LOWEST
from fastbp.losses import Loss

# name -> (h(a), h'(a)); {a} and {z} are replaced by a notation's names, {a_k} and {z_k} by those of another unit
FORMULAS = {
    "identity": ("{a}", "1"),
    "logistic": ("1 / (1 + exp(-{a}))", "{z} (1 - {z})"),
    "tanh": ("tanh({a})", "1 - {z}^2"),
    "relu": ("max(0, {a})", "1 if {a} > 0, else 0"),
    "leaky_relu": ("max({a}, 0.01 {a})", "1 if {a} > 0, else 0.01"),
    "elu": ("{a} if {a} > 0, else exp({a}) - 1", "1 if {a} > 0, else exp({a})"),
    "softplus": ("ln(1 + exp({a}))", "1 / (1 + exp(-{a}))"),
    "softsign": ("{a} / (1 + |{a}|)", "1 / (1 + |{a}|)^2"),
    "gelu": ("{a} Phi({a})", "Phi({a}) + {a} phi({a})"),
    "silu": ("{a} s({a})", "s (1 + {a} (1 - s)), s = 1 / (1 + exp(-{a}))"),
    "sin": ("sin({a})", "cos({a})"),
    "gaussian": ("exp(-{a}^2)", "-2 {a} {z}"),
    "exp": ("exp({a})", "{z}"),
    "selu": (
        "1.0507 {a} if {a} > 0, else 1.7581 (exp({a}) - 1)",
        "1.0507 if {a} > 0, else 1.7581 exp({a})",
    ),
    "mish": ("{a} tanh(ln(1 + exp({a})))", "t + {a} (1 - t^2) / (1 + exp(-{a})), t = tanh(ln(1 + exp({a})))"),
    "ramp": ("min(1, max(0, {a}))", "1 if 0 < {a} < 1, else 0"),
    "softmax": ("exp({a}) / sum_k exp({a_k})", "{z} (1 - {z}), and -{z} {z_k} for two of them"),
}

# What bounds z, for functions whose slope goes to 0 at both ends; and the highest slope there is.
BOUNDS = {"logistic": (0.0, 1.0), "tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "softmax": (0.0, 1.0)}
HIGHEST_SLOPE = {"logistic": 0.25, "tanh": 1.0, "softsign": 1.0}

# Further functions whose values have a lowest or a highest one.
RANGES = BOUNDS | {
    "relu": (0.0, float("inf")),
    "softplus": (0.0, float("inf")),
    "exp": (0.0, float("inf")),
    "gaussian": (0.0, 1.0),
    "sin": (-1.0, 1.0),
    "threshold": (0.0, 1.0),
    "ramp": (0.0, 1.0),
    "elu": (-1.0, float("inf")),
    "selu": (-SELU_LOWEST, float("inf")),
}

_ERRORS = {
    "squared_error": ("1/2 ({y} - {t})^2", "{y} - {t}"),
    "sse": ("({y} - {t})^2", "2 ({y} - {t})"),
    "cross_entropy": ("-{t} ln {y}", "-{t} / {y}"),
    "binary_cross_entropy": ("-{t} ln {y} - (1 - {t}) ln(1 - {y})", "(1 - {t}) / (1 - {y}) - {t} / {y}"),
    "poisson": ("{y} - {t} ln {y}", "1 - {t} / {y}"),
    "absolute_error": ("|{y} - {t}|", "sign({y} - {t})"),
}


def formula_of(function: str, a: str, z: str) -> tuple[str, str]:
    """(h, h') of a function; of a user's own, which has no formula here, its name."""
    h, slope = FORMULAS.get(function, (f"{function}({{a}})", f"{function}'({{a}})"))
    names = {"a": a, "z": z, "a_k": a.replace("_j", "_k"), "z_k": z.replace("_j", "_k")}
    return h.format(**names), slope.format(**names)


def error_formula(loss: Loss, output: Output) -> tuple[str, str]:
    """(E_n, dE_n/dy) of an output with the loss, with {y} and {t}; of its branch, if the loss has several."""
    if loss.name == "huber":
        c = f"{loss.number:g}"
        if abs(output.y - output.t) <= loss.number:
            return _ERRORS["squared_error"]
        return f"{c} (|{{y}} - {{t}}| - {c}/2)", f"{c} sign({{y}} - {{t}})"
    if loss.name == "quantile":
        q = f"{loss.number:g}"
        if output.y == output.t:
            return f"{q} ({{t}} - {{y}})", "0"
        return (f"{q} ({{t}} - {{y}})", f"-{q}") if output.t > output.y else (f"(1 - {q}) ({{y}} - {{t}})", f"1 - {q}")
    return _ERRORS.get(loss.name, (f"{loss.name}({{y}}, {{t}})", f"{loss.name}'({{y}}, {{t}})"))
