"""The libraries that are compared, each behind the same few methods."""

from importlib.util import find_spec

from .fastbp_fit import Fastbp
from .jax_scan import JaxScan
from .numpy_by_hand import NumpyByHand
from .pytorch import PyTorch
from .scikit_learn import ScikitLearn

# fastbp comes first: the others have to reach its parameters, and their times are divided by its own.
PEERS = {
    "fastbp": Fastbp,
    "numpy": NumpyByHand,
    "sklearn": ScikitLearn,
    "torch": PyTorch,
    "jax": JaxScan,
}


def is_installed(peer):
    return find_spec(peer.package) is not None
