"""The LLVM modules of kernels and entries: each kernel is put into an entry once.

Numba links a function's module into every caller's, with all that this one calls, and those into their
callers': the same kernels are copied at each level, from the innermost loop up to the entry.
"""

import llvmlite.binding as llvm
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary


class KernelLibrary(JITCodeLibrary):
    """A kernel's own LLVM, as text, and the libraries of what it calls. There is no machine code of it alone."""

    def __init__(self, codegen, name):
        super().__init__(codegen, name)
        self._texts = []

    def add_ir_module(self, ir_module):
        """Keep a module: its functions may be in several modules, of which LLVM keeps one, or none if all are inlined."""
        for function in ir_module.functions:
            if not function.is_declaration and not function.linkage:
                function.linkage = "linkonce_odr"
        self._texts.append(cgutils.normalize_ir_text(str(ir_module)))

    def finalize(self):
        """Nothing is added any more."""
        self._finalized = True

    def link_into(self, module, seen):
        """Put the kernel, and what it calls, into an LLVM module, but for the libraries that are in `seen`."""
        for text in self._texts:
            module.link_in(llvm.parse_assembly(text))
        link(self._linking_libraries, module, seen)

    def _get_module_for_linking(self):
        """What a user's compiled function puts into its own module."""
        if self._shared_module is None:
            self.link_into(self._final_module, {self})
            self._shared_module = self._final_module
        return self._shared_module


class EntryLibrary(JITCodeLibrary):
    """An entry's LLVM, and that of all it calls."""

    def finalize(self):
        """Optimise and compile it all together."""
        libraries, self._linking_libraries = self._linking_libraries, []
        link(libraries, self._final_module, set())
        super().finalize()

    def _optimize_functions(self, ll_module):
        """Nothing: they are optimised when all is together."""
        ll_module.data_layout = self._codegen._data_layout


def link(libraries, module, seen):
    """Put libraries into an LLVM module, each once, and add them to those that are `seen`."""
    for library in libraries:
        if library in seen:
            continue
        seen.add(library)
        if isinstance(library, KernelLibrary):
            library.link_into(module, seen)
        else:
            module.link_in(library._get_module_for_linking(), preserve=True)
