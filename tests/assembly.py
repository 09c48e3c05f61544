"""Assembly of kernels, of this machine's instructions or of 64-bit Arm's, and what its inner loops do.

A tile of sums that does not fit the registers is kept in memory, and runs at a tenth of the speed with the same
results: that shows here alone. As a program it prints the loops over the terms of `weighted_sums`:

    python tests/assembly.py                             # as this machine, or NUMBA_CPU_NAME, has them
    FASTBP_REGISTERS=16x4 python tests/assembly.py arm   # NEON's
"""

import re
import sys
from typing import NamedTuple

import llvmlite.binding as llvm
import numba
import numpy as np

from fastbp.kernels.compiling import libraries
from fastbp.kernels.compiling.decorators import CALLED, OPTIONS
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of, weighted_sums
from fastbp.kernels.registers import machine
from fastbp.kernels.registers.lanes import view

ARM = "aarch64-unknown-linux-gnu"
ARM_CPU = "neoverse-n1"

LABEL = re.compile(r"^(\.?\w+):")
JUMP = re.compile(r"^\s+(?:j\w+|b|b\.\w+|cbn?z\s+\w+,|tbn?z\s+\w+,\s*#\d+,)\s+(\.?LBB\w+)")
# x86 without fused multiply-adds has a product and a sum
PRODUCT = re.compile(r"^\s+(?:vfn?m(?:add|sub)\d+p[sd]|mulp[sd]|fmla\s+v)")
# To memory: the last operand of x86's, the second and third of Arm's
STORE = re.compile(r"^\s+(?:v?mov[anu]?[ph]*[sdq]\w*\s+%[xyz]mm\d+.*\)|st[pur]+\s+q\d+)")
LOAD = re.compile(r"^\s+(?:v?mov\w+\s+[^%]*\(.*%[xyz]mm\d+|vbroadcast\w+\s+[^%]*\(|ld[pur1]+\w*\s)")


class Loop(NamedTuple):
    """An inner loop: its instructions, and some kinds of them, on registers full of numbers."""

    n_instructions: int
    n_products: int
    n_loads: int
    n_stores: int


def weighted_sums_of(out, weights, rows):
    """The sums of all tiles, of rows nearby and from further away."""
    n_sums, length = out.shape
    size = Size(n_sums, length, weights.shape[1])
    epilogue = Epilogue(False, view(weights), 1, NO_FLOOR, False, view(out))
    w, terms = Weights(view(weights), weights.shape[1], 1), terms_of(Rows(view(rows), rows.shape[1]))
    weighted_sums(Rows(view(out), length), w, terms, epilogue, size)


def assembly_of_sums(dtype, *, arm=False):
    """Return the assembly of `weighted_sums_of` for matrices of a dtype."""
    matrix = np.zeros((1, machine.lanes_of(np.dtype(dtype))), dtype)
    return assembly_of(weighted_sums_of, matrix, matrix[:, :1].copy(), matrix, arm=arm)


def assembly_of(function, *args, arm=False):
    """Return the assembly of a function with kernels in it, compiled for these arguments."""
    modules, optimise = [], libraries.EntryLibrary._optimize_final_module

    def kept(library):
        modules.append(str(library._final_module))
        optimise(library)

    libraries.EntryLibrary._optimize_final_module = kept
    try:
        compiled = numba.njit(function, **(OPTIONS | CALLED))  # not kept on disk
        compiled(*args)
    finally:
        libraries.EntryLibrary._optimize_final_module = optimise
    if not arm:
        (text,) = compiled.inspect_asm().values()
        return text
    return arm_assembly(max(modules, key=len))


def arm_assembly(text):
    """Return the assembly for Arm of a module as it is before LLVM's passes, which are those of `EntryLibrary`."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(ARM)
    made_for = target.create_target_machine(cpu=ARM_CPU, opt=3, reloc="pic", codemodel="default")
    module = llvm.parse_assembly(re.sub(r"^target (triple|datalayout) = .*$", "", text, flags=re.MULTILINE))
    module.triple, module.data_layout = target.triple, str(made_for.target_data)
    simplify = llvm.create_new_module_pass_manager()
    for add in ("sroa", "always_inliner", "simplify_cfg", "instruction_combine", "loop_rotate", "jump_threading"):
        getattr(simplify, f"add_{add}_pass")()
    simplify.run(module, builder_for(made_for, 0))
    builder = builder_for(made_for, 3)
    builder.getModulePassManager().run(module, builder)
    return made_for.emit_assembly(module)


def builder_for(made_for, level):
    """Return LLVM's builder of passes for a machine; from level 1 on with both vectorisers, as Numba sets them."""
    tuning = llvm.create_pipeline_tuning_options()
    tuning.speed_level = level
    tuning.loop_vectorization = level > 0
    tuning.slp_vectorization = level > 0 and bool(numba.config.SLP_VECTORIZE)
    return llvm.create_pass_builder(made_for, tuning)


def inner_loops(text):
    """Return the `Loop`s with products of registers in them: from a label to a jump back to it, none within."""
    lines, places, spans = text.splitlines(), {}, []
    for number, line in enumerate(lines):
        if found := LABEL.match(line):
            places[found[1]] = number
        elif (found := JUMP.match(line)) and found[1] in places:
            spans.append((places[found[1]], number))
    loops = []
    for start, stop in spans:
        if any(start <= a and b <= stop and (a, b) != (start, stop) for a, b in spans):
            continue
        body = [line for line in lines[start : stop + 1] if re.match(r"^\s+[a-z]", line)]
        n_products, n_loads, n_stores = (sum(map(bool, map(kind.match, body))) for kind in (PRODUCT, LOAD, STORE))
        if n_products:
            loops.append(Loop(len(body), n_products, n_loads, n_stores))
    return loops


def main():
    """Print the loops, largest tile first."""
    arm = "arm" in sys.argv[1:]
    print(ARM_CPU if arm else machine.INSTRUCTIONS, machine.REGISTER_BYTES, "bytes x", machine.TILE_REGISTERS)
    for dtype in ("float32", "float64"):
        print(f"{dtype}: instructions, products, loads, stores of registers")
        for loop in sorted(set(inner_loops(assembly_of_sums(dtype, arm=arm))), key=lambda loop: -loop.n_products):
            print("  {:4d} {:4d} {:4d} {:4d}".format(*loop))


if __name__ == "__main__":
    main()
