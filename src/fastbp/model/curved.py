"""Second derivatives of a network, and what goes with them: Jacobians and the gradients of single samples."""

from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from fastbp import checks
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.gate import CheckedSamples
from fastbp.kernels.codes import SOFTMAX
from fastbp.kernels.formulas.losses import has_bend
from fastbp.model.computing import ComputingNetwork
from fastbp.model.partitioned import Asked

if TYPE_CHECKING:
    from fastbp.engine.curvature import Curvature
    from fastbp.kernels.curvature.loading import Given

FLOAT64 = np.dtype(np.float64)
KINDS = ("exact", "gauss_newton")


def _given_of(samples: CheckedSamples) -> "Given":
    """Checked samples in float64."""
    from fastbp.engine.curvature import given_of  # here, as below: most processes need none of these kernels

    return given_of(samples)


class CurvedNetwork(ComputingNetwork):
    """What a `Network` knows of its second derivatives."""

    def jacobian(self, X: Array, n_threads: int | None = None) -> Array:
        """Differentiate the outputs by the parameters, for each sample.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
        n_threads : int or None
            As in `fit`. The bits of the result are the same for any number of threads.

        Returns
        -------
        array (n_samples, n_outputs, n_params)
            The derivatives dy_k/dparams, parameters in the order of `params`.

        Raises
        ------
        MemoryError
            If the machine, or the container, has less memory than the result takes, before any is taken.

        Notes
        -----
        Worked out in float64 for networks of either dtype, as everything of second order; a result of float32 is
        rounded at the end. `jacobian_product` needs no matrix.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> net = fastbp.Network((3, 8, 2), seed=0)
        >>> net.jacobian(np.zeros((5, 3))).shape
        (5, 2, 50)
        """
        self._check_differentiable("jacobian")
        return self._as_own(self._curvature.jacobian(_given_of(self._check_inputs(X)), threads.check(n_threads)))

    def jacobian_product(self, X: Array, v: Array, n_threads: int | None = None) -> Array:
        """Derivative of the outputs along a direction of the parameters.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
        v : array (n_params,)
        n_threads : int or None
            As in `jacobian`.

        Returns
        -------
        array (n_samples, n_outputs)
            The sums over p of v_p dy_k/dparams_p, in about the time of two forward passes.
        """
        self._check_differentiable("jacobian_product")
        given, checked = _given_of(self._check_inputs(X)), threads.check(n_threads)
        direction = checks.vector(v, "v", self.n_params, FLOAT64)
        return self._as_own(self._curvature.outputs_along(given, direction.reshape(1, -1), checked))

    def input_jacobian(self, X: Array, n_threads: int | None = None) -> Array:
        """Differentiate the outputs by the inputs: `input_gradient` without weights of the outputs.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        n_threads : int or None
            As in `fit`.

        Returns
        -------
        array (n_samples, n_outputs, n_inputs)
            The derivatives dy_k/dx_i.
        """
        return self.input_gradient(X, n_threads=n_threads)

    def sample_gradients(
        self, X: Array, T: Array, sample_weight: Array | None = None, n_threads: int | None = None
    ) -> Array:
        """Gradient of the error of each sample by itself.

        Parameters
        ----------
        X, T, sample_weight, n_threads
            As in `gradient`.

        Returns
        -------
        array (n_samples, n_params)
            The rows weight_n dE_n/dparams that `gradient` adds up.

        Raises
        ------
        MemoryError
            As `jacobian`.
        """
        self._check_differentiable("sample_gradients")
        given, checked = _given_of(self.check_samples(X, T, sample_weight)), threads.check(n_threads)
        return self._as_own(self._curvature.sample_gradients(given, checked))

    def hessian(
        self,
        X: Array,
        T: Array,
        sample_weight: Array | None = None,
        *,
        kind: str = "exact",
        n_threads: int | None = None,
    ) -> tuple[float, Array, Array]:
        """Second derivatives of the error by the parameters.

        Parameters
        ----------
        X, T, sample_weight, n_threads
            As in `gradient`.
        kind : "exact" or "gauss_newton"
            All of it; or the part without second derivatives of the network, which is never negative: J^T J for
            squared errors. Of softmax, logistic and exponential outputs with the loss that belongs to them the
            matrix is split at the outputs' a, of all others at y.

        Returns
        -------
        E : float
            The error that `loss` returns.
        grad : array (n_params,)
        H : array (n_params, n_params)
            Symmetric to the last bit.

        Raises
        ------
        ValueError
            With "exact", for an `Activation` of your own without `d2h`.
        MemoryError
            If the machine, or the container, has less memory than the matrix takes, before any is taken.

        Notes
        -----
        Bishop, section 5.4, for any network. The Jacobian is never stored: memory does not grow with n_samples, and
        time does not with the number of outputs. At a kink, as of relu, second derivatives count as 0.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> net = fastbp.Network((2, 3, 1), seed=0)
        >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
        >>> error, gradient, H = net.hessian(X, X.sum(axis=1) % 2)
        >>> H.shape, bool((H == H.T).all())
        ((13, 13), True)
        """
        exact = self._check_kind("hessian", kind)
        given, checked = _given_of(self.check_samples(X, T, sample_weight)), threads.check(n_threads)
        error, gradient, matrix = self._curvature.hessian(given, exact=exact, n_threads=checked)
        return error, self._as_own(gradient), self._as_own(matrix)

    def hessian_product(
        self,
        X: Array,
        T: Array,
        v: Array,
        sample_weight: Array | None = None,
        *,
        kind: str = "exact",
        n_threads: int | None = None,
    ) -> Array:
        """The Hessian times a vector, without the matrix: the R-operator (Pearlmutter 1994).

        Parameters
        ----------
        X, T, sample_weight, kind, n_threads
            As in `hessian`.
        v : array (n_params,) or (n_vectors, n_params)
            Several vectors share the passes that depend on none of them.

        Returns
        -------
        array
            H v, of the shape of `v`, in the time of some two gradients for each vector.
        """
        exact = self._check_kind("hessian_product", kind)
        given, checked = _given_of(self.check_samples(X, T, sample_weight)), threads.check(n_threads)
        if checks.numeric(v, "v").ndim == 1:
            vectors = checks.vector(v, "v", self.n_params, FLOAT64).reshape(1, -1)
        else:
            vectors = checks.matrix(v, "v", self.n_params, FLOAT64, "parameters")
        products = self._curvature.products(given, vectors, exact=exact, n_threads=checked)
        return self._as_own(products.reshape(np.shape(v)))

    # ------------------------------------------------------------------ what these share

    def functions_without_bend(self) -> list[str]:
        """Names of the activation functions whose second derivative is not known."""
        return [function.name for function in self._functions if not function.has_bend]

    def check_loss_has_bend(self, asker: str) -> None:
        """Refuse a loss that the package has without its second derivative."""
        if not has_bend(self.packed.loss, self._functions[-1].code):
            raise ValueError(f"{asker} needs the second derivative of the loss; {self.loss_name!r} has none")

    @property
    def has_softmax(self) -> bool:
        """Whether the outputs are those of softmax."""
        return self._functions[-1].code == SOFTMAX

    def with_output(self, function: Activation) -> Self:
        """A network of the same weights with another function of its output layer, and squared errors."""
        parts = ([*self._functions[:-1], function], "squared_error", self.dtype, self.params, self._wiring)
        return type(self).assemble(self._topology, *parts)

    def check_inputs(self, X: Array) -> Array:
        """The user's inputs, checked and converted."""
        return self._check_inputs(X).x

    def curvature_term(self, asked: Asked, samples: CheckedSamples, n_threads: int | None) -> tuple[float, Array]:
        """Compute the error of some samples, and what a minimiser asks of them.

        Parameters
        ----------
        asked : Asked
        samples : CheckedSamples
        n_threads : int or None

        Returns
        -------
        error : float
        numbers : array
            That add up over all samples.
        """
        kind, exact, v = asked
        return self._curvature.term(kind, _given_of(samples), v, exact=exact, n_threads=n_threads)

    def own_curvature(self) -> "Curvature":
        """Jobs at parameters that nobody else moves: the network's own, or of float32 a copy of them."""
        return self._curvature_of if self.dtype == FLOAT64 else self.new_curvature()

    def new_curvature(self) -> "Curvature":
        """Jobs in float64: of a network of that dtype at its own parameters, or else at a copy of them."""
        from fastbp.engine.curvature import Curvature

        double = self if self.dtype == FLOAT64 else self.astype(FLOAT64)
        return Curvature(double.packed, self._topology, self._functions)

    def _check_kind(self, method: str, kind: str) -> bool:
        """Whether second derivatives of the activation functions are wanted; they must be known, as the loss's."""
        self._check_differentiable(method)
        self.check_loss_has_bend(method)
        exact = checks.name_of(kind, KINDS, "kind") == "exact"
        for layer, function in enumerate(self._functions, 1):
            if exact and not function.has_bend:
                raise ValueError(
                    f"{method} with kind 'exact' needs second derivatives; activation {function.name!r} of layer "
                    f"{layer} has none: Activation({function.name!r}, h, dh, d2h), or kind='gauss_newton'"
                )
        return exact

    @cached_property
    def _curvature_of(self) -> "Curvature":
        """The jobs; made once."""
        return self.new_curvature()

    @property
    def _curvature(self) -> "Curvature":
        """The jobs, at the parameters as they are."""
        curvature = self._curvature_of
        if self.dtype != FLOAT64:
            curvature.params[:] = self.params
        return curvature

    def _as_own(self, values: Array) -> Array:
        """A result in the network's dtype; warns of what is not finite."""
        own = values
        if self.dtype != FLOAT64:
            with np.errstate(over="ignore"):
                own = values.astype(self.dtype)
        checks.warn_unless_finite(own, "derivatives")
        return own
