"""`Population`: many networks that are trained, and asked, in one call."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np

from fastbp import checks, memory
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.explaining import traps
from fastbp.files.container import StrPath
from fastbp.losses import check_targets
from fastbp.network import Network
from fastbp.population import files
from fastbp.population.computing import ComputingPopulation
from fastbp.population.dropouts import rates_of_networks
from fastbp.population.splits import Asked, plan_of
from fastbp.population.training import PopulationTraining
from fastbp.population.wishes import each, options_of, seeds_of
from fastbp.structure import initial
from fastbp.training.history import History
from fastbp.training.kinds import check_solver
from fastbp.training.options import check_callbacks

Each = Any  # one value for all networks, or a sequence with one for each


class Population(ComputingPopulation):
    """Many networks, trained and asked in one call, each as it would be alone.

    Parameters
    ----------
    networks : sequence of Network
        Of any layers, edges and functions, with the same numbers of inputs and outputs and one dtype. They are copied:
        the population's own networks share one array of parameters.

    Attributes
    ----------
    params : array
        The parameters of all networks: each network's begin at a cache line, with zeros up to the next.

    Raises
    ------
    ValueError, TypeError
        For networks that do not go together; the message names the first.

    Notes
    -----
    ``pop[k]`` is a `Network`, and so are the items of ``pop[2:5]`` and of a loop over `pop`. They are views: what
    trains one changes the population, and the other way round.

    Nothing that a network learns depends on who is trained beside it: not on the number of networks, nor their order,
    nor that of threads.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> x = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> pop = fastbp.Population.of((1, 10, 1), 8, seeds=0)
    >>> histories = pop.fit(x, np.sin(x), epochs=300, learning_rate=0.01, seeds=0)
    >>> len(pop), pop.forward(x).shape, pop.best(x, np.sin(x)).n_params
    (8, (8, 200, 1), 31)
    >>> mean, spread = pop.forward(x, mean=True)
    >>> mean.shape, spread.shape
    ((200, 1), (200, 1))
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        given = checks.items(networks, "networks", "a sequence of networks")
        if not given:
            raise ValueError("networks must have at least one network; got none")
        for k, net in enumerate(given):
            _check_member(net, given[0], k)
        self._hold(given)
        for kind in self._kinds:
            for k, params in zip(kind.members.tolist(), kind.params_in(self._params), strict=True):
                params[: given[k].n_params] = given[k].params

    @classmethod
    def of(cls, sizes: Sequence[int], n: int, *, seeds: Each = None, **network_options: Any) -> Self:
        """Networks of the same layers, each with first weights of its own.

        Parameters
        ----------
        sizes : sequence of int
            Number of inputs, of units in each hidden layer, of outputs.
        n : int
            Number of networks. The two may change places: one is a number, the other a sequence.
        seeds : int, sequence of int, or None
            Of the first weights: one for each; an integer stands for it and those that follow; None: the system draws.
        **network_options
            As `Network` takes them.

        Returns
        -------
        Population
            The networks are those that ``Network(sizes, seed=seeds[k], ...)`` makes.

        Examples
        --------
        >>> import fastbp
        >>> pop = fastbp.Population.of((2, 8, 1), 1000, seeds=0)
        >>> bool((pop[3].params == fastbp.Network((2, 8, 1), seed=3).params).all())
        True
        """
        if np.ndim(sizes) == 0 and np.ndim(n) == 1:
            sizes, n = n, sizes  # type: ignore[assignment]
        count = checks.integer(n, "n", minimum=1)
        if "seed" in network_options:
            raise TypeError("of got an unexpected argument 'seed'; did you mean 'seeds', one for each network?")
        first = Network(sizes, seed=0, **network_options)
        memory.check(count * first.packed.params.nbytes, "n", f"{count:,} networks of {first.n_params:,} parameters")
        checked = seeds_of(seeds, count)
        population = cls.__new__(cls)
        population._hold([first] * count)
        rows = population._kinds[0].params_in(population._params)
        draw_weights = initial.resolve(network_options.get("init", "glorot_uniform"), first.dtype)
        for params, seed in zip(rows, checked, strict=True):
            initial.of_blocks(draw_weights, initial.generator(seed), first.topology, params)
        return population

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)

    def save(self, path: StrPath) -> None:
        """Write all networks to a file.

        Parameters
        ----------
        path : str or path
            An old file stays as it was until the new one is whole on the disk.
        """
        files.save(list(self), path)

    @classmethod
    def load(cls, path: StrPath, *, activations: Iterable[Activation] = ()) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path
        activations : iterable of Activation
            The user's own ones that the file names.

        Returns
        -------
        Population

        Raises
        ------
        ValueError
            If the file is no population, is not whole, was altered, or comes from a newer version.
        """
        return cls(files.load(path, activations)[0])

    # ------------------------------------------------------------------ training

    def _check_finite(self) -> None:
        """Refuse parameters that no training can begin with."""
        if not checks.are_finite(self._params):
            k = next(k for k, params in enumerate(self._rows) if not np.isfinite(params).all())
            raise ValueError(f"params must be finite before a training; those of network {k} are not")

    def fit(
        self,
        X: Array,
        T: Array,
        *,
        solver: Each = "adam",
        epochs: int = 100,
        batch_size: Each = 32,
        learning_rate: Each = None,
        reduction: str = "mean",
        shuffle: bool = True,
        seeds: Each = None,
        samples: Sequence[Array] | None = None,
        validation: Any = None,
        patience: Each = None,
        tol: Each = None,
        l2: Each = 0.0,
        l1: Each = 0.0,
        sample_weight: Array | None = None,
        callback: Any = None,
        callback_every: int = 1,
        goal: Each = None,
        label_smoothing: Each = 0.0,
        dropout: Each = 0.0,
        n_threads: int | None = None,
        **solver_options: Each,
    ) -> list[History]:
        """Train all networks, each as `Network.fit` trains it alone: the same order of samples, steps and stopping.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples, of all networks.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets.
        solver, batch_size, learning_rate, l2, l1, patience, tol, goal, label_smoothing
            As `Network.fit` takes them: one for all networks, or a sequence with one for each. Solvers that step along
            gradients: "adam", "sgd", "rmsprop", "rprop".
        dropout : float or sequence
            One rate for all networks; or, for each network, a rate or a sequence of them for its hidden layers. Which
            units are left out goes with the rows of X.
        epochs, reduction, shuffle
            As `Network.fit` takes them.
        seeds : int, sequence of int, or None
            Of the order of samples, and of the split for `validation`: one for each network; an integer stands for it
            and those that follow; None: the system draws.
        samples : sequence of arrays of int, optional
            Rows of X that each network learns from: folds, or bootstraps, where a row may come several times.
        validation : float, (X, T), (X, T, sample_weight), list of arrays of int, or None
            A fraction of its samples that each network holds out; a set of its own; or the rows of X that each network
            holds out, as folds do: without `samples` it learns from all others.
        sample_weight : array (n_samples,) or (n, n_samples), optional
            Not negative: for all networks, or for each.
        callback : function or list of functions, optional
            Called as callback(population, histories), with weights and losses as they are; a true return value ends the
            training of all networks.
        callback_every : int
            Epochs, of all networks, from one call to the next: between, tiny networks do many in one go.
        n_threads : int or None
            Threads to use, a network on each; None: as many as Numba has.
        **solver_options
            Options of the solvers, and of their `schedule`: one for all networks, or a sequence with one for each.

        Returns
        -------
        list of History
            One for each network. `History.time` is that of the whole call.

        Raises
        ------
        ValueError, TypeError
            For an argument that makes no sense, before any weight has changed.
        RuntimeError
            If another thread trains the population, or one of its networks.

        Warns
        -----
        RuntimeWarning
            If losses are no longer finite: those networks stop, and go back to the start of that epoch.

        Notes
        -----
        Ctrl-C stops the training and keeps the weights so far; histories of networks that were not done say
        "interrupt".

        Numbers are those of `Network.fit` up to rounding, which may add up in another order.

        Examples
        --------
        Four folds, each with the rows that the others learn from held out:

        >>> import numpy as np, fastbp
        >>> X = np.random.default_rng(0).normal(size=(100, 3))
        >>> rows = np.arange(100)
        >>> folds = [rows[rows % 4 != k] for k in range(4)], [rows[rows % 4 == k] for k in range(4)]
        >>> pop = fastbp.Population.of((3, 8, 1), 4, seeds=0)
        >>> histories = pop.fit(X, X[:, 0], samples=folds[0], validation=folds[1], patience=5, seeds=0)
        >>> [history.stopped_by for history in histories]
        ['epochs', 'epochs', 'epochs', 'epochs']
        """
        for kind in self._kinds:
            kind.net._check_differentiable("fit")
        options = options_of(
            len(self), Population.fit, solver_options, solver=solver, epochs=epochs, batch_size=batch_size,
            learning_rate=learning_rate, reduction=reduction, shuffle=shuffle, validation=None, patience=patience,
            tol=tol, l2=l2, l1=l1, goal=goal, label_smoothing=label_smoothing, n_threads=n_threads,
        )  # fmt: skip
        checked = self._sources[0].check_samples(X, T).apart_from(self._params)
        callbacks = check_callbacks(callback, "a function of (population, histories), or a list of them")
        every = checks.integer(callback_every, "callback_every", minimum=1)
        rates = rates_of_networks(self._kinds, each(dropout, "dropout", len(self)))
        asked = Asked(checked, seeds_of(seeds, len(self)), samples, validation, sample_weight, rates)
        plan = plan_of(self._sources[0], options, asked)
        for kind in self._kinds:
            for own in {id(options[k]): options[k] for k in kind.members.tolist()}.values():
                check_solver(kind.net, own)
        for loss in {kind.net.loss_name for kind in self._kinds}:
            check_targets(loss, plan.samples.t)
            check_targets(loss, plan.held.t, "validation T")
        self._check_finite()
        traps.warn_before(self._sources[0], plan.samples, options[0].epochs)
        with self._trainer.training():
            called = [partial(one, self) for one in callbacks]
            histories = PopulationTraining(self._kinds, self._params, plan, called, every).run()
        self._reached = np.array(
            [_reached(h, best=o.patience is not None) for h, o in zip(histories, options, strict=True)]
        )
        return histories


def _check_member(net: object, first: object, k: int) -> None:
    """Refuse what does not go with the first network."""
    if not isinstance(net, Network):
        raise TypeError(f"networks[{k}] must be a fastbp.Network; got {checks.described(net)}")
    assert isinstance(first, Network)
    for name in ("n_inputs", "n_outputs", "dtype"):
        ours, theirs = getattr(first, name), getattr(net, name)
        if ours != theirs:
            raise ValueError(f"networks must have the same {name}: {ours} of the first, and {theirs} of networks[{k}]")


def _reached(history: History, *, best: bool) -> float:
    """The loss of the weights that a training has left."""
    losses = [loss for loss in history.monitored if math.isfinite(loss)]
    return (min(losses) if best else losses[-1]) if losses else math.inf
