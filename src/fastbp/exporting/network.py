"""A network in files, its own and other programs': thin methods; what stands beside this file does it."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from fastbp import checks
from fastbp.activations import Activation
from fastbp.exporting import safetensors
from fastbp.files import models
from fastbp.model.attributes import constructor
from fastbp.model.computing import ComputingNetwork

if TYPE_CHECKING:
    from fastbp.files.container import StrPath


class PortableNetwork(ComputingNetwork):
    """What a `Network` has to leave Python, and to come back."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file: versioned, with a checksum; the old file stays until the new one is whole.

        Parameters
        ----------
        path : str or path
            The file, with any suffix.

        Notes
        -----
        A path that ends in ".safetensors" makes a file of that format, which PyTorch reads: `docs/export.md` has the
        names of its tensors. It has no checksum.
        """
        if os.fspath(checks.file_path(path)).endswith(".safetensors"):
            safetensors.save_network(self, path)
        else:
            models.save(self, path)

    @constructor
    def load(cls, path: str | os.PathLike[str], activations: Iterable[Activation] = ()) -> Self:
        """A network from a file that `save` wrote; of a subclass, if that is asked.

        Parameters
        ----------
        path : str or path
            The file.
        activations : iterable of Activation
            The user's own ones that the file names. No code is stored in a file, nor are attributes that a subclass
            has added.

        Returns
        -------
        Network
            With the same parameters, bit for bit.

        Raises
        ------
        ValueError
            If the file is not whole, was altered, or comes from a newer version.
        """
        if os.fspath(checks.file_path(path)).endswith(".safetensors"):
            return safetensors.load_network(path, activations, cls)
        return models.load(path, activations, cls)[0]

    def to_c(
        self, path: "StrPath", *, name: str = "net", bits: int | None = None, x_max: float | None = None
    ) -> float | None:
        """Write the network as one file of C99, for firmware, simulators, and whatever else calls C.

        Parameters
        ----------
        path : str or path
            Such as "net.c". An old file stays as it was until the new one is whole.
        name : str
            What to call the function: ``void name(const T *x, T *y)``, T = float or double as the dtype is. Unless a
            layer has "threshold", ``void name_input_gradient(const T *x, const T *v, T *dx)`` writes the derivatives
            of sum_k v_k y_k by the inputs.
        bits : 8 or 16, optional
            Write whole numbers of so many bits, with a scale for each layer and no floating point at all:
            ``void name(const int16_t *x, int32_t *y)``; the file says what its numbers stand for.
        x_max : float, optional
            With `bits`: how large inputs may be, 1.0 by default. The smaller, the finer.

        Returns
        -------
        float or None
            With `bits`, a bound of how far any output is off, for any inputs within `x_max`. It is proved, from the
            weights, and as a rule some times what errors come to.

        Raises
        ------
        ValueError, TypeError
            For a name that C does not allow or the file needs itself, weights that are not finite, an activation of
            the user's own; with `bits`, for "threshold", whose error has no bound. No file is written.

        Notes
        -----
        The file needs a C99 compiler and libm, and allocates no memory; any number of threads may call it. Outputs
        are those of `forward`, to rounding. Compiled with ``-D<NAME>_TEST``, NAME in capitals, it is a program that
        returns 0 only if eight samples come out right and no weight was changed. `docs/export.md` has more.

        Examples
        --------
        >>> import fastbp, pathlib, tempfile
        >>> net = fastbp.Network((2, 8, 1), dtype="float32", seed=0)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "surface.c"
        >>> net.to_c(path, name="surface")
        >>> "void surface(const float *x, float *y);" in path.read_text()
        True
        """
        from fastbp.exporting.c_export import to_c

        if bits is None and x_max is None:
            to_c(self, path, name=name)
            return None
        from fastbp.exporting.fixed_source import to_fixed_c

        return to_fixed_c(self, path, name=name, bits=bits, x_max=x_max)

    def to_onnx(self, path: "StrPath") -> None:
        """Write the network as an ONNX model (needs ``fastbp[onnx]``): input "x", output "y", both of its dtype.

        Parameters
        ----------
        path : str or path
            Such as "net.onnx". An old file stays as it was until the new one is whole.

        Raises
        ------
        ImportError
            If onnx is not installed.
        ValueError, TypeError
            For weights that are not finite, an activation of the user's own, a network that no file holds.

        Notes
        -----
        Opset 20, IR version 9. In float64, functions that onnxruntime has for float32 alone are composed of others.
        """
        from fastbp.exporting.onnx_export import to_onnx

        to_onnx(self, path)
