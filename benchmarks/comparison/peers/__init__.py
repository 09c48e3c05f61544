"""The libraries that are compared, each behind the same few methods."""

from .fann import Fann
from .fastbp_fit import Fastbp
from .irregular import NeatPython
from .jax_scan import JaxScan
from .numpy_by_hand import NumpyByHand
from .pytorch import PyTorch
from .pytorch_compiled import PyTorchCompiled
from .scikit_learn import ScikitLearn

# fastbp comes first: the others have to reach its parameters, and their times are divided by its own.
PEERS = {
    "fastbp": Fastbp,
    "numpy": NumpyByHand,
    "sklearn": ScikitLearn,
    "torch": PyTorch,
    "torch-compiled": PyTorchCompiled,
    "jax": JaxScan,
    "fann": Fann,
    "neat": NeatPython,
}
