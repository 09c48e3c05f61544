"""Which attributes of a network may be set, and what to say of all others; which of them are a user's own."""

import inspect
from collections.abc import Callable
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

from fastbp import other_names

PACKAGE = __name__.partition(".")[0]
# What makes a network what it is; a copy makes its own.
CORE = frozenset({"_topology", "_functions", "_loss", "_dtype", "_wiring", "_layer_wiring", "_packed", "_user_calls",
                  "engine", "trainer", "_stream", "_solver_memory"})  # fmt: skip
OTHER_WAYS = {
    "edges": "with_mask, prune and Network.from_edges make networks of other edges",
    "dtype": "net.astype(dtype) is a copy of another dtype",
    "sizes": "a network keeps its layers; make another one, Network(sizes)",
}

if TYPE_CHECKING:
    constructor = classmethod
else:

    class constructor(classmethod):
        """A class method that makes a new object; of an object, which it would leave as it is, it cannot be called."""

        def __get__(self, instance: object, owner: type | None = None) -> Any:
            if instance is None:
                return super().__get__(None, owner)

            @wraps(self.__func__)
            def refuse(*_args: object, **_kwargs: object) -> None:
                name = self.__func__.__name__
                raise TypeError(
                    f"{name} makes a new network and changes none; call it of the class: "
                    f"net = {type(instance).__name__}.{name}(...)"
                )

            return refuse


def check_settable(net: object, name: str) -> None:
    """Raise an AttributeError for an attribute that setting would not change, or that no class knows.

    A user's subclass may have attributes of its own, but none in the place of fastbp's.
    """
    if name.startswith("_"):
        return
    kind, owner = type(net), _owner(type(net), name)
    if owner is not None and not _is_ours(owner):
        return
    if isinstance(getattr(owner, name, None), property) and getattr(owner, name).fset is not None:
        return
    if owner is not None or name in CORE:
        raise AttributeError(f"{name} of a {kind.__name__} cannot be set: {_other_way(name, kind)}")
    if _is_ours(kind):
        raise AttributeError(f"a {kind.__name__} has no attribute {name!r} to set: {_other_way(name, kind)}")


def own_attributes(net: object) -> dict[str, Any]:
    """What a user has added to a network: its copies have it too."""
    kind = type(net)
    return {
        name: value
        for name, value in vars(net).items()
        if name not in CORE and not isinstance(inspect.getattr_static(kind, name, None), cached_property)
    }


def _owner(kind: type, name: str) -> type | None:
    """The class in which an attribute is defined."""
    return next((base for base in kind.__mro__ if name in vars(base)), None)


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == PACKAGE or kind is object


def _other_way(name: str, kind: type) -> str:
    """What to do instead of setting an attribute."""
    if name in OTHER_WAYS:
        return OTHER_WAYS[name]
    meant = other_names.canonical(name)
    if meant in _parameters(getattr(kind, "fit", None)):
        return f"{meant} is an argument of fit, net.fit(X, T, {meant}=...)"
    if meant in _parameters(kind):
        return (
            f"make another network with it, Network(..., {meant}=...), and copy the parameters: "
            "other.params = net.params"
        )
    settable = sorted(known for known in dir(kind) if getattr(getattr(kind, known), "fset", None))
    nearest = other_names.nearest(name, settable, cutoff=0.6)
    hint = f"did you mean {nearest!r}? " if nearest else ""
    return f"{hint}What can be set is {', '.join(settable)}; attributes of your own go into a subclass"


def _parameters(function: Callable[..., Any] | None) -> set[str]:
    """Names of what a function takes by keyword."""
    if function is None:
        return set()
    return {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
