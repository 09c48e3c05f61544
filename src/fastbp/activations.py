"""The table of activation functions, each with its derivative, and a user's own ones."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from typing import Any

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock as compiler_lock
from numba.core.errors import NumbaError

from fastbp import checks
from fastbp.checks import Array
from fastbp.kernels import codes
from fastbp.kernels.compiling.decorators import unkept
from fastbp.kernels.formulas import activation_calls as calls
from fastbp.kernels.formulas.activations import STRAIGHT
from fastbp.kernels.tables import NONE

Scalar = Callable[[float], float]


class Activation:
    """An activation function h with its derivative h'.

    Parameters
    ----------
    name : str
        What the function is called in messages and files; not the name of one of fastbp's own.
    h, dh : callable
        h(a) and h'(a) of one number: Python functions that Numba can compile (`math` may be used), or
        functions already compiled with ``numba.njit``. Defined for every finite number.
    d2h : callable, optional
        h''(a), the same way: for exact Hessians and products with them alone.

    Raises
    ------
    TypeError, ValueError
        If the name is taken or empty, or if `h`, `dh` or `d2h` is not callable. A function that Numba cannot
        compile is reported when a network is made with it.

    Notes
    -----
    One small function is compiled for each network's dtype; the engine calls it through its address.
    Whether `dh` is the derivative of `h` is not checked here: `fastbp.check_gradient` does that.

    Compiled code stays in memory, 3 MB for each pair of functions, until the process ends. Define `h` and
    `dh` once, not anew for each network; copies of an Activation share them.

    What `h` and `dh` read from outside of themselves, globals and variables of a function around them, has for ever
    the value that it had when a network of that dtype was first made with the Activation. After a change make a new
    Activation, under another name; of functions that ``numba.njit`` has compiled, Numba keeps the first value.

    Examples
    --------
    >>> import math, fastbp
    >>> bent = fastbp.Activation("bent", lambda a: (math.sqrt(a * a + 1) - 1) / 2 + a,
    ...                          lambda a: a / (2 * math.sqrt(a * a + 1)) + 1)
    >>> net = fastbp.Network((2, 3, 1), activation=bent)
    """

    code: int = codes.CUSTOM

    def __init__(self, name: str, h: Scalar, dh: Scalar, d2h: Scalar | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"name must be a string that is not empty; got {name!r}")
        if name in ACTIVATIONS or name == "softmax":
            raise ValueError(f"name must not be that of one of fastbp's own activations; got {name!r}")
        given = (h, dh) if d2h is None else (h, dh, d2h)
        for argument, function in zip(("h", "dh", "d2h"), given, strict=False):
            if not callable(function):
                raise TypeError(f"{argument} must be a function of one number; got {function!r}")
        self.name = name
        self._functions: tuple[Scalar, ...] = given
        self._compiled: dict[tuple[str, int], tuple[int, Any]] = {}

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Activation, (self.name, *self._functions)

    def h(self, a: Array) -> Array:
        """Compute h of each number of an array.

        Parameters
        ----------
        a : array of any shape
            Of float32 or float64; other numbers become float64.

        Returns
        -------
        array
            Of the same shape.
        """
        numbers, shape = _flat(a)
        z = np.empty_like(numbers)
        calls.apply_h(self.address(numbers.dtype), numbers, z)
        return z.reshape(shape)

    def dh(self, a: Array) -> Array:
        """Compute h' of each number of an array.

        Parameters
        ----------
        a : array of any shape
            Of float32 or float64; other numbers become float64.

        Returns
        -------
        array
            Of the same shape.
        """
        numbers, shape = _flat(a)
        slope = np.ones_like(numbers)
        calls.apply_dh(self.address(numbers.dtype, slope=True), numbers, self.h(numbers), slope)
        return slope.reshape(shape)

    def address(self, dtype: np.dtype, *, slope: bool = False) -> int:
        """Address of the compiled h, or h', for numbers of `dtype`; compiles it at the first call."""
        return self._address(dtype, int(slope))

    @property
    def has_bend(self) -> bool:
        """Whether h'' is known."""
        return len(self._functions) > 2

    def address_of_bend(self, dtype: np.dtype) -> int:
        """Address of the compiled h''; NONE where it is 0 for every number."""
        return self._address(dtype, 2)

    def _address(self, dtype: np.dtype, order: int) -> int:
        """Address of the compiled derivative of an order."""
        key = (dtype.name, order)
        if key not in self._compiled:
            with compiler_lock:  # made twice, the first one's machine code would be freed while in use
                if key not in self._compiled:
                    self._compiled[key] = self._compile(dtype, order)
        return self._compiled[key][0]

    @property
    def has_derivative(self) -> bool:
        """Whether a network with it can be trained: False of "threshold", whose derivative is 0 wherever it exists."""
        return self.code != codes.THRESHOLD

    def _compile(self, dtype: np.dtype, order: int) -> tuple[int, Any]:
        """The address of a derivative, and what must live as long as it is in use."""
        address_of: Any = (calls.address_of_h, calls.address_of_dh, calls.address_of_d2h)[order]
        try:
            compiled = self._make(order)
            return int(address_of(compiled, dtype)), compiled
        except (NumbaError, TypeError) as error:
            raise TypeError(
                f"activation {self.name!r}: h, dh and d2h must be functions of one number that Numba can compile; "
                f"{error}"
            ) from error

    def _make(self, order: int) -> Any:
        """What is to be compiled for h, h' or h''."""
        function = self._functions[order]
        return _of_scalar(function, order, _read_by(function))

    def is_same(self, other: "Activation") -> bool:
        """Whether another one has the same name and the same functions, as a copy has."""
        return self is other or (self.name == other.name and self._functions == other._functions)


class BuiltIn(Activation):
    """One of fastbp's own activation functions."""

    name: str

    def __init__(self, name: str, code: int) -> None:
        self.name, self.code = name, code
        self._functions = ()
        self._compiled = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _built_in, (self.name,)

    @property
    def has_bend(self) -> bool:
        """Whether h'' is known."""
        return self.code == codes.SOFTMAX or self.name in STRAIGHT or calls.FUNCTIONS[self.code][2] is not None

    def address_of_bend(self, dtype: np.dtype) -> int:
        """Address of the compiled h''; NONE where it is 0 for every number, and of softmax."""
        if self.code == codes.SOFTMAX or calls.FUNCTIONS[self.code][2] is None:
            return NONE
        return super().address_of_bend(dtype)

    def _make(self, order: int) -> Any:
        if self.code == codes.SOFTMAX:
            raise ValueError("softmax is a function of a whole layer, not of one number")
        makers: tuple[Any, ...] = (calls.h_of, calls.dh_of, calls.d2h_of)
        return makers[order](calls.FUNCTIONS[self.code][order], self.name)


@cache  # Numba never gives back the memory of compiled code, 3 MB: copies of an Activation compile nothing
def _of_scalar(function: Scalar, order: int, _read: Hashable) -> Any:
    """What is to be compiled for a user's h, h' or h''; anew if what it reads from outside has changed."""
    compiled = function if isinstance(function, numba.core.dispatcher.Dispatcher) else unkept(function)
    makers: tuple[Any, ...] = (calls.h_of_scalar, calls.dh_of_scalar, calls.d2h_of_scalar)
    return makers[order](compiled)


def _read_by(function: Scalar) -> Hashable:
    """The values of the globals, and of the variables around it, that a function reads: Numba makes constants of them.

    Values that cannot be compared are told apart by what they are in memory.
    """
    try:
        found = inspect.getclosurevars(function)
    except (TypeError, ValueError):  # compiled by Numba, or no function of Python
        return None
    values = {**found.globals, **found.nonlocals}
    return tuple((name, _comparable(value)) for name, value in sorted(values.items()))


def _comparable(value: object) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    simple = isinstance(value, int | float | complex | str | bytes | np.generic)
    return (type(value), repr(value)) if simple or isinstance(value, tuple) else id(value)


def _flat(a: Array) -> tuple[Array, tuple[int, ...]]:
    array = checks.numeric(a, "a")
    dtype = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return np.ascontiguousarray(array, dtype=dtype.newbyteorder("=")).reshape(-1), array.shape


def _built_in(name: str) -> "Activation":
    return OUTPUTS[name]


ACTIVATIONS: dict[str, Activation] = {}
ACTIVATIONS |= {name: BuiltIn(name, code) for name, code in codes.OF_ACTIVATION.items()}
TRAINABLE = tuple(name for name, function in ACTIVATIONS.items() if function.has_derivative)
OUTPUTS: dict[str, Activation] = ACTIVATIONS | {"softmax": BuiltIn("softmax", codes.SOFTMAX)}


UnitActivations = str | Activation | Mapping[int, str | Activation]


def resolve(value: object, argument: str, known: dict[str, Activation]) -> Activation:
    """The Activation that a user names, or gives."""
    if isinstance(value, Activation):
        if value.code == codes.SOFTMAX and "softmax" not in known:
            raise ValueError(f"{argument} must be a function of one unit; softmax is for the output layer")
        return value
    if isinstance(value, str) and value == "softmax" and "softmax" not in known:
        raise ValueError(
            f"{argument} must be one of {', '.join(sorted(known))}; got 'softmax', which is for the output"
        )
    return known[checks.name_of(value, known, argument)]


def resolve_hidden(value: object, n_hidden: int) -> list[Activation]:
    """One Activation for each hidden layer, from one or from a sequence of them."""
    if isinstance(value, str | Activation) or not isinstance(value, Iterable):
        return [resolve(value, "activation", ACTIVATIONS)] * n_hidden
    values = checks.items(value, "activation", "a name, an Activation, or a sequence of them")
    if len(values) != n_hidden:
        raise ValueError(
            f"activation must be one name, or one for each of the {n_hidden} hidden layers; got {len(values)}"
        )
    return [resolve(item, f"activation[{k}]", ACTIVATIONS) for k, item in enumerate(values)]


def resolve_units(value: object, output: Activation, units: range, n_outputs: int) -> list[Activation]:
    """One Activation for each of `units`, the last n_outputs of which are outputs: from one, or {unit: function}."""
    first_output = units.stop - n_outputs
    if not isinstance(value, Mapping):
        return [resolve(value, "activation", ACTIVATIONS)] * (first_output - units.start) + [output] * n_outputs
    for unit in value:
        if checks.integer(unit, "activation", minimum=0) not in units:
            raise ValueError(f"activation must name units from {units.start} to {units.stop - 1}; got {unit}")
    named = {int(unit): resolve(item, f"activation[{unit}]", ACTIVATIONS) for unit, item in value.items()}
    return [named.get(unit, ACTIVATIONS["tanh"] if unit < first_output else output) for unit in units]


def by_name(activations: object) -> dict[str, Activation]:
    """A user's Activations by their names."""
    found = checks.items(activations, "activations", "a sequence of Activation objects")
    for item in found:
        if not isinstance(item, Activation):
            raise TypeError(f"activations must hold Activation objects; got {item!r}")
    check_names(found, "activations")
    return {item.name: item for item in found}


def check_names(functions: Iterable[Activation], argument: str) -> None:
    """Raise a ValueError if two functions have one name: a file, which holds the names alone, would swap them."""
    known: dict[str, Activation] = {}
    for function in functions:
        if not known.setdefault(function.name, function).is_same(function):
            raise ValueError(f"{argument} must have a name for each function; two different ones are {function.name!r}")
