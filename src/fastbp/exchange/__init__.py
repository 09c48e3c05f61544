"""Networks as other programs have them: in from other libraries; out as C, ONNX and safetensors by `Network`'s methods.

What writes stands in `exporting`; no code of a file is run here.

>>> from fastbp.exchange import from_sklearn
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastbp.exchange.fann import from_fann
    from fastbp.exchange.keras import from_keras
    from fastbp.exchange.matlab import from_matlab
    from fastbp.exchange.onnx_import import from_onnx
    from fastbp.exchange.pytorch import from_pytorch
    from fastbp.exchange.r import from_neuralnet, from_nnet
    from fastbp.exchange.scikit_learn import from_sklearn

_MODULES = {
    "from_fann": "fann", "from_keras": "keras", "from_matlab": "matlab", "from_neuralnet": "r", "from_nnet": "r",
    "from_onnx": "onnx_import", "from_pytorch": "pytorch", "from_sklearn": "scikit_learn",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """The importers, loaded when asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"fastbp.exchange.{_MODULES[name]}"), name)


__all__ = [
    "from_fann",
    "from_keras",
    "from_matlab",
    "from_neuralnet",
    "from_nnet",
    "from_onnx",
    "from_pytorch",
    "from_sklearn",
]
