"""What a network computes: outputs, errors, derivatives. The user's arrays are checked here, and no further on."""

import math

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.data.partitions import Partitions
from fastbp.engine import gate, threads
from fastbp.engine.gate import NETWORK, CheckedSamples
from fastbp.kernels.training import chunks
from fastbp.losses import check_targets
from fastbp.model.partitioned import Source
from fastbp.model.rewiring import RewirableNetwork


class ComputingNetwork(RewirableNetwork):
    """What a `Network` computes."""

    def forward(self, X: Array) -> Array:
        """Compute the outputs of the network.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples; (n_samples,) is allowed for one input.

        Returns
        -------
        array (n_samples, n_outputs)
            Of the network's dtype.

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
        """Compute z of every unit.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.

        Returns
        -------
        list of array (n_samples, n_units)
            One for each layer, inputs first.
        """
        values = self._values(self._check_inputs(X), 0, self._topology.n_units, with_delta=False)
        return self._by_layer(values)

    def deltas(self, X: Array, T: Array) -> list[Array]:
        """Compute delta = dE_n/da of every unit.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets.

        Returns
        -------
        list of array (n_samples, n_units)
            One for each layer after the inputs.
        """
        self._check_differentiable("deltas")
        values = self._values(self.check_samples(X, T), 0, self._topology.n_units, with_delta=True)
        return self._by_layer(values)[1:]

    def loss(self, X: Array | Partitions, T: Array | None = None, sample_weight: Array | None = None) -> float:
        """Compute the error, E = sum_n weight_n E_n.

        Parameters
        ----------
        X : array (n_samples, n_inputs), or partitions of `fastbp.data`
            Samples.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets; left out for partitions, which hold them, and weights.
        sample_weight : array (n_samples,), optional
            Not negative; 1 for each sample if not given.

        Returns
        -------
        float
            The sum over the samples, not their mean.
        """
        return self._sums(self.check_data(X, T, sample_weight), chunks.ERROR)[0]

    def gradient(
        self,
        X: Array | Partitions,
        T: Array | None = None,
        sample_weight: Array | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, Array]:
        """Compute the error and its derivatives by all parameters.

        Parameters
        ----------
        X : array (n_samples, n_inputs), or partitions of `fastbp.data`
            Samples. Partitions are read one after the other, and added up in pairs, pairs of pairs, and so on: always
            in the same order.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets; left out for partitions, which hold them, and weights.
        sample_weight : array (n_samples,), optional
            Not negative; 1 for each sample if not given.
        n_threads : int or None
            As in `fit`. The bits of the results are the same for any number of threads.

        Returns
        -------
        E : float
            What `loss` returns.
        grad : array (n_params,)
            Derivatives dE/dparams, in the order of `params`.
        """
        self._check_differentiable("gradient")
        samples = self.check_data(X, T, sample_weight)
        return self._sums(samples, chunks.GRADIENT, threads.check(n_threads))

    def input_gradient(self, X: Array, v: Array | None = None, n_threads: int | None = None) -> Array:
        """Compute the derivatives of the outputs by the inputs.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
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

    def check_data(
        self, X: Array | Partitions, T: Array | None, sample_weight: Array | None
    ) -> CheckedSamples | Source:
        """Check the user's arrays, and convert them; partitions are when they are read.

        Parameters
        ----------
        X, T, sample_weight
            As in `gradient`.

        Returns
        -------
        CheckedSamples or Source
        """
        if not isinstance(X, Partitions):
            return self.check_samples(X, T, sample_weight)
        for name, values in (("T", T), ("sample_weight", sample_weight)):
            if values is not None:
                raise ValueError(f"{name} must be left out where X are partitions, which hold it; got {type(values)}")
        return Source(self, X)

    def check_samples(
        self,
        X: Array,
        T: Array | None,
        sample_weight: Array | None = None,
        *,
        prefix: str = "",
        are_finite: bool = False,
    ) -> CheckedSamples:
        """The user's arrays, checked and converted; `prefix` stands before their names in messages.

        `are_finite`: they have been looked at, and are again only if they are converted.
        """
        names = NETWORK.of(prefix)
        samples = gate.samples(self.engine.gate.port, X, T, sample_weight, names=names, are_finite=are_finite)
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
        self, samples: CheckedSamples | Source, wanted: chunks.Wanted, n_threads: int | None = None
    ) -> tuple[float, Array]:
        """The error of all samples; and its gradient, if that is the job."""
        if isinstance(samples, CheckedSamples):
            error, gradient = self.engine.run(samples, wanted, n_threads=n_threads)
        else:
            error, gradient, _n = samples.sums(wanted, n_threads)
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
