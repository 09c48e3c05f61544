"""`to_c`: a network as one file of C99."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastbp.exporting.c_columns import columns_text, draw_rows, member_names, row_text, test_of_columns
from fastbp.exporting.c_names import PLACEHOLDER, check_name, named
from fastbp.exporting.c_selftest import draw_samples, test_text
from fastbp.exporting.c_source import CNetwork, file_text
from fastbp.exporting.columns import table_of
from fastbp.files.container import StrPath
from fastbp.files.outputs import check_writable, replacing
from fastbp.version import __version__

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork


def to_c(net: "ComputingNetwork", path: StrPath, *, name: str = "net", extra: Mapping[str, Any] | None = None) -> None:
    """Write a network as one file of C99, see `Network.to_c`.

    `extra`: what a model file of ``fastbp train`` keeps beside the network; with it the file has a function that
    takes the raw columns.
    """
    checked = check_name(name)
    check_writable(path)
    c = CNetwork.of(net, PLACEHOLDER)
    table = table_of(dict(extra or {}), net.n_inputs, net.n_outputs)
    if table is None:
        text = head_text(c) + "\n" + file_text(c) + "\n" + test_text(c, draw_samples(net, c.has_gradient))
    else:
        members = member_names(table.columns)
        rows, samples = draw_rows(c, table)
        parts = [head_text(c), row_text(c, table, members), file_text(c), columns_text(c, table, members)]
        text = "\n".join([*parts, test_text(c, samples, test_of_columns(c, table, rows, samples))])
    final = named(text, checked).encode()
    with replacing(path) as file:
        file.write(final)


def head_text(c: CNetwork) -> str:
    """What the file is, how it is compiled and called."""
    net, name = c.net, c.name
    real = "float" if net.dtype == "float32" else "double"
    digits, n_digits = ("FLT_MANT_DIG", 24) if real == "float" else ("DBL_MANT_DIG", 53)
    gradient = f"void {name}_input_gradient(const {real} *x, const {real} *v, {real} *dx);\n"
    explained = " *   dx_i = sum_k v_k dy_k/dx_i, the derivatives by the inputs\n" if c.has_gradient else ""
    prototypes = f"void {name}(const {real} *x, {real} *y);\n" + (gradient if c.has_gradient else "")
    shown = "".join(f" *   {line}\n" for line in prototypes.splitlines())
    described = "".join(f" *   {line}\n" for line in repr(net).splitlines())
    return f"""\
/* A feed-forward network, written by fastbp {__version__}:
 *
{described} *
{shown} *
 *   y = outputs ({net.n_outputs}) for the inputs x ({net.n_inputs}); y may be x
{explained} *
 * C99 without any library but libm; no memory is allocated, nothing is written but the results: any number of threads
 * may call it. Compile it with -O3. Compiled with -D{name}_TEST, it is a program that returns 0 only if its own
 * samples come out right. Numbers in brackets are the equations of Bishop, Pattern Recognition and Machine Learning.
 * Do not compile it with -ffast-math.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if FLT_RADIX != 2 || {digits} != {n_digits}
#error "{real} must be the IEEE 754 format of {32 if real == "float" else 64} bits"
#endif

{prototypes}"""
