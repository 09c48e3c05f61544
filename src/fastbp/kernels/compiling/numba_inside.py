"""What the kernels' own compilation leans on within Numba, in one list; and whether it can be relied on.

`lowering.py` and `libraries.py` take the place of some of Numba's passes: a first fit compiles in a third of the time,
and the kernels run up to twice as fast, since they are called with whole tuples and without tests for errors. For that
they use names that Numba may change in any release. With a release that was not tried, or without one of these names,
Numba's own passes compile the same kernels to the same results, only slower: see `decorators.py`.
"""

import dis
import importlib
import os
import re
from functools import cache
from typing import Any

import numba

FIRST_UNTRIED = (0, 69)  # Numba's release from which on nothing was tried

# Names within Numba, by the file here that uses them.
LEANT_ON: dict[Any, Any] = {
    "lowering.py": (
        "numba.core.callconv.CPUCallConv._get_arg_packer",
        "numba.core.callconv.CPUCallConv.return_status_propagate",
        "numba.core.compiler.DefaultPassBuilder.define_nopython_pipeline",
        "numba.core.compiler_machinery.PassManager._analysis",
        "numba.core.compiler_machinery.PassManager._runPass",
        "numba.core.funcdesc.default_mangler",
        "numba.core.lowering.Lower._alloca_var",
        "numba.core.lowering.Lower._singly_assigned_vars",
        "numba.core.lowering.Lower.extract_function_arguments",
        "numba.core.lowering.Lower.lower_binop",
        "numba.core.lowering.Lower.setup_function",
        "numba.core.lowering.Lower.storevar",
        "numba.core.typed_passes.BaseNativeLowering.lowering_class",
        "numba.core.typed_passes.NativeLowering",
    ),
    "libraries.py": (
        "numba.core.codegen.CPUCodegen._data_layout",
        "numba.core.codegen.JITCodeLibrary._codegen",
        "numba.core.codegen.JITCodeLibrary._final_module",
        "numba.core.codegen.JITCodeLibrary._finalized",
        "numba.core.codegen.JITCodeLibrary._get_module_for_linking",
        "numba.core.codegen.JITCodeLibrary._linking_libraries",
        "numba.core.codegen.JITCodeLibrary._optimize_final_module",
        "numba.core.codegen.JITCodeLibrary._optimize_functions",
        "numba.core.codegen.JITCodeLibrary._shared_module",
        "numba.core.codegen.JITCodeLibrary.add_ir_module",
        "numba.core.codegen.JITCodeLibrary.finalize",
        "numba.core.cgutils.normalize_ir_text",
    ),
}

# The same, which both ways of compiling need: without them nothing is compiled, or nothing kept on disk.
ALWAYS_LEANT_ON: dict[Any, Any] = {
    "addresses.py": ("numba.core.typing.context.BaseContext.resolve_module_constants",),
    "cache.py": (
        "numba.core.caching.FunctionCache._cache_file",
        "numba.core.caching.FunctionCache._cache_path",
        "numba.core.caching.FunctionCache._guard_against_spurious_io_errors",
        "numba.core.caching.FunctionCache._impl",
        "numba.core.caching.FunctionCache._impl_class",
        "numba.core.caching.FunctionCache._index_key",
        "numba.core.caching.FunctionCache._load_overload",
        "numba.core.caching.CompileResultCacheImpl._locator_classes",
        "numba.core.caching.IndexDataCacheFile._dump",
        "numba.core.caching.IndexDataCacheFile._open_for_write",
        "numba.core.caching.InTreeCacheLocator|_InTreeCacheLocator",
        "numba.core.caching.UserProvidedCacheLocator|_UserProvidedCacheLocator",
        "numba.core.caching.UserWideCacheLocator|_UserWideCacheLocator",
    ),
    "decorators.py": ("numba.core.dispatcher.Dispatcher._cache",),
    "plan_table.py": ("numba.core.cgutils._StructProxy._getvalue",),  # memory.py, rows.py and others too
    "intrinsics.py": (
        "numba.core.registry.cpu_target.target_context.insert_func_defn",
        "numba.core.typing.templates.infer_global",
    ),
}

# And what is used where it is there: the code asks first, and does without.
USED_IF_THERE: dict[Any, Any] = {
    "libraries.py": (
        "numba.core.codegen.CPUCodegen._pass_builder",
        "numba.core.codegen.JITCodeLibrary._reload_init",
    ),
    "threads.py": ("numba.np.ufunc.parallel._is_initialized",),  # without it a process forked later runs serially
}


def missing(names: Any) -> Any:
    """Those of some dotted names that this Numba has not; a name may have another form behind a bar.

    A class has also what its methods give to its objects.
    """
    return [name for name in names if not _is_there(name)]


def _is_there(name):
    path, *other_forms = name.split("|")
    module, parts = path.split("."), []
    while module:
        try:
            found = importlib.import_module(".".join(module))
            break
        except ImportError:
            parts.insert(0, module.pop())
    else:
        return False
    for part in parts[:-1]:
        found = getattr(found, part, None)
    return any(hasattr(found, form) or _sets(found, form) for form in (parts[-1], *other_forms))


def _sets(found, attribute):
    """Whether a class, or one that it inherits from, gives its objects an attribute: an instruction that stores one."""
    classes = found.__mro__ if isinstance(found, type) else ()
    methods = (method for one in classes for method in vars(one).values() if hasattr(method, "__code__"))
    stores = (step for method in methods for step in dis.get_instructions(method) if step.opname == "STORE_ATTR")
    return any(step.argval == attribute for step in stores)


def is_tried(version: Any) -> Any:
    """Whether a release of Numba is none that came later than those that were tried."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < FIRST_UNTRIED


@cache
def why_not_own_passes():
    """Why Numba's own passes compile the kernels; empty if those of `lowering.py` do."""
    if os.environ.get("FASTBP_NUMBA_PASSES", "") not in ("", "0"):
        return "FASTBP_NUMBA_PASSES is set"
    if not is_tried(numba.__version__):
        return f"Numba {numba.__version__} is newer than what fastbp was tried with, 0.{FIRST_UNTRIED[1] - 1}"
    lost = missing(name for names in LEANT_ON.values() for name in names)
    return f"Numba {numba.__version__} has no {', '.join(lost)}" if lost else ""
