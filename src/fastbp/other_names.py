"""What users of other libraries call what fastbp has: for errors, where the nearest name would be a wrong one."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_CALLED = {
    # arguments
    "learning_rate": "lr eta step_size learning_rate_init initial_learning_rate rate",
    "epochs": "epoch n_epochs num_epochs nb_epoch nb_epochs max_epochs max_iter n_iter iterations n_iterations",
    "progress": "verbose verbosity show disp display progress_bar show_progress",
    "validation": "validation_split validation_data validation_fraction validation_set val val_data val_split eval_set",
    "patience": "early_stopping n_iter_no_change early_stopping_rounds max_fail",
    "l2": "weight_decay alpha l2_reg l2_regularization reg_lambda lambda_ lambd decay ridge",
    "l1": "l1_reg l1_regularization lasso reg_alpha",
    "solver": "optimizer optimiser algorithm trainer trainf method training_function",
    "batch_size": "batch batchsize minibatch mini_batch minibatch_size mini_batch_size",
    "callback": "callbacks",
    "sample_weight": "sample_weights weight weights class_weight",
    "seed": "random_state random_seed rng",
    "n_threads": "n_jobs num_threads threads num_workers workers",
    "dropout": "drop dropout_rate drop_rate p_drop",
    "checkpoint": "checkpoint_path save_path ckpt",
    "label_smoothing": "smoothing",
    "schedule": "learning_rate_schedule lr_schedule lr_scheduler scheduler",
    "tol": "tolerance min_delta",
    "sizes": "hidden_layer_sizes layers units layer_sizes hidden_sizes shape hidden hidden_layers "
    "hidden_units n_hidden",
    "activation": "activations activation_function hidden_activation transfer transf",
    "output": "output_activation out_activation last_activation",
    "init": "initializer kernel_initializer weight_init initialisation initialization",
    "bias": "use_bias fit_intercept biases",
    "skip": "skip_connections shortcuts residual",
    "beta_1": "beta1 b1 betas",
    "beta_2": "beta2 b2",
    "epsilon": "eps",
    "nesterov": "nesterovs_momentum use_nesterov",
    # losses
    "squared_error": "mse mean_squared_error l2_loss mseloss quadratic least_squares squared_loss",
    "absolute_error": "mae mean_absolute_error l1_loss l1loss",
    "cross_entropy": "categorical_crossentropy categorical_cross_entropy crossentropy crossentropyloss "
    "sparse_categorical_crossentropy softmax_cross_entropy nll log_loss",
    "binary_cross_entropy": "bce bceloss binary_crossentropy bce_with_logits bcewithlogitsloss logistic_loss",
    "huber": "smooth_l1 huber_loss smoothl1loss",
    "quantile": "pinball pinball_loss quantile_loss",
    "poisson": "poisson_nll poissonnllloss poisson_loss",
    # activation functions
    "logistic": "sigmoid sigm logsig expit",
    "identity": "linear none purelin",
    "tanh": "tansig hyperbolic_tangent",
    "relu": "rectifier rectified_linear poslin",
    "leaky_relu": "lrelu leaky leakyrelu",
    "silu": "swish",
    "selu": "scaled_elu",
    "gaussian": "gauss rbf radbas",
    "ramp": "satlin linear_piece",
    "threshold": "step heaviside hardlim binary_step",
    "sin": "sine",
    "exp": "exponential",
    # solvers and schedules
    "sgd": "momentum gradient_descent gd backprop backpropagation incremental vanilla traingd",
    "rprop": "irprop trainrp resilient",
    "quickprop": "qprop fahlman",
    "rmsprop": "rms",
    "inverse_scaling": "invscaling inverse_time",
    "cosine": "cosine_annealing cosine_decay",
    "linear": "linear_decay polynomial",
    "step": "step_decay staircase piecewise",
    # initial weights
    "glorot_uniform": "xavier xavier_uniform glorot",
    "glorot_normal": "xavier_normal",
    "he_uniform": "kaiming_uniform he kaiming",
    "he_normal": "kaiming_normal",
    "lecun_uniform": "lecun",
    "zeros": "zero",
    # how a batch is added up
    "mean": "average avg",
}  # fmt: skip
_CANONICAL = {other: name for name, others in _CALLED.items() for other in others.split()}


def canonical(name: str) -> str:
    """fastbp's name for what another library calls `name`; else `name`, in fastbp's way of writing."""
    plain = _plain(name)
    return _CANONICAL.get(plain, plain)


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.5) -> str | None:
    """The one of the `known` names that is meant, if any comes near."""
    names = list(known)
    if canonical(name) in names:
        return canonical(name)
    found = difflib.get_close_matches(_plain(name), names, 1, cutoff)
    return found[0] if found else None


def hint(name: str, known: Iterable[str], elsewhere: Callable[..., Any], call: str) -> str:
    """What to say of an unknown keyword: the one that is meant, or the call that takes it, `call` with its name."""
    others = keywords_of(elsewhere).difference(known)
    meant = nearest(name, [*known, *others])
    if meant is None:
        return ""
    if meant in others:
        return f"; {meant} is given in another call: {call.format(meant)}"
    return f"; did you mean {meant!r}?"


def keywords_of(function: Callable[..., Any]) -> set[str]:
    """Names of what a function takes by keyword."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)} - {"self", "cls"}


def knows_other_names(elsewhere: str, call: str) -> Callable[[F], F]:
    """A decorator: keywords that the method does not take raise a TypeError with the one that is meant.

    `elsewhere`: name of another method, whose keywords are known too; `call`: see `hint`.
    """

    def decorate(function: F) -> F:
        known = keywords_of(function)
        shown = "Network" if function.__name__ == "__init__" else function.__name__

        @wraps(function)
        def checked(self: Any, *args: Any, **keywords: Any) -> Any:
            for name in keywords:
                if name not in known:
                    owner = self if isinstance(self, type) else type(self)
                    meant = hint(name, known, getattr(owner, elsewhere), call)
                    raise TypeError(f"{shown} got an unexpected argument {name!r}{meant}")
            return function(self, *args, **keywords)

        return checked  # type: ignore[return-value]

    return decorate


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
