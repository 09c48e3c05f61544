"""Whether a network is the model that it was made of: both compute some samples of random numbers."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.network import Network

N_PROBES = 12  # samples for which a network is compared with what it was made of
PROBE_SIZES = 0.1, 1.0, 10.0
ROUNDING = 64.0  # eps of the largest output: what other orders of adding up, and weights rounded anew, may come to
SHAKEN, MARGIN = 16.0, 8.0  # eps by which weights are shaken to see how rounding grows; how much more is let pass
# Functions that others compute to fewer digits than ours, as the importers' notes say: relative to the largest output.
LOOSE = {"softplus": 1e-6, "leaky_relu": 1e-6}


def same_outputs(
    net: Network, run: Callable[[Array], Any], model: str, of_inputs: tuple[Array, Array] | None = None
) -> Network:
    """The network, once its outputs are those of the model that it was made of: `run` gives these for a batch.

    What an importer does not know, an option that came with a newer version, say, shows here and is refused. Outputs
    may differ by what rounding comes to, which weights show that are a little off. With `of_inputs`, (scale, shift) of
    what is done to the inputs first, there are samples that are about 0 in the mean once they are scaled, too.
    """
    draw = np.random.default_rng(0).normal(size=(N_PROBES, net.n_inputs)) * np.resize(PROBE_SIZES, (N_PROBES, 1))
    _compare(net, run, model, draw.astype(net.dtype))
    if of_inputs is not None:
        with np.errstate(all="ignore"):
            unscaled = ((draw - of_inputs[1]) / of_inputs[0]).astype(net.dtype)
        _compare(net, run, model, np.where(np.isfinite(unscaled), unscaled, draw).astype(net.dtype))
    return net


def _compare(net: Network, run: Callable[[Array], Any], model: str, x: Array) -> None:
    """Raise a ValueError for samples whose outputs differ."""
    expected = _expected(net, run, model, x)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found, shaken = (np.asarray(n.forward(x), np.float64) for n in (net, _shaken(net)))
        largest = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        loose = max((LOOSE.get(name, 0.0) for name in net.layer_functions), default=0.0)
        eps = float(np.finfo(net.dtype).eps)
        allowed = (ROUNDING * eps + loose) * largest + MARGIN * np.abs(found - shaken) + np.finfo(net.dtype).tiny
        off = np.abs(found - expected)
        differs = (off > allowed) & ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    if differs.any():
        n, k = (int(i) for i in np.argwhere(differs)[0])
        raise ValueError(
            f"{model} must be what fastbp can be, and is not: for a sample of random numbers its output {k} is "
            f"{expected[n, k]:.9g}, where the same layers in fastbp give {found[n, k]:.9g}"
        )


def _expected(net: Network, run: Callable[[Array], Any], model: str, x: Array) -> Array:
    """What the model makes of samples."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = np.asarray(run(x), np.float64)
    except Exception as error:  # whatever another library raises
        raise ValueError(f"{model} must take samples of {net.n_inputs} numbers; {str(error)[:300]}") from error
    if expected.size != len(x) * net.n_outputs:
        raise ValueError(f"{model} must give {net.n_outputs} numbers for a sample; it gives shape {expected.shape}")
    return expected.reshape(len(x), net.n_outputs)


def _shaken(net: Network) -> Network:
    """The network with weights that are some units in the last place off."""
    other = net.twin()
    eps = float(np.finfo(net.dtype).eps)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], net.n_params)
    other.params = (net.params * (1.0 + SHAKEN * eps * signs)).astype(net.dtype)
    return other
