"""From MATLAB: what `save_for_fastbp.m`, which stands beside this file, writes of a network of its toolbox."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.exchange.building import Dense, affine, dense, network_of, passing_on, read_bytes
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

SCRIPT = Path(__file__).with_name("save_for_fastbp.m")
MAX_BYTES = 1 << 26
MAX_LISTS = 1 << 20  # and objects: an empty one takes 88 bytes of memory for 3 of the file
MOST_FILLED = 1 << 21  # weights, or as many as the file has bytes, that rows of zeros, or of one 1, may add up to
TRANSFERS = {
    "tansig": "tanh", "logsig": "logistic", "purelin": "identity", "poslin": "relu", "softmax": "softmax",
    "radbas": "gaussian", "elliotsig": "softsign", "hardlim": "threshold", "satlin": "ramp",
}  # fmt: skip


def from_matlab(path: StrPath, *, dtype: Any = "float64") -> Network:
    """The network of a file that ``save_for_fastbp(net, path)`` wrote in MATLAB or Octave.

    Parameters
    ----------
    path : str or path
        `fastbp.exchange.matlab.SCRIPT` is where the function is.
    dtype : "float32" or "float64"

    Returns
    -------
    Network
        Of a feedforwardnet, fitnet or patternnet, with mapminmax, mapstd and removeconstantrows of inputs and outputs
        folded into the first and last layer. Rows of MATLAB's columns are the columns of X.

    Raises
    ------
    ValueError
        For a file that is damaged, or a transfer function that fastbp has not.

    Notes
    -----
    hardlim gives 1 at 0, our threshold 0. Folded weights are rounded anew, so outputs agree to rounding.
    """
    checked = checks.file_path(path)
    checked_dtype = checks.float_dtype(dtype)
    content = read_bytes(checked, MAX_BYTES)
    try:
        if content.count(b"[") + content.count(b"{") > MAX_LISTS:
            raise ValueError(f"it may have up to {MAX_LISTS:,} lists")
        return _network(json.loads(content), checked_dtype, max(MOST_FILLED, len(content)))
    except KeyError as error:
        raise FileError(f"{checked}: {error} is not there") from None
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise FileError(f"{checked}: {str(error)[:500]}") from None


def _network(contents: Any, dtype: np.dtype, most: int) -> Network:
    """`most`: weights that may be filled in."""
    if not isinstance(contents, dict) or contents.get("format") != "fastbp matlab" or contents.get("version") != 1:
        raise ValueError("save_for_fastbp.m did not write it")
    layers = []
    for k, described in enumerate(contents["layers"], 1):
        layer = dense(described["weights"], described["biases"], f"layer {k}")
        layer.function = TRANSFERS[checks.name_of(described["transfer"], TRANSFERS, f"transfer function of layer {k}")]
        layers.append(layer)
    if not layers:
        raise ValueError("it must have layers")
    for step in reversed(contents["input"]):
        _fold_input(layers[0], step, most)
    for step in reversed(contents["output"]):
        if layers[-1].function != "identity":
            n = len(layers[-1].weights)
            _check_filled(n, n, most)
            layers.append(passing_on(n))
        _fold_output(layers[-1], step)
    return network_of(layers, dtype, "layers")


def _check_filled(n_out: int, n_in: int, most: int) -> None:
    if n_out * n_in > most:
        raise ValueError(f"its steps may make up to {most:,} weights of a layer; got {n_out:,} x {n_in:,}")


def _fold_input(layer: Dense, step: dict[str, Any], most: int) -> None:
    """A step y = (x - offset) * gain + min before a layer, or one that keeps some rows."""
    n = layer.weights.shape[1]
    if "keep" in step:
        n_rows = checks.integer(step["n"], "n", minimum=1, maximum=10**6)
        keep = [checks.integer(i, "keep", minimum=1, maximum=n_rows) - 1 for i in step["keep"]]
        if len(keep) != n or len(set(keep)) != n:
            raise ValueError(f"keep must name the {n} rows that the layer takes, each once; got {len(keep)}")
        _check_filled(len(layer.weights), n_rows, most)
        weights = np.zeros((len(layer.weights), n_rows))
        weights[:, keep] = layer.weights
        layer.weights = weights
        return
    gain, offset = affine(step["gain"], step["offset"], n, "input")
    layer.after(gain, checks.number(step["min"], "min", low=-1e300) - offset * gain, "input")


def _fold_output(layer: Dense, step: dict[str, Any]) -> None:
    """The reverse of a step, x = (y - min) / gain + offset, after a layer."""
    if "keep" in step:
        raise ValueError("removeconstantrows of outputs must have removed nothing")
    gain, offset = affine(step["gain"], step["offset"], len(layer.weights), "output")
    if (gain == 0).any():
        raise ValueError("gain of output must not be 0")
    layer.then(1.0 / gain, offset - checks.number(step["min"], "min", low=-1e300) / gain)
