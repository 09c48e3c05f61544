"""fastbp: train and run feed-forward networks on a CPU, with the derivation's own loops.

>>> import fastbp
>>> net = fastbp.Network((4, 16, 3), output="softmax", loss="cross_entropy")
>>> print(net)
Network: 131 parameters, loss cross_entropy, float64
  layer      units  function  from  parameters
  0 inputs       4
  1 hidden      16  tanh      0             80
  2 outputs      3  softmax   1             51
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastbp.activations import Activation
from fastbp.embedding import embedded
from fastbp.explaining.traps import TrainingWarning
from fastbp.losses import Loss
from fastbp.network import Network
from fastbp.population.population import Population
from fastbp.population.tuning import Tuned, tune
from fastbp.training.history import History
from fastbp.version import __version__

if TYPE_CHECKING:
    from fastbp.checking.self_check import SelfCheck, self_check
    from fastbp.estimators import MLPClassifier, MLPRegressor
    from fastbp.explaining.gradient_check import GradientCheck, check_gradient
    from fastbp.explaining.schedule import ScheduleDescription, describe_schedule
    from fastbp.tables.preparing.transformer import TableEncoder
    from fastbp.versions import show_versions
    from fastbp.warm import warm_up

# Loaded when asked for: no training needs them, and scikit-learn takes longer to import than all else.
# By name: the packages, the extra that installs them, and the module.
_LAZY: dict[str, tuple[tuple[str, ...], str, str]] = {
    "GradientCheck": ((), "", "fastbp.explaining.gradient_check"),
    "ScheduleDescription": ((), "", "fastbp.explaining.schedule"),
    "SelfCheck": ((), "", "fastbp.checking.self_check"),
    "check_gradient": ((), "", "fastbp.explaining.gradient_check"),
    "describe_schedule": ((), "", "fastbp.explaining.schedule"),
    "self_check": ((), "", "fastbp.checking.self_check"),
    "show_versions": ((), "", "fastbp.versions"),
    "warm_up": ((), "", "fastbp.warm"),
    "MLPClassifier": (("sklearn",), "sklearn", "fastbp.estimators"),
    "MLPRegressor": (("sklearn",), "sklearn", "fastbp.estimators"),
    "TableEncoder": (("sklearn", "polars", "msgspec"), "cli", "fastbp.tables.preparing.transformer"),
}

_MODULES = frozenset({"dask", "data", "estimators", "exchange", "io", "jit", "neat", "plots"})


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for."""
    if name in _MODULES:
        return import_module(f"fastbp.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    needed, extra, module = _LAZY[name]
    for package in needed:
        try:
            import_module(package)
        except ImportError as error:
            project = "scikit-learn" if package == "sklearn" else package
            raise ImportError(f'fastbp.{name} needs {project}: pip install "fastbp[{extra}]"') from error
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Activation",
    "GradientCheck",
    "History",
    "Loss",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "Population",
    "ScheduleDescription",
    "SelfCheck",
    "TableEncoder",
    "TrainingWarning",
    "Tuned",
    "__version__",
    "check_gradient",
    "describe_schedule",
    "embedded",
    "self_check",
    "show_versions",
    "tune",
    "warm_up",
]
