"""How kernels become LLVM: Numba's way, without what only functions need that Python calls, or that count references.

Numba hands over a NamedTuple word by word, 60 to 90 of them: a line of LLVM for each in the caller, and in the kernel.
Here it is one value. After each call Numba tests whether the function has raised an error; most kernels cannot.
"""

import hashlib
import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, lowering
from numba.core.callconv import CPUCallConv
from numba.core.compiler import DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, PassManager, register_pass
from numba.core.funcdesc import default_mangler
from numba.core.typed_passes import BaseNativeLowering, NativeLowering

from fastbp.kernels.compiling.libraries import EntryLibrary, KernelLibrary


class _WholeArguments:
    """What Numba calls a packer: each argument is one LLVM value, a struct if it is a NamedTuple."""

    def __init__(self, context, argtypes):
        self.argument_types = tuple(context.get_value_type(ty) for ty in argtypes)

    def as_arguments(self, _builder, values):
        return list(values)

    def from_arguments(self, _builder, values):
        return list(values)

    def assign_names(self, values, names):
        for value, name in zip(values, names, strict=True):
            value.name = name


class KernelCalls(CPUCallConv):
    """The calling convention of kernels: Numba's, but for their arguments."""

    def _get_arg_packer(self, argtypes):
        return _WholeArguments(self.context, argtypes)

    def declare(self, module: Any, fndesc: Any) -> Any:
        """The kernel, known to an LLVM module."""
        function_type = self.get_function_type(fndesc.restype, fndesc.argtypes)
        function = cgutils.get_or_insert_function(module, function_type, fndesc.mangled_name)
        self.decorate_function(function, fndesc.args, fndesc.argtypes)
        return function

    def call_safe(self, builder: Any, function: Any, fndesc: Any, values: Any) -> Any:
        """Call a kernel that raises no error; returns its result."""
        out = cgutils.alloca_once(builder, self.get_return_type(fndesc.restype).pointee)
        no_error = ir.Constant(function.args[1].type, None)
        builder.call(function, [out, no_error, *values])
        return self.context.get_returned_value(builder, fndesc.restype, builder.load(out))


def call_of_kernel(fndesc: Any, library: Any, may_raise: Any) -> Any:
    """What Numba calls an implementation: LLVM for a call of a kernel, for any caller."""

    def call(context, builder, sig, values):
        convention = KernelCalls(context)
        function = convention.declare(builder.module, fndesc)
        if not may_raise:
            return convention.call_safe(builder, function, fndesc, values)
        status, result = convention.call_function(builder, function, fndesc.restype, fndesc.argtypes, values)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return result

    call.signature = fndesc.argtypes
    call.libs = (library,)
    return call


class _Lower(lowering.Lower):
    """Numba's lowering, without what finds nothing to do in our functions."""

    def storevar(self, value, name, argidx=None):
        """Numba would first load the old value, whose reference it would no longer count."""
        if self.context.enable_nrt or name in self._singly_assigned_vars:
            super().storevar(value, name, argidx)
        else:
            self._alloca_var(name, self.typeof(name))
            self.builder.store(value, self.getvar(name))

    def lower_binop(self, resty, expr, op):
        """Numba would first look for a form of each operator for constants, and type it anew; only powers have one."""
        if op in (operator.pow, operator.ipow):
            return super().lower_binop(resty, expr, op)
        typing, signature = self.context.typing_context, self.fndesc.calltypes[expr]
        operands = [
            self.context.cast(self.builder, self.loadvar(operand.name), self.typeof(operand.name), ty)
            for operand, ty in zip((expr.lhs, expr.rhs), signature.args, strict=True)
        ]
        function = typing.resolve_value_type(op)
        implementation = self.context.get_function(function, function.get_call_type(typing, signature.args, {}))
        result = implementation(self.builder, operands)
        return self.context.cast(self.builder, result, signature.return_type, resty)


class _LowerKernel(_Lower):
    """The same with our calling convention."""

    def setup_function(self, fndesc):
        self.function = KernelCalls(self.context).declare(self.module, fndesc)
        self.entry_block = self.function.append_basic_block("entry")
        self.builder = ir.IRBuilder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)

    def extract_function_arguments(self):
        self.fnargs = self.call_conv.get_arguments(self.function)
        return self.fnargs


def _short_name(name, types, **options):
    """A symbol for a kernel. Numba's own spells out each field of each argument, in each call."""
    full = default_mangler(name, types, **options)
    return f"{name}.{hashlib.sha256(full.encode()).hexdigest()[:24]}"


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerKernel(NativeLowering):
    """Lowering to LLVM, without the optimisation and machine code of the single function."""

    _name = "fastbp_lower_kernel"

    @property
    def lowering_class(self) -> Any:
        """What lowers a function."""
        return _LowerKernel

    def run_pass(self, state: Any) -> Any:
        """Lower a kernel, and let Numba know how it is called."""
        state.flags.no_compile = True
        state.library = KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.targetctx = state.targetctx.subtarget(mangler=_short_name)
        super().run_pass(state)
        state.library.finalize()
        fndesc = state.cr.fndesc
        call = call_of_kernel(fndesc, state.library, state.library.may_raise)
        key = [].index  # a name within Numba: built in, one of its kind, and an error if Python calls it
        state.targetctx.insert_func_defn([(call, key, call.signature)])
        state.cr = state.cr._replace(cfunc=key)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerEntry(NativeLowering):
    """Lowering of an entry to LLVM, and from there to machine code."""

    _name = "fastbp_lower_entry"

    @property
    def lowering_class(self) -> Any:
        """What lowers a function."""
        return _Lower


@register_pass(mutates_CFG=False, analysis_only=False)
class _MakeLibrary(LoweringPass):
    """Where an entry's LLVM is put; the pass that lowers it would take a library of Numba's."""

    _name = "fastbp_make_library"

    def __init__(self):
        super().__init__()

    def run_pass(self, state):
        state.library = EntryLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        state.library.counts_references = state.flags.nrt
        return True


# Passes that find nothing in our functions: array expressions, closures, literally(), errors with text made up on the
# way; types for reports; the ends of references, where none are counted.
UNUSED_PASSES = {"NopythonRewrites", "InlineOverloads", "InlineInlinables", "InlineClosureLikes", "LiteralUnroll",
                 "FindLiterallyCalls", "LiteralPropagationSubPipelinePass", "WithLifting", "MakeFunctionToJitFunction",
                 "RewriteDynamicRaises", "NoPythonSupportedFeatureValidation", "DumpParforDiagnostics",
                 "AnnotateTypes", "IRLegalization"}  # fmt: skip


def _used_passes(state, lower):
    """Numba's passes over a function, `lower` in the place of its lowering, without the others."""
    unused = UNUSED_PASSES - {"IRLegalization"} if state.flags.nrt else UNUSED_PASSES
    used = {}  # no pass twice: dead branches are looked for again after some of the others
    for step, description in DefaultPassBuilder.define_nopython_pipeline(state).passes:
        if step.__name__ not in unused:
            used.setdefault(lower if step is NativeLowering else step, description)
    return used


class _QuietPasses(PassManager):
    """Passes without the events and timings around each of them."""

    def _runPass(self, index, pss, internal_state):
        pss.analysis = self._analysis
        pss.run_initialization(internal_state)
        pss.run_pass(internal_state)
        pss.run_finalizer(internal_state)


_KNOWN_PASSES = {}


def passes_over_kernels(state: Any) -> Any:
    """What Numba does with a kernel, step by step."""
    if state.flags.nrt not in _KNOWN_PASSES:
        passes = _QuietPasses("kernel")
        for step, description in _used_passes(state, LowerKernel).items():
            passes.add_pass(step, description)
        passes.finalize()
        _KNOWN_PASSES[state.flags.nrt] = passes
    return _KNOWN_PASSES[state.flags.nrt]


def passes_over_entry(state: Any) -> Any:
    """What Numba does with an entry; all it can do with one that counts references, such as a user's function."""
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    if not state.flags.nrt:
        passes.passes = list(_used_passes(state, LowerEntry).items())
    lower = next(step for step, _ in passes.passes if issubclass(step, BaseNativeLowering))
    passes.passes.insert([step for step, _ in passes.passes].index(lower), (_MakeLibrary, "our library"))
    passes.finalize()
    return passes
