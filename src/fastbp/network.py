"""`Network`: what a user holds. It checks its input, packs it, and calls a kernel."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from fastbp import checks, initial, losses, memory, threads
from fastbp.activations import OUTPUTS, Activation, UnitActivations, resolve, resolve_hidden, resolve_units
from fastbp.checkpoint import check as check_checkpoint
from fastbp.checks import Array
from fastbp.dropout import Dropout, rates_of
from fastbp.kernels import activation as codes
from fastbp.kernels import batch
from fastbp.losses import Loss, check_targets
from fastbp.rewiring import Parts, RewirableNetwork
from fastbp.solvers import make_solver
from fastbp.topology import Skips, Topology, check_skip
from fastbp.training import DEFAULT_BATCH_SIZE, Callbacks, History, Options, Training, Validation
from fastbp.wiring import check_biased, check_edges

NO_ORDER = np.empty(0, np.int64)


class Network(RewirableNetwork):
    """A layered feed-forward network.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of units in each hidden layer, of outputs. At least two numbers.
    activation : str, Activation, or a sequence of them
        Activation function of the hidden layers: one for all or one for each. Names: see
        `fastbp.activations.ACTIVATIONS`.
    output : str or Activation
        Function of the output units; any activation, or "softmax".
    loss : str or Loss
        Name of the loss, see `fastbp.losses`, or a `Loss` with another option. Any loss goes with any output
        function.
    bias : bool
        Whether units have biases.
    skip : "all" or sequence of (int, int)
        Further connections, all units of one layer to all of another: pairs (from_layer, to_layer) with
        to_layer >= from_layer + 2; layer 0 is the inputs. "all": each layer to all later ones.
    init : str or float
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "zeros", or a number x for weights
        uniform in [-x, x]. Biases begin at zero.
    dtype : "float32" or "float64"
        Of parameters and all arithmetic.
    seed : int or None
        Of the initial weights; None draws another one each time.

    Raises
    ------
    ValueError, TypeError
        For an argument that makes no sense; the message names it.
    MemoryError
        If the machine, or the container, has less memory than the parameters take, before any is taken.

    Notes
    -----
    Activation, loss and gradient are those of Bishop, *Pattern Recognition and Machine Learning*,
    section 5.3; `fastbp.kernels.sample` has them loop by loop.

    A result that is infinite, or not a number, comes with a RuntimeWarning: weights, inputs or targets are too
    large for the dtype. `docs/accuracy.md` has the bounds of rounding.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    >>> T = np.array([0, 1, 1, 0.0])
    >>> net = fastbp.Network((2, 4, 1), output="logistic", loss="binary_cross_entropy", seed=1)
    >>> history = net.fit(X, T, epochs=2000, learning_rate=0.01)
    >>> net.forward(X).round().ravel()
    array([0., 1., 1., 0.])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str | Activation | Sequence[str | Activation] = "tanh",
        output: str | Activation = "identity",
        loss: str | Loss = "squared_error",
        bias: bool = True,
        skip: Skips = (),
        init: str | float = "glorot_uniform",
        dtype: Any = "float64",
        seed: int | None = None,
    ) -> None:
        given = checks.items(sizes, "sizes", "a sequence of integers")
        checked_sizes = tuple(checks.integer(size, f"sizes[{k}]", minimum=1) for k, size in enumerate(given))
        if len(checked_sizes) < 2:
            raise ValueError(f"sizes must have at least two numbers, inputs and outputs; got {checked_sizes}")
        hidden = resolve_hidden(activation, len(checked_sizes) - 2)
        functions = [*hidden, resolve(output, "output", OUTPUTS)]
        checked_loss = losses.resolve(loss)
        topology = Topology.layered(checked_sizes, check_skip(skip, len(checked_sizes)), checks.flag(bias, "bias"))
        checked_dtype = checks.float_dtype(dtype)
        draw = initial.generator(seed)
        draw_weights = initial.resolve(init, checked_dtype)
        memory.check(initial.n_bytes(topology, checked_dtype), "sizes", f"{topology.n_params:,} parameters")
        self._build(topology, functions, checked_loss, checked_dtype)
        for (n_out, n_in), view in zip(topology.block_shapes, self._block_views, strict=True):
            view[:] = draw_weights(draw, n_in, n_out, (n_out, n_in))

    @classmethod
    def from_edges(
        cls,
        n_inputs: int,
        n_outputs: int,
        edges: Any,
        *,
        activation: UnitActivations = "tanh",
        output: str | Activation = "identity",
        loss: str | Loss = "squared_error",
        bias: bool | Iterable[int] = True,
        init: str | float = "glorot_uniform",
        dtype: Any = "float64",
        seed: int | None = None,
        n_units: int | None = None,
    ) -> "Network":
        """A network of any connections without cycles.

        Parameters
        ----------
        n_inputs, n_outputs : int
            Units are numbered: inputs are the first n_inputs, outputs the last n_outputs. Hidden units
            stand between them, in any order.
        edges : array (n_edges, 2) of int
            Connections (from unit, to unit). Outputs may feed other units.
        activation : str, Activation, or dict
            Activation function of the hidden units: one for all, or {unit: function}; hidden units that the
            dict does not name have "tanh". It may name outputs too, for functions other than `output`.
        output : str or Activation
            Function of the outputs; "softmax" only if no output feeds another unit.
        loss, init, dtype, seed
            See `Network`. For the weight of an edge, `init` takes the number of edges into its target as
            inputs, and that of edges out of its source as outputs.
        bias : bool, or iterable of int
            Whether units have biases, or the units that do.
        n_units : int, optional
            Number of units. By default, the highest number in `edges` is that of the last output.

        Returns
        -------
        Network
            `edges`, `edge_weights`, `unit_functions`, `unit_biases` and `layer_units` describe it; all
            that computes or trains works as for layers.

        Raises
        ------
        ValueError, TypeError
            For edges that are not pairs of units, that come twice, lead from a unit to itself or into an
            input, or that form a cycle, which the message names unit by unit.

        Notes
        -----
        A unit that nothing feeds has a = its bias, or 0. A unit from which no way leads to an output is
        computed like any other; its delta is 0, and training leaves its weights as they are.

        Parts that are dense, such as layers with all their connections, are found and run as such. A
        connection outside of them costs two to three times as much as one inside.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> # Exclusive or with a single hidden unit, and shortcuts from the inputs to the output.
        >>> net = fastbp.Network.from_edges(2, 1, [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], seed=1)
        >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
        >>> history = net.fit(X, X.sum(axis=1) % 2, epochs=2000, learning_rate=0.02, seed=1)
        >>> (net.forward(X) > 0.5).ravel()
        array([False,  True,  True, False])
        """
        n_in = checks.integer(n_inputs, "n_inputs", minimum=1)
        n_out = checks.integer(n_outputs, "n_outputs", minimum=1)
        checked, n_all = check_edges(edges, n_in, n_out, n_units)
        functions = resolve_units(activation, resolve(output, "output", OUTPUTS), range(n_in, n_all), n_out)
        biased = check_biased(bias, n_in, n_all)
        checked_loss, checked_dtype = losses.resolve(loss), checks.float_dtype(dtype)
        draw, draw_weights = initial.generator(seed), initial.resolve(init, checked_dtype)
        net = Parts(n_in, n_out, checked, functions, biased, checked_loss, checked_dtype).build(cls)
        n_into, n_from = (np.bincount(checked[:, end], minlength=n_all) for end in (1, 0))
        net.edge_weights = draw_weights(draw, n_into[checked[:, 1]], n_from[checked[:, 0]], (len(checked),))
        return net

    # ------------------------------------------------------------------ what it computes

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
        return self._sums(self.check_samples(X, T, sample_weight), batch.ERROR)[0]

    def gradient(
        self, X: Array, T: Array, sample_weight: Array | None = None, n_threads: int | None = None
    ) -> tuple[float, Array]:
        """(E, grad): the error that `loss` returns, and dE/dparams, (n_params,), in the order of `params`.

        The bits of both are the same for any number of threads.
        """
        self._check_differentiable("gradient")
        samples = self.check_samples(X, T, sample_weight)
        return self._sums(samples, batch.GRADIENT, threads.check(n_threads))

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

    def fit(
        self,
        X: Array,
        T: Array,
        *,
        solver: str = "adam",
        epochs: int = 100,
        batch_size: int | None = DEFAULT_BATCH_SIZE,
        learning_rate: float | Callable[[int], float] | None = None,
        reduction: str = "mean",
        shuffle: bool = True,
        seed: int | None = None,
        validation: Validation = None,
        patience: int | None = None,
        tol: float | None = None,
        l2: float = 0.0,
        l1: float = 0.0,
        dropout: Dropout = 0.0,
        sample_weight: Array | None = None,
        callback: Callbacks = None,
        progress: bool = False,
        n_threads: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        **solver_options: Any,
    ) -> History:
        """Train the network.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets: classes as one-hot rows or probabilities.
        solver : "adam", "sgd", "rmsprop" or "rprop"
            What takes a step from a gradient; its options are further keywords, see `fastbp.solvers`.
        epochs : int
            Passes over the samples, at most.
        batch_size : int or None
            Samples in a step: 1 is on-line learning, None all of them (batch learning).
        learning_rate : float, function, or None
            A number; or a function that gives it for each epoch 0, 1, ...; None: the solver's default.
        reduction : "mean" or "sum"
            Whether a step follows the mean of the batch's gradients or their sum.
        shuffle : bool
            Whether each epoch takes the samples in an order of its own.
        seed : int or None
            Of the order, and of the split for `validation`. The same seed gives the same bits, for any
            number of threads.
        validation : float, (X, T), (X, T, sample_weight), or None
            A fraction of the samples to hold out, or a set of its own; its loss is taken after each epoch.
        patience : int or None
            Stop after so many epochs without a new lowest loss (of the validation set, or else of the
            training), and go back to the weights that had it.
        tol : float or None
            How much lower a loss must be to count as lower. Without `patience`: stop after 10 epochs
            that were not, and keep the weights.
        l2 : float
            Weight decay: l2 / 2 times the sum of the squared weights (not biases) is added to what a
            step makes smaller. Losses are reported without it.
        l1 : float
            The same with l1 times the sum of the absolute weights: it draws weights that matter little to
            zero. Its derivative counts as zero where a weight is.
        dropout : float or sequence of float
            Probability, in [0, 1), with which a hidden unit is left out for a sample in a step, for all
            hidden layers or for each; what is left counts 1 / (1 - rate) times. The training loss is that
            with units left out; the validation loss, and all else, is without. On-line learning then takes
            the slower way of batches. `seed` governs which units.
        sample_weight : array (n_samples,), optional
            Not negative.
        callback : function or list of functions, optional
            Called after each epoch as callback(net, history); a true return value stops the training.
        progress : bool
            Whether to draw a progress bar on standard error (needs ``fastbp[cli]``).
        n_threads : int or None
            Threads to use; None: as many as Numba has.
        checkpoint : str or path, optional
            A file where the training is kept, all that it needs to go on: it is written at the ends of
            epochs, at the end of the training and after Ctrl-C, whole or not at all.
        checkpoint_every : int or None
            Epochs from one checkpoint to the next; None: at least ten seconds, and so long that no more
            than a twentieth of the time goes into writing them.
        resume : bool
            Whether to go on from `checkpoint`: with the same arguments it comes to the same bits as a
            training that was never interrupted. Without that file it begins at the beginning.
        **solver_options
            Options of the solver, and `schedule`.

        Returns
        -------
        History
            Losses of every epoch, and why the training stopped.

        Raises
        ------
        ValueError, TypeError
            For an argument that makes no sense; with `resume`, for a checkpoint that is damaged, or of a
            training with another network, other options or other data: the message says what differs.
            No weight has changed.

        Warns
        -----
        RuntimeWarning
            If the loss is no longer finite: training stops, and the weights go back to the start of that
            epoch. If a checkpoint cannot be written: training goes on. Once, if the validation loss is not
            finite.

        Raises
        ------
        RuntimeError
            If another thread trains this network at the time.

        Notes
        -----
        Ctrl-C stops the training and keeps the weights so far (with `patience`, the best ones): no
        KeyboardInterrupt is raised, the history says "interrupt". An error that a callback raises is
        passed on, and leaves the weights after that epoch (with `patience`, the best ones).

        Other threads may use the network meanwhile, but may find its weights half-way through a step: where
        that matters, give them a copy (`copy.deepcopy`).

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> x = np.linspace(-3, 3, 200).reshape(-1, 1)
        >>> net = fastbp.Network((1, 20, 1), seed=0)
        >>> history = net.fit(x, np.sin(x), epochs=500, learning_rate=0.01, seed=0)
        >>> history.n_epochs, history.loss[-1] < 1e-3
        (500, True)
        """
        self._check_differentiable("fit")
        options = Options(
            solver=make_solver(solver, solver_options, learning_rate),
            epochs=epochs,
            batch_size=batch_size,
            reduction=reduction,
            shuffle=shuffle,
            seed=seed,
            validation=validation,
            patience=patience,
            tol=tol,
            dropout=rates_of(dropout, len(self.sizes)),
            l1=l1,
            l2=l2,
            callback=callback,
            progress=progress,
            n_threads=n_threads,
            checkpoint=check_checkpoint(checkpoint, checkpoint_every, resume),
        )
        samples = self.check_samples(X, T, sample_weight)
        with self.trainer.training():
            return Training(self, samples, options).run()

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file: versioned, with a checksum; the old file stays until the new one is whole."""
        from fastbp.io import save_network

        save_network(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], activations: Iterable[Activation] = ()) -> "Network":
        """A network from a file that `save` wrote.

        Parameters
        ----------
        path : str or path
        activations : iterable of Activation
            The user's own ones that the file names. No code is stored in a file.

        Raises
        ------
        ValueError
            If the file is not whole, was altered, or comes from a newer version.
        """
        from fastbp.io import load_network

        return load_network(path, activations)[0]

    # ------------------------------------------------------------------ input

    def check_samples(
        self, X: Array, T: Array, sample_weight: Array | None = None, *, prefix: str = ""
    ) -> batch.Samples:
        """The user's arrays, checked and converted; `prefix` stands before their names in messages."""
        x = checks.matrix(X, prefix + "X", self.n_inputs, self.dtype, "inputs")
        t = checks.matrix(T, prefix + "T", self.n_outputs, self.dtype, "outputs")
        if len(t) != len(x):
            raise ValueError(f"{prefix}T must have as many samples as {prefix}X, {len(x)}; got {len(t)}")
        check_targets(self._loss.name, t, prefix + "T")
        weight = checks.sample_weights(sample_weight, prefix + "sample_weight", len(x), self.dtype)
        return batch.Samples(x, t, weight, NO_ORDER)

    def _check_inputs(self, X: Array) -> batch.Samples:
        """The user's inputs, checked and converted, with empty arrays for what is not there."""
        x = checks.matrix(X, "X", self.n_inputs, self.dtype, "inputs")
        return batch.Samples(x, np.empty((0, self.n_outputs), self.dtype), np.empty(0, self.dtype), NO_ORDER)

    def _values(self, samples: batch.Samples, first_unit: int, n_columns: int, *, with_delta: bool) -> Array:
        """z, or delta, of a run of units: (n_samples, n_columns)."""
        out = np.empty((len(samples.x), n_columns), self.dtype)
        kind = batch.DELTA if with_delta else batch.FORWARD
        self.engine.run(samples, kind, first_unit=first_unit, out=out)
        checks.warn_unless_finite(out, "delta of units" if with_delta else "values of units")
        return out

    def _input_gradient(self, x: Array, v: Array, n_threads: int | None) -> Array:
        """sum_k v_k dy_k/dx_i, (n_samples, n_inputs), of arrays that are checked."""
        out = np.empty_like(x)
        samples = batch.Samples(x, v, np.empty(0, self.dtype), NO_ORDER)
        self.engine.run(samples, batch.INPUT_DELTA, out=out, n_threads=n_threads)
        return out

    def _sums(self, samples: batch.Samples, kind: int, n_threads: int | None = None) -> tuple[float, Array]:
        """The error of all samples; and its gradient, if that is the job."""
        error, gradient = self.engine.run(samples, kind, n_threads=n_threads)
        if kind == batch.GRADIENT:
            checks.warn_unless_finite(gradient, "derivatives")
        if not math.isfinite(error):
            checks.warn_unless_finite(np.array(error, self.dtype), "sums of errors")
        return error, gradient

    def _by_layer(self, values: Array) -> list[Array]:
        starts = zip(self._topology.first_units, self.sizes, strict=True)
        return [np.ascontiguousarray(values[:, first : first + size]) for first, size in starts]

    def _check_differentiable(self, method: str) -> None:
        for layer, function in enumerate(self._functions, 1):
            if function.code == codes.THRESHOLD:
                raise ValueError(
                    f"{method} needs activation functions with a derivative; layer {layer} has 'threshold', "
                    f"which is for the forward pass only"
                )
