"""How every kernel is compiled: the options, and a cache that knows the whole package.

`kernel` marks a function that other kernels call, `entry` one that Python calls. Only entries are
cached: the machine code of an entry holds that of everything it calls.
"""

import contextlib
import hashlib
from functools import cache
from pathlib import Path

import numba
import numpy as np
from numba import types
from numba.core import cgutils, config
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.extending import intrinsic

JIT_DISABLED = bool(config.DISABLE_JIT)

# Division by zero gives inf, as in NumPy: a test for it would end vectorisation.
# No fastmath: products and sums are fused where `lanes.fma` or "contract" says so, NaN and inf survive.
OPTIONS = {"error_model": "numpy", "nogil": True, "fastmath": {"contract"}}

# Sums inside one sample may be reordered, so that they vectorise; NaN and inf still survive.
SUM_FLAGS = {"contract", "reassoc", "nsz"}


@cache
def package_stamp():
    """Hash of all kernel sources and of the switches that change the code made from them."""
    digest = hashlib.sha256(f"boundscheck={config.BOUNDSCHECK}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class PackageCache(FunctionCache):
    """Numba's cache, stamped with all kernel sources.

    Numba stamps a cached function with the file it stands in alone: after an upgrade that changes a
    callee in another file it would go on running the old machine code (numba issues 8851, 10659).
    """

    def __init__(self, py_func, key):
        super().__init__(py_func)
        self._key = key
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=package_stamp()
        )

    def _index_key(self, sig, codegen):
        # Numba would hash the bytes of the function and of what it encloses, which differ from process to
        # process where that is a compiled function. The stamp covers the sources; the key tells twins apart.
        return sig, codegen.magic_tuple(), self._key


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerOnly(NativeLowering):
    """Numba's lowering to LLVM, without the optimisation and machine code of the single function."""

    _name = "fastbp_lower_only"

    def run_pass(self, state):
        state.flags.no_compile = True
        state.library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        state.library._optimize_functions = lambda module: None
        super().run_pass(state)
        library = state.library
        library._optimize_final_module = library._finalize_final_module = lambda: None
        library.finalize()  # only links what the function calls
        library._finalized = True
        key = [].index  # a name within Numba: built in, one of its kind, and an error if Python calls it
        state.targetctx.insert_user_function(key, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=key)
        return True


# Passes for array expressions, closures and literally(), which no kernel has: a tenth of the time to compile.
UNUSED_PASSES = {"NativeLowering", "NopythonRewrites", "InlineOverloads", "InlineInlinables", "LiteralUnroll",
                 "FindLiterallyCalls", "LiteralPropagationSubPipelinePass", "WithLifting"}  # fmt: skip


class _KernelCompiler(CompilerBase):
    """Numba's compiler for functions that only kernels call.

    Numba optimises each function by itself and again in all that call it, level by level: the kernels
    took a minute to compile. They are optimised once, in the entry.
    """

    def define_pipelines(self):
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.add_pass_after(_LowerOnly, NativeLowering)
        pipeline.passes = [item for item in pipeline.passes if item[0].__name__ not in UNUSED_PASSES]
        pipeline.finalize()
        return [pipeline]


# What only compiled code calls needs no way in from Python.
INTERNAL = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _KernelCompiler}


def kernel(func=None, **options):
    """Compile `func` when another kernel first calls it. Python cannot call it."""
    if func is None:
        return lambda f: kernel(f, **options)
    return numba.njit(func, **(OPTIONS | INTERNAL | options))


def entry(func=None, *, key="", **options):
    """Compile `func` when Python first calls it, and keep the machine code on disk where that works.

    `key` tells apart functions made by one piece of source.
    """
    if func is None:
        return lambda f: entry(f, key=key, **options)
    if JIT_DISABLED:
        return np.errstate(all="ignore")(func)  # compiled code does not warn of inf and NaN either
    compiled = numba.njit(func, **(OPTIONS | options))
    with contextlib.suppress(OSError, RuntimeError):  # no writable place: compile anew in each process
        compiled._cache = PackageCache(func, key)
    return compiled


def unkept(func):
    """Compile `func` as an entry that is not kept on disk."""
    return np.errstate(all="ignore")(func) if JIT_DISABLED else numba.njit(func, **OPTIONS)


# With the JIT switched off: functions that have been given an "address", their place in this list.
_PLAIN_FUNCTIONS = [None]


def address_of(compiled, dtype, fields):
    """Address of the machine code of an entry that returns nothing; compiles it if need be.

    Its arguments are given by `fields`: int, float, views, or NamedTuple classes whose fields say what they are.
    """
    if JIT_DISABLED:
        _PLAIN_FUNCTIONS.append(compiled)
        return len(_PLAIN_FUNCTIONS) - 1
    signature = tuple(_numba_type(field, dtype) for field in fields)
    if signature not in compiled.overloads:
        compiled.compile(signature)
    result = compiled.overloads[signature]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


def _call_plain(address, *args):
    _PLAIN_FUNCTIONS[address](*args)


@intrinsic
def _call_compiled(typingctx, address, *args):
    signature = types.void(address, types.StarArgTuple(args))

    def lower(context, builder, sig, values):
        arguments = cgutils.unpack_tuple(builder, values[1])
        function_type = context.call_conv.get_function_type(types.void, args)
        pointer = builder.inttoptr(values[0], function_type.as_pointer())
        status, _ = context.call_conv.call_function(builder, pointer, types.void, args, arguments)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return signature, lower


# Call the function at an address that `address_of` gave: (address, *args). The caller is compiled without
# it, so that one engine serves every activation function, loss and solver, and only what is used is compiled.
call_address = _call_plain if JIT_DISABLED else _call_compiled


def _numba_type(field, dtype):
    from fastbp.kernels.lanes import Doubles, Integers, Numbers
    from fastbp.kernels.vectors import ViewType

    simple = {
        int: types.intp,
        bool: types.boolean,
        float: types.float64,
        Numbers: ViewType(numba.from_dtype(dtype)),
        Doubles: ViewType(types.float64),
        Integers: ViewType(types.int64),
    }
    if field in simple:
        return simple[field]
    return types.NamedTuple([_numba_type(kind, dtype) for kind in field.__annotations__.values()], field)
