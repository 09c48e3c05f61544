"""From PyTorch: `Sequential` modules, state dicts, and safetensors files of either. PyTorch itself is not imported."""

import copy
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exchange.building import Chain, dense, network_of
from fastbp.exchange.probing import same_outputs
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

# Modules that are a function of ours as they are, and those that are if their options are these.
FUNCTIONS = {
    "ReLU": "relu", "Sigmoid": "logistic", "Tanh": "tanh", "Softsign": "softsign", "SiLU": "silu",
    "SELU": "selu", "Mish": "mish",
    "Identity": "identity",
}  # fmt: skip
WITH_OPTIONS: dict[str, tuple[str, dict[str, tuple[Any, ...]]]] = {
    "LeakyReLU": ("leaky_relu", {"negative_slope": (0.01,)}),
    "ELU": ("elu", {"alpha": (1.0, 1)}),
    "Softplus": ("softplus", {"beta": (1.0, 1), "threshold": (20.0, 20)}),
    "GELU": ("gelu", {"approximate": ("none",)}),
    "Hardtanh": ("ramp", {"min_val": (0.0, 0), "max_val": (1.0, 1)}),
    "Softmax": ("softmax", {"dim": (-1, 1)}),
}
DROPOUTS = ("Dropout", "AlphaDropout", "FeatureAlphaDropout")
WEIGHT = re.compile(r"(?:(.*)\.)?weight")


def from_pytorch(model: Any, *, activation: Any = None, output: str = "identity", dtype: Any = None) -> Network:
    """The network of a module of PyTorch, as it computes in evaluation mode.

    Parameters
    ----------
    model : torch.nn.Sequential, state dict, or path
        A Sequential, nested or not, of Linear, activation functions, BatchNorm1d and dropout; or its state dict; or a
        safetensors file of that.
    activation : str, or sequence of str
        Of a state dict or file, which do not say it: the function of the hidden layers, or of each. Their layers stand
        in the order of the numbers in their names.
    output : str
        Of a state dict or file: that of the outputs.
    dtype : "float32" or "float64", optional
        By default float64 if the first layer's weights are, else float32.

    Returns
    -------
    Network
        Batch normalisation is folded into the layers beside it.

    Raises
    ------
    ValueError, TypeError
        For a module of another kind, or with an option or hook that fastbp has not: the message names it. For a model
        whose outputs for some random samples are not those of the network. For batch normalisation whose means are so
        large against its deviations that weights of the dtype lose digits when it is folded in. For tensors without
        numbers, of the device "meta".

    Notes
    -----
    Weights are taken as they are, unless batch normalisation is folded in. The model computes a batch of random
    numbers, in evaluation mode; it is left as it was. PyTorch's softplus is a itself above 20, ours is ln(1 + e**a):
    they differ by 2e-9, which float32 does not see.
    """
    wanted = None if dtype is None else checks.float_dtype(dtype)
    if isinstance(model, str | os.PathLike):
        from fastbp.exporting.safetensors import read_tensors

        return _from_file(model, read_tensors(model)[0], (activation, output, wanted))
    if isinstance(model, Mapping):
        return _from_state(model, activation, output, wanted)
    if activation is not None or output != "identity":
        raise ValueError("activation and output must be left out for a module, which says them itself")
    modules, chain = _flat(model, type(model).__name__), Chain()
    for name, module in modules:
        _check_numbers({f"{name}.{key}": tensor for key, tensor in module.state_dict().items()})
        _add(chain, name, module)
    dtypes = [_array(module.weight).dtype for _name, module in modules if type(module).__name__ == "Linear"]
    own = _dtype(*dtypes[:1])
    net = chain.network(own if wanted is None else wanted)
    same_outputs(net.astype(own), lambda x: _run(model, x), "model", chain.of_inputs)
    return net


def _run(model: Any, x: Array) -> Array:
    """What a module makes of a batch in evaluation mode; one of half precision, in single."""
    import torch

    if next(model.parameters()).dtype not in (torch.float32, torch.float64):
        model = copy.deepcopy(model).float()
    training = [(module, module.training) for module in model.modules()]
    first = next(model.parameters())
    try:
        model.eval()
        with torch.no_grad():
            return _array(model(torch.from_numpy(x).to(device=first.device, dtype=first.dtype)))
    finally:
        for module, was_training in training:
            module.training = was_training


def _check_numbers(tensors: Mapping[Any, Any]) -> None:
    """Raise a ValueError for a tensor that has a shape alone."""
    for name, tensor in tensors.items():
        if getattr(tensor, "is_meta", False):
            raise ValueError(f'model must have numbers; {name} is on the device "meta": load the weights first')


def _dtype(dtype: Any = np.float32) -> Any:
    """float64 as it is; float32 of all narrower ones."""
    return np.float64 if dtype == np.float64 else np.float32


def _array(tensor: Any) -> Array:
    """A tensor, or an array, as NumPy has it."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        return np.asarray(tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy())
    return np.asarray(tensor)


def _flat(module: Any, name: str) -> list[tuple[str, Any]]:
    """The modules in their order, those inside of others too, and as often as they come."""
    _check_own(name, module)
    if type(module).__name__ != "Sequential":
        return [(name, module)]
    return [item for k, child in enumerate(module) for item in _flat(child, f"{name}.{k}")]


def _check_own(name: str, module: Any) -> None:
    """Raise a ValueError for a module that may compute something else than PyTorch's of that name does."""
    kind = type(module)
    if not kind.__module__.startswith("torch.nn.modules."):
        raise ValueError(f"model must be made of PyTorch's own modules; {name} is {kind.__module__}.{kind.__name__}")
    hooks = [hook for key in ("_forward_hooks", "_forward_pre_hooks") for hook in getattr(module, key, {}).values()]
    if hooks or "forward" in vars(module):
        what = type(hooks[0]).__name__ if hooks else "a forward of its own"
        raise ValueError(
            f"model must have no hooks, which may change what modules compute; {name} has one: {what}. Remove it; what "
            "torch.nn.utils.weight_norm added, with remove_weight_norm"
        )


def _add(chain: Chain, name: str, module: Any) -> None:
    """Take one module."""
    kind = type(module).__name__
    if kind == "Linear":
        chain.layer(dense(_array(module.weight), None if module.bias is None else _array(module.bias), name))
    elif kind == "BatchNorm1d":
        chain.scaling(*_normalisation(name, module), name)
    elif kind not in DROPOUTS and not (kind == "Flatten" and module.start_dim == 1):
        chain.function(_function_of(name, module), name)


def _normalisation(name: str, module: Any) -> tuple[Array, Array]:
    """(scale, shift) of batch normalisation in evaluation."""
    if module.running_mean is None:
        raise ValueError(f"model must have running statistics; {name} has track_running_stats=False")
    mean, variance = _array(module.running_mean).astype(float), _array(module.running_var).astype(float)
    scale = 1.0 / np.sqrt(variance + module.eps)
    if module.weight is None:
        return scale, -mean * scale
    scale = scale * _array(module.weight)
    return scale, _array(module.bias) - mean * scale


def _function_of(name: str, module: Any) -> str:
    kind = type(module).__name__
    if kind in FUNCTIONS:
        return FUNCTIONS[kind]
    if kind not in WITH_OPTIONS:
        known = ", ".join(sorted({*FUNCTIONS, *WITH_OPTIONS, *DROPOUTS, "Linear", "BatchNorm1d"}))
        raise ValueError(f"model must be made of {known}; {name} is {kind}")
    function, options = WITH_OPTIONS[kind]
    for option, allowed in options.items():
        value = getattr(module, option, allowed[0])
        if value not in allowed:
            raise ValueError(f"{name}: {kind} must have {option}={allowed[0]}; got {value!r}")
    return function


def _from_file(path: StrPath, state: Mapping[str, Any], options: tuple[Any, str, Any]) -> Network:
    """That of a file's state dict; what is wrong is said with the file's name."""
    try:
        return _from_state(state, *options)
    except (ValueError, TypeError) as error:
        raise FileError(f"{os.fspath(path)}: {str(error)[:500]}") from None


def _from_state(state: Mapping[str, Any], activation: Any, output: str, dtype: Any) -> Network:
    """The chain of a state dict's weights, in the order of its names."""
    names = [key for key in state if WEIGHT.fullmatch(str(key))]
    others = set(state) - set(names) - {name[: -len("weight")] + "bias" for name in names}
    if others:
        raise ValueError(f"model must have weight and bias alone; got {sorted(map(str, others))[0]!r}: give the module")
    _check_numbers(state)
    _check_order(names)
    names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    layers = [dense(_array(state[name]), _bias_of(state, name), name) for name in names]
    if not layers:
        raise ValueError("model must have weights of Linear layers, such as '0.weight'; it has none")
    functions = [activation] * (len(layers) - 1) if isinstance(activation, str) else list(activation or ())
    if len(functions) != len(layers) - 1:
        raise ValueError(
            f"activation must be a name, or one for each of {len(layers) - 1} hidden layers; got {activation!r}"
        )
    for layer, function in zip(layers, [*functions, output], strict=True):
        layer.function = function
    return network_of(layers, _dtype(_array(state[names[0]]).dtype) if dtype is None else dtype, "model")


def _check_order(names: list[str]) -> None:
    """Raise a ValueError unless the names of the weights are alike but for numbers: these say the order."""
    by_form = {re.sub(r"\d+", "#", name): name for name in names}
    if len(by_form) > 1:
        first, second, *_ = by_form.values()
        raise ValueError(
            "model must say the order of its layers by numbers, in names that are alike but for them, such as "
            f"'0.weight' and '2.weight'; got {first!r} and {second!r}: give the module, or rename them"
        )


def _bias_of(state: Mapping[str, Any], name: str) -> Array | None:
    bias = state.get(name[: -len("weight")] + "bias")
    return None if bias is None else _array(bias)
