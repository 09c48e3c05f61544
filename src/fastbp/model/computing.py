"""What a network computes: outputs, errors, derivatives. The user's arrays are checked here, and no further on."""

import math

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine import gate, threads
from fastbp.engine.gate import NETWORK, CheckedSamples
from fastbp.kernels.training import chunks
from fastbp.losses import check_targets
from fastbp.model.rewiring import RewirableNetwork


class ComputingNetwork(RewirableNetwork):
    """What a `Network` computes."""

    def forward(self, X: Array) -> Array:
        """Outputs of the network.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples; (n_samples,) is allowed for one input.

        Returns
        -------
        array (n_samples, n_outputs)

        Notes
        -----
        A few samples, as a C-contiguous array of the network's dtype, take a shorter way than many: about
        1 us instead of 20. It adds up in another order; the results agree to rounding.
        """
        outputs = self.few_outputs(X)
        if outputs is None:
            samples = self._check_inputs(X)
            outputs = self.few_outputs(samples.x)  # a list, say, gives the same bits as an array
        if outputs is None:
            outputs = self._values(samples, self._topology.first_output, self.n_outputs, with_delta=False)
        return outputs

    def activations(self, X: Array) -> list[Array]:
        """z of every unit: a list over the layers, inputs first, of arrays (n_samples, n_units)."""
        values = self._values(self._check_inputs(X), 0, self._topology.n_units, with_delta=False)
        return self._by_layer(values)

    def deltas(self, X: Array, T: Array) -> list[Array]:
        """delta = dE_n/da of every unit: a list over the layers after the inputs, of (n_samples, n_units)."""
        self._check_differentiable("deltas")
        values = self._values(self.check_samples(X, T), 0, self._topology.n_units, with_delta=True)
        return self._by_layer(values)[1:]

    def loss(self, X: Array, T: Array, sample_weight: Array | None = None) -> float:
        """E = sum_n weight_n E_n.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets.
        sample_weight : array (n_samples,), optional
            Not negative; 1 for each sample if not given.
        """
        return self._sums(self.check_samples(X, T, sample_weight), chunks.ERROR)[0]

    def gradient(
        self, X: Array, T: Array, sample_weight: Array | None = None, n_threads: int | None = None
    ) -> tuple[float, Array]:
        """(E, grad): the error that `loss` returns, and dE/dparams, (n_params,), in the order of `params`.

        The bits of both are the same for any number of threads.
        """
        self._check_differentiable("gradient")
        samples = self.check_samples(X, T, sample_weight)
        return self._sums(samples, chunks.GRADIENT, threads.check(n_threads))

    def input_gradient(self, X: Array, v: Array | None = None, n_threads: int | None = None) -> Array:
        """Derivatives of the outputs by the inputs.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
        v : array (n_samples, n_outputs) or (n_outputs,), optional
            Weights of the outputs.
        n_threads : int or None
            As in `fit`. The bits of the result are the same for any number of threads.

        Returns
        -------
        array
            With `v`: sum_k v_k dy_k/dx_i, (n_samples, n_inputs), in about the time of `deltas`. Without: the
            Jacobian dy_k/dx_i, (n_samples, n_outputs, n_inputs), one output after the other.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> net = fastbp.Network((3, 8, 2), seed=0)
        >>> X = np.zeros((5, 3))
        >>> net.input_gradient(X).shape, net.input_gradient(X, [1.0, -1.0]).shape
        ((5, 2, 3), (5, 3))
        """
        self._check_differentiable("input_gradient")
        n_threads = threads.check(n_threads)
        x = self._check_inputs(X).x
        shape = (len(x), self.n_outputs)
        if v is not None:
            return self._input_gradient(x, checks.rows(v, "v", shape, self.dtype, "outputs"), n_threads)
        jacobian = np.empty((*shape, self.sizes[0]), self.dtype)
        for k in range(self.n_outputs):
            one = np.zeros(shape, self.dtype)
            one[:, k] = 1.0
            jacobian[:, k] = self._input_gradient(x, one, n_threads)
        return jacobian

    # ------------------------------------------------------------------ input

    def check_samples(
        self, X: Array, T: Array, sample_weight: Array | None = None, *, prefix: str = ""
    ) -> CheckedSamples:
        """The user's arrays, checked and converted; `prefix` stands before their names in messages."""
        names = NETWORK.of(prefix)
        samples = gate.samples(self.engine.gate.port, X, T, sample_weight, names=names)
        check_targets(self._loss.name, samples.t, names.t)
        return samples

    def _check_inputs(self, X: Array) -> CheckedSamples:
        """The user's inputs, checked and converted, with empty arrays for what is not there."""
        return gate.inputs(self.engine.gate.port, X)

    def _values(self, samples: CheckedSamples, first_unit: int, n_columns: int, *, with_delta: bool) -> Array:
        """z, or delta, of a run of units: (n_samples, n_columns)."""
        out = np.empty((len(samples), n_columns), self.dtype)
        wanted = chunks.DELTA if with_delta else chunks.FORWARD
        self.engine.run(samples, wanted, first_unit=first_unit, out=out)
        checks.warn_unless_finite(out, "delta of units" if with_delta else "values of units")
        return out

    def _input_gradient(self, x: Array, v: Array, n_threads: int | None) -> Array:
        """sum_k v_k dy_k/dx_i, (n_samples, n_inputs), of arrays that are checked."""
        out = np.empty_like(x)
        samples = gate.samples(self.engine.gate.port, x, v, are_finite=True)
        self.engine.run(samples, chunks.INPUT_DELTA, out=out, n_threads=n_threads)
        return out

    def _sums(
        self, samples: CheckedSamples, wanted: chunks.Wanted, n_threads: int | None = None
    ) -> tuple[float, Array]:
        """The error of all samples; and its gradient, if that is the job."""
        error, gradient = self.engine.run(samples, wanted, n_threads=n_threads)
        if wanted.gradient:
            checks.warn_unless_finite(gradient, "derivatives")
        if not math.isfinite(error):
            checks.warn_unless_finite(np.array(error, self.dtype), "sums of errors")
        return error, gradient

    def _by_layer(self, values: Array) -> list[Array]:
        starts = zip(self._topology.first_units, self.sizes, strict=True)
        return [np.ascontiguousarray(values[:, first : first + size]) for first, size in starts]

    def _check_differentiable(self, method: str) -> None:
        for layer, function in enumerate(self._functions, 1):
            if not function.has_derivative:
                raise ValueError(
                    f"{method} needs activation functions with a derivative; layer {layer} has {function.name!r}, "
                    f"which is for the forward pass only"
                )
