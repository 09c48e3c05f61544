"""`Network`: what a user holds. It checks its input, packs it, and calls a kernel."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from fastbp import checks, losses, memory
from fastbp.activations import OUTPUTS, Activation, UnitActivations, resolve, resolve_hidden, resolve_units
from fastbp.checks import Array
from fastbp.data.partitions import Partitions
from fastbp.explaining import traps
from fastbp.explaining.network import ExplainedNetwork
from fastbp.exporting.network import PortableNetwork
from fastbp.losses import Loss
from fastbp.model.attributes import constructor
from fastbp.model.parts import Parts
from fastbp.other_names import knows_other_names
from fastbp.solvers import make_solver
from fastbp.structure import initial
from fastbp.structure.topology import Skips, Topology, check_skip
from fastbp.structure.wiring import check_biased, check_edges
from fastbp.training import stopping
from fastbp.training.checkpoint_files import check as check_checkpoint
from fastbp.training.dropout import Dropout, rates_of
from fastbp.training.history import History
from fastbp.training.kinds import check_solver, kind_of, to_train_on
from fastbp.training.minimising.network import EvidentNetwork
from fastbp.training.options import DEFAULT_BATCH_SIZE, Callbacks, Options, Validation
from fastbp.training.restarts import best_of, check_restarts
from fastbp.training.stream import StreamedNetwork


class Network(ExplainedNetwork, StreamedNetwork, PortableNetwork, EvidentNetwork):
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
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal" (for selu),
        "zeros", or a number x for weights uniform in [-x, x]. Biases begin at zero.
    dtype : "float32" or "float64"
        Of parameters and all arithmetic.
    seed : int, numpy.random.Generator or None
        Of the initial weights; None draws another one each time, a generator is drawn from.

    Raises
    ------
    ValueError, TypeError
        For an argument that makes no sense; the message names it.
    MemoryError
        If the machine, or the container, has less memory than the parameters take, before any is taken.

    Notes
    -----
    Activation, loss and gradient are those of Bishop, *Pattern Recognition and Machine Learning*,
    section 5.3; `fastbp.kernels.derivation` has them loop by loop.

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

    @knows_other_names("fit", "net.fit(X, T, {}=...)")
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
        seed: initial.Seed = None,
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
        initial.of_blocks(draw_weights, draw, topology, self.params)

    @constructor
    @knows_other_names("fit", "net.fit(X, T, {}=...)")
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
        seed: initial.Seed = None,
        n_units: int | None = None,
    ) -> Self:
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
        net.edge_weights = initial.of_edges(draw_weights, draw, checked, n_all)
        return net

    def fit(
        self,
        X: Array | Partitions,
        T: Array | None = None,
        *,
        solver: str = "adam",
        epochs: int = 100,
        batch_size: int | None = DEFAULT_BATCH_SIZE,
        learning_rate: float | Callable[[int], float] | None = None,
        reduction: str = "mean",
        shuffle: bool = True,
        seed: initial.Seed = None,
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
        goal: float | None = None,
        restarts: int = 1,
        validate_every: int = 1,
        callback_every: int = 1,
        stop: Mapping[str, float] | None = None,
        strip: int = 5,
        warm: bool = False,
        label_smoothing: float = 0.0,
        **solver_options: Any,
    ) -> History:
        """Train the network.

        Parameters
        ----------
        X : array (n_samples, n_inputs), or partitions of `fastbp.data`
            Samples. Partitions that are more than a window of them are read in each epoch, while the network learns.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets: classes as one-hot rows or probabilities. Partitions hold their own, and weights.
        solver : "adam", "sgd", "rmsprop", "rprop", "quickprop"; "lm", "scg", "cg", "lbfgs" or "newton_cg"
            What takes a step from a gradient; or what minimises the loss of all samples together, by second
            derivatives or searches along lines. Its options are further keywords, see `fastbp.solvers`.
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
            number of threads, on processors with registers of one width.
        validation : float, (X, T), (X, T, sample_weight), partitions, or None
            A fraction of the samples to hold out, of partitions that are read in each epoch whole ones, or a set of its
            own; its loss is taken after each epoch.
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
            epochs, at the end of the training and after Ctrl-C, whole or not at all. It takes the place of another
            checkpoint or of nothing: a file of any other kind is refused.
        checkpoint_every : int or None
            Epochs from one checkpoint to the next; None: at least ten seconds, and so long that no more
            than a twentieth of the time goes into writing them.
        resume : bool
            Whether to go on from `checkpoint`: with the same arguments it comes to the same bits as a
            training that was never interrupted. Without that file it begins at the beginning.
        goal : float or None
            A value of `History.loss` at which to stop.
        restarts : int
            Beginnings to try: first the weights at hand, then others, drawn from `seed` as ``init="glorot_uniform"``
            draws them. The network keeps the weights, and the history returned is that, of the one whose weights
            have the lowest loss, of validation if there is one; none is tried after one that reaches the goal.
        validate_every, callback_every : int
            Epochs from one validation, or one call of the callbacks, to the next; both come after the last epoch
            too. Between validations `History.validation_loss` is NaN. An epoch of a small network takes less time
            than a callback.
        stop : dict, optional
            Prechelt's rules (1994, 1998) with their thresholds, such as ``{"GL": 5, "P": 0.1}``; the first that holds
            ends the training: "GL", validation lost so many percent from its best; "P", the training loss fell by so
            few per mille in a strip; "PQ", the quotient of both. Then, as with `patience`, and with `goal` beside a
            `validation`, the weights go back to those with the lowest loss.
        strip : int
            Epochs at whose ends "P" and "PQ" are looked at.
        warm : bool
            Whether the solver goes on with what it remembers (moments, step sizes, damping) of the last training of
            this network that was `warm` too and had the same solver and options. Without, each begins anew.
        label_smoothing : float
            Of cross-entropies, in [0, 1): what is learned is 1 - label_smoothing times the target, and the rest shared
            evenly by the classes, two where one output tells them apart. `History.loss` is so, validation is not.
        **solver_options
            Options of the solver, and of its `schedule`.

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
        RuntimeError
            If another thread trains this network at the time.

        Warns
        -----
        fastbp.TrainingWarning
            Once for a network, before a training of 5 epochs or more, of what will keep it from learning: targets
            outside the range of the outputs, inputs of very different scales, a loss that does not go with the
            output; of dead or saturated layers after a training that got nowhere. Shorter trainings are taken for steps
            of something larger; `diagnose` says the same at any time.
        RuntimeWarning
            If the loss is no longer finite: training stops, and the weights go back to the start of that
            epoch. If a checkpoint cannot be written: training goes on. Once, if the validation loss is not
            finite.

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
            solver=make_solver(solver, solver_options, learning_rate, (Network.fit, Network.__init__)),
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
            goal=goal,
            validate_every=validate_every,
            callback_every=callback_every,
            rules=stopping.check(stop, strip),
            warm=checks.flag(warm, "warm"),
            label_smoothing=label_smoothing,
        )
        n_starts = check_restarts(restarts, options)
        check_solver(self, options)
        samples, few = to_train_on(self, X, T, sample_weight)
        kind = kind_of(samples, options)
        traps.warn_before(self, few, options.epochs)
        with self.trainer.training():
            history = best_of(self, options, n_starts, lambda: kind(self, samples, options).run())
        if history.stopped_by != "goal":
            traps.warn_after(self, few, history.loss)
        return history
