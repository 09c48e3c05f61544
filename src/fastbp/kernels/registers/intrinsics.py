"""`intrinsic`: a function of kernels, given by the LLVM instructions that it stands for."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.core.typing.templates import infer_global
from numba.extending import models, register_model


class IntrinsicType(types.Callable, types.Opaque):
    """The type of an intrinsic: what it makes of its arguments' types."""

    def __init__(self, define: Any) -> None:
        self._define = define
        parameters = list(inspect.signature(define).parameters.values())[1:]
        starred = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self._parameters = inspect.Signature(parameters) if starred else None
        self._signatures, self._lowerings = {}, {}
        super().__init__(f"Intrinsic({define.__module__}.{define.__qualname__})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        """The signature for arguments of some types; constants count as any other numbers if they may."""
        plain = tuple(types.unliteral(ty) for ty in args)
        for given in dict.fromkeys((plain, args)):
            if given not in self._signatures and not kws:
                self._add(context, given)
            if self._signatures.get(given) is not None:
                return self._signatures[given]
        raise TypingError(f"{self.name} takes no {', '.join(map(str, (*args, *kws)))}")

    def _add(self, context, args):
        """Ask for the signature, and let Numba know at once what is to be lowered.

        Numba's own intrinsics go through all of Numba's registries for each new signature: a first fit would wait.
        """
        defined = self._define(context, *args)
        if defined is None:
            self._signatures[args] = None
            return
        signature, lower = defined
        cpu_target.target_context.insert_func_defn([(lower, lower, signature.args)])
        self._lowerings[signature.args] = lower
        self._signatures[args] = signature.replace(pysig=self._parameters)

    def get_call_signatures(self) -> Any:
        """The signatures that are known, and whether there may be others."""
        return [signature for signature in self._signatures.values() if signature], True

    def get_impl_key(self, sig: Any) -> Any:
        """What the target knows an implementation by."""
        return self._lowerings[sig.args]


register_model(IntrinsicType)(models.OpaqueModel)


def intrinsic(define: Callable[..., Any]) -> Callable[..., Any]:
    """A function that stands for LLVM: define(typing context, *types) gives its signature, and what emits the code.

    As Numba's `intrinsic`. None instead refuses such arguments.
    """

    @functools.wraps(define)
    def function(*_args):
        raise NotImplementedError(f"{define.__name__} is for compiled code alone")

    infer_global(function, IntrinsicType(define))
    return function
