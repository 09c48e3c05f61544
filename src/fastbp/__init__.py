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

from importlib.metadata import PackageNotFoundError, version

from fastbp.activations import Activation
from fastbp.gradient_check import GradientCheck, check_gradient
from fastbp.losses import Loss
from fastbp.network import Network
from fastbp.training import History
from fastbp.versions import show_versions
from fastbp.warm import warm_up

try:
    __version__ = version("fastbp")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"

__all__ = [
    "Activation",
    "GradientCheck",
    "History",
    "Loss",
    "Network",
    "__version__",
    "check_gradient",
    "show_versions",
    "warm_up",
]
