"""The LLVM modules of kernels and entries: each kernel is put into an entry once.

Numba links a function's module into every caller's, with all that this one calls, and those into their
callers': the same kernels are copied at each level, from the innermost loop up to the entry.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary


def raises(function: Any) -> Any:
    """Whether a function that is being made into LLVM returns anything but the code for success, 0."""
    ends = (block.terminator for block in function.blocks)
    codes = [code for end in ends if isinstance(end, ir.Ret) for code in end.operands]
    return any(not isinstance(code, ir.Constant) or code.constant != 0 for code in codes)


class KernelLibrary(JITCodeLibrary):
    """A kernel's own LLVM, as text, and the libraries of what it calls. There is no machine code of it alone."""

    may_raise: bool
    texts: list[str]
    functions: list[str]

    def __init__(self, codegen: Any, name: Any) -> None:
        super().__init__(codegen, name)
        self.texts, self.functions = [], []
        self.may_raise = False

    @property
    def callees(self) -> Any:
        """The libraries of what the kernel calls."""
        return self._linking_libraries

    def add_ir_module(self, ir_module: Any) -> None:
        """Keep a module."""
        self.texts.append(cgutils.normalize_ir_text(str(ir_module)))
        defined = [function for function in ir_module.functions if not function.is_declaration]
        self.functions += [function.name for function in defined]
        self.may_raise |= any(raises(function) for function in defined)

    def finalize(self) -> None:
        """Nothing is added any more."""
        self._finalized = True

    def _get_module_for_linking(self):
        """What a user's compiled function puts into its own module."""
        if self._shared_module is None:
            link([self], self._final_module)
            self._shared_module = self._final_module
        return self._shared_module


class EntryLibrary(JITCodeLibrary):
    """An entry's LLVM, and that of all it calls."""

    counts_references = True

    def finalize(self) -> None:
        """Optimise and compile it all together."""
        libraries, self._linking_libraries = self._linking_libraries, []
        for library in link(libraries, self._final_module):
            if hasattr(library, "_reload_init"):  # what a process does before it runs the code; not in Numba 0.61
                self._reload_init.update(library._reload_init)
        super().finalize()

    def _optimize_functions(self, ll_module):
        """Nothing: they are optimised when all is together."""
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        """LLVM's passes over all of it.

        Kernels are simplified before they are put into their callers, some of them 17 times; Numba's passes would
        simplify each copy, and begin with what helps to find references that need not be counted.
        """
        if self.counts_references or not hasattr(self._codegen, "_pass_builder"):  # Numba 0.61 has other managers
            super()._optimize_final_module()
            return
        cheap = self._codegen._pass_builder(opt=0, loop_vectorize=False, slp_vectorize=False)
        first = llvm.create_new_module_pass_manager()
        first.add_sroa_pass()
        first.add_always_inliner_pass()
        first.add_simplify_cfg_pass()
        first.add_instruction_combine_pass()
        first.add_loop_rotate_pass()
        first.add_jump_threading_pass()
        first.run(self._final_module, cheap)
        full = self._codegen._pass_builder()
        full.getModulePassManager().run(self._final_module, full)


def link(libraries: Any, module: Any) -> Any:
    """Put libraries, and what they call, into an LLVM module, each of them once; returns all of them."""
    seen, left, functions = set(), list(reversed(libraries)), []
    while left:
        library = left.pop()
        if library in seen:
            continue
        seen.add(library)
        if isinstance(library, KernelLibrary):
            for text in library.texts:
                module.link_in(llvm.parse_assembly(text))
            functions += library.functions
            left += reversed(library.callees)
        else:
            module.link_in(library._get_module_for_linking(), preserve=True)
    for name in functions:  # dropped by LLVM where all calls are inlined
        module.get_function(name).linkage = "linkonce_odr"
    return seen
