"""What a network hands out of its parameters: views that items can be assigned to, and copies that refuse it.

An assignment to an item of a new list, or of a copy, would change nothing that anybody sees again.
"""

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, SupportsIndex

import numpy as np

from fastbp import checks
from fastbp.checks import Array


class _Views:
    """What the lists and the mappings of views have in common."""

    name: str

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(
            f"{self.name} cannot grow, shrink or change its order: a network has the connections that it was made "
            f"with; set items of it, net.{self.name}[...] = W"
        )

    def _fill(self, views: Iterable[tuple[object, Array]], values: Iterable[object]) -> None:
        """Copy numbers into views, given with what they are called; nothing changes unless all of them fit."""
        pairs = [
            (view, _fitting(value, f"{self.name}[{key}]", view))
            for (key, view), value in zip(views, values, strict=True)
        ]
        for view, numbers in pairs:
            view[...] = numbers


def _fitting(values: object, argument: str, view: Array) -> Array:
    """`values` as finite numbers of a view's shape and dtype."""
    array = checks.numeric(values, argument)
    if array.shape != view.shape:
        raise ValueError(f"{argument} must have shape {view.shape}; got shape {array.shape}")
    return checks.finite(array, argument, view.dtype)


class ViewList(_Views, list[Array]):
    """A list of views: to assign to an item, or to a slice, copies the numbers in."""

    def __init__(self, name: str, views: Iterable[Array]) -> None:
        super().__init__(views)
        self.name = name

    def __setitem__(self, key: SupportsIndex | slice, values: Any) -> None:
        if not isinstance(key, slice):
            place = operator.index(key)
            self._fill([(place, self[place])], [values])
            return
        places = range(len(self))[key]
        given = checks.items(values, self.name, "a sequence of arrays")
        if len(given) != len(places):
            raise ValueError(f"{self.name} must get {len(places)} arrays here, one for each layer; got {len(given)}")
        self._fill([(place, self[place]) for place in places], given)

    def __reduce__(self) -> Any:
        """A copy is a list like any other."""
        return list, (list(self),)

    append = extend = insert = pop = remove = clear = sort = reverse = _Views._refuse
    __delitem__ = __iadd__ = __imul__ = _Views._refuse


class ViewDict(_Views, dict[tuple[int, int], Array]):
    """A mapping to views: to assign to an item copies the numbers in."""

    def __init__(self, name: str, views: Mapping[tuple[int, int], Array]) -> None:
        super().__init__(views)
        self.name = name

    def __setitem__(self, key: tuple[int, int], values: Any) -> None:
        if key not in self:
            raise KeyError(f"{self.name} has no item {key!r}; there are {', '.join(map(str, self)) or 'none'}")
        self._fill([(key, self[key])], [values])

    def fill(self, values: object) -> None:
        """Copy in the numbers of another mapping with the same keys."""
        if not isinstance(values, Mapping) or set(values) != set(self):
            keys = ", ".join(map(str, self)) or "none"
            raise ValueError(f"{self.name} must be a mapping with its keys, {keys}; got {values!r}")
        self._fill(self.items(), [values[key] for key in self])

    def __reduce__(self) -> Any:
        """A copy is a dict like any other."""
        return dict, (dict(self),)

    pop = popitem = clear = update = setdefault = _Views._refuse
    __delitem__ = __ior__ = _Views._refuse


class FixedCopy(np.ndarray):
    """A copy that is read-only and says what to do instead. What is computed with it is an array like any other."""

    advice: str = ""

    @classmethod
    def of(cls, array: Array, advice: str) -> "FixedCopy":
        """An array, which nobody else has, made read-only."""
        fixed = array.view(cls)
        fixed.advice = advice
        fixed.flags.writeable = False
        return fixed

    def __array_finalize__(self, parent: object) -> None:
        self.advice = getattr(parent, "advice", "")

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.flags.writeable:
            raise TypeError(self.advice)
        super().__setitem__(key, value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(item) if isinstance(item, FixedCopy) else item for item in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(item) if item is not None else None for item in options["out"])
        return getattr(ufunc, method)(*plain, **options)

    def copy(self, order: Any = "C") -> Array:  # type: ignore[override]
        """A copy that can be written to."""
        return np.array(self, order=order)

    def __reduce__(self) -> Any:
        return self.copy().__reduce__()

    def __copy__(self) -> Array:  # type: ignore[override]
        return self.copy()

    def __deepcopy__(self, _memo: Any) -> Array:  # type: ignore[override]
        return self.copy()


def _anew(operation: Any) -> Any:
    """What `net.edge_weights *= 2` needs: the product as a new array, which is then assigned."""
    return lambda array, other: operation(np.asarray(array), other)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(FixedCopy, f"__i{_name}__", _anew(getattr(operator, _name)))
