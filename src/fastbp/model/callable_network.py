"""`CallableNetwork`: what a user's own compiled code needs of a network: the kernels' view of it, and work space."""

from typing import TYPE_CHECKING

from fastbp import checks
from fastbp.activations import Activation
from fastbp.engine.choices import SLOPES
from fastbp.engine.engine import Engine
from fastbp.engine.work_spaces import UserCalls, Words
from fastbp.kernels.tables import Packed
from fastbp.structure.topology import Topology

if TYPE_CHECKING:
    from fastbp.jit.c_functions import CFunction


class CallableNetwork:
    """How compiled code calls a network."""

    engine: Engine
    _packed: Packed
    _topology: Topology
    _functions: list[Activation]
    _user_calls: UserCalls | None

    @property
    def packed(self) -> Packed:
        """The network as the kernels see it, for `fastbp.jit`; shares memory with `params`."""
        self.engine.link(SLOPES)
        return self._packed

    def workspace(self, n: int | None = None) -> Words:
        """Work space for calls of `fastbp.jit`, from one thread at a time.

        Parameters
        ----------
        n : int, optional
            How many, for several threads.

        Returns
        -------
        array of int64
            (n_words,), or (n, n_words): a row for each thread. It belongs to this network, in this process:
            a file or another process has no use for it.
        """
        spaces = self._calls().work_spaces(1 if n is None else checks.integer(n, "n", minimum=1))
        return spaces[0] if n is None else spaces

    def cfunc(self, form: str = "outputs") -> "CFunction":
        """The network as a C function, for SciPy, solvers of differential equations, and C code.

        Parameters
        ----------
        form : str
            What it takes and does, with T = float or double, as the network's dtype is:

            - "outputs": ``void (const T *x, T *y)`` writes the outputs for the inputs x.
            - "scalar": ``T (int n, T *x)`` returns the only output, NaN unless n is the number of inputs: in
              float64 what ``scipy.integrate.quad`` and ``nquad`` take as a ``scipy.LowLevelCallable``.
            - "ode": ``void (T t, T *u, T *du, T *p)`` writes the outputs for u to du; or those for t and u, t
              first, if the network has one input more than outputs. p is not read.
            - "input_gradient": ``void (const T *x, const T *v, T *dx)``, see `fastbp.jit.input_gradient`.

        Returns
        -------
        CFunction
            With `address`, `ctypes` and `signature`. It sees later changes of `params`. Any number of threads
            may call it.

        Raises
        ------
        ValueError
            For another form, or one that the network's sizes or functions do not go with.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network((2, 8, 1), seed=0)
        >>> f = net.cfunc("scalar")
        >>> f.signature
        'double (int n, double *x)'
        >>> import ctypes
        >>> f.ctypes(2, (ctypes.c_double * 2)(0.0, 0.0))
        0.0
        """
        from fastbp.jit.c_functions import CFunction

        return CFunction(self._calls(), form)

    def _calls(self) -> UserCalls:
        """How a user's compiled code calls this network."""
        if self._user_calls is None:
            self._user_calls = UserCalls(self.packed, self._functions, self._topology)
        return self._user_calls
