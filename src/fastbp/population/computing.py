"""`ComputingPopulation`: what a population is, and what its networks compute."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.network import Network
from fastbp.population.kinds import one_array, sort


class ComputingPopulation:
    """What a `Population` is, without training and files."""

    def _hold(self, networks: Sequence[Network]) -> None:
        self._sources = networks
        self._kinds = sort(self._sources)
        self._params = one_array(self._kinds)
        self._rows: list[Array] = [self._params] * len(networks)
        for kind in self._kinds:
            for k, params in zip(kind.members.tolist(), kind.params_in(self._params), strict=True):
                self._rows[k] = params
        self._networks: list[Network | None] = [None] * len(networks)
        self._trainer = threads.OneTrainer()
        self._reached: Array | None = None  # the loss of each network's weights after the last training

    @property
    def params(self) -> Array:
        """Parameters of all networks, in one array: see the class."""
        return self._params

    @property
    def dtype(self) -> np.dtype:
        """dtype of the parameters: float32 or float64."""
        return self._params.dtype

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return self._sources[0].n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self._sources[0].n_outputs

    def __len__(self) -> int:
        """Number of networks."""
        return len(self._sources)

    @overload
    def __getitem__(self, k: int) -> Network: ...

    @overload
    def __getitem__(self, k: slice) -> list[Network]: ...

    def __getitem__(self, k: int | slice) -> Network | list[Network]:
        """Network number k, or several: views."""
        if isinstance(k, slice):
            return [self[place] for place in range(*k.indices(len(self)))]
        number = checks.integer(k, "k", minimum=-(2**63))
        if not -len(self) <= number < len(self):
            raise IndexError(f"k must be from {-len(self)} to {len(self) - 1}, of {len(self)} networks; got {number}")
        place = number % len(self)
        net = self._networks[place]
        if net is None:
            net = self._networks[place] = self._sources[place].twin(self._rows[place])
            vars(net)["trainer"] = self._trainer  # who trains the population trains its networks
        return net

    def __iter__(self) -> Iterator[Network]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        kinds = ", ".join(f"{len(kind)} of {'-'.join(map(str, kind.net.sizes))}" for kind in self._kinds[:4])
        more = f", and {len(self._kinds) - 4} more kinds" if len(self._kinds) > 4 else ""
        return f"Population of {len(self)} networks ({kinds}{more}), {self.dtype.name}"

    # ------------------------------------------------------------------ what they compute

    @overload
    def forward(self, X: Array) -> Array: ...

    @overload
    def forward(self, X: Array, *, mean: bool) -> Any: ...

    def forward(self, X: Array, *, mean: bool = False) -> Array | tuple[Array, Array]:
        """Compute the outputs of all networks.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        mean : bool
            Whether to return the mean of the networks' outputs, and their spread.

        Returns
        -------
        array (n, n_samples, n_outputs)
            One row of outputs for each network; with `mean` a pair of arrays (n_samples, n_outputs): the mean, and
            the standard deviation, divided by n - 1, of the networks' outputs: zeros for one network.
        """
        averages = checks.flag(mean, "mean")
        out = np.stack([net.forward(X) for net in self])
        if not averages:
            return out
        spread = out.std(axis=0, ddof=1) if len(self) > 1 else np.zeros_like(out[0])
        return out.mean(axis=0), spread

    def mean(self, X: Array) -> Array:
        """Compute the mean of the networks' outputs.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.

        Returns
        -------
        array (n_samples, n_outputs)
            The first array of ``forward(X, mean=True)``.
        """
        mean: Array = self.forward(X, mean=True)[0]
        return mean

    def std(self, X: Array) -> Array:
        """Compute the spread of the networks' outputs.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.

        Returns
        -------
        array (n_samples, n_outputs)
            The second array of ``forward(X, mean=True)``.
        """
        spread: Array = self.forward(X, mean=True)[1]
        return spread

    def losses(self, X: Array, T: Array, sample_weight: Array | None = None) -> Array:
        """Compute the error of each network, E = sum_n weight_n E_n.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets.
        sample_weight : array (n_samples,), optional
            Not negative.

        Returns
        -------
        array (n,)
            What `Network.loss` returns, of each; float64.
        """
        return np.array([net.loss(X, T, sample_weight) for net in self])

    def gradient(self, X: Array, T: Array, sample_weight: Array | None = None) -> list[Array]:
        """Compute the derivatives of each network's error by its parameters.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets.
        sample_weight : array (n_samples,), optional
            Not negative.

        Returns
        -------
        list of array (n_params,)
            One for each network, as `Network.gradient` returns it.
        """
        return [net.gradient(X, T, sample_weight)[1] for net in self]

    def best(self, X: Array | None = None, T: Array | None = None, sample_weight: Array | None = None) -> Network:
        """The network with the lowest loss.

        Parameters
        ----------
        X : array (n_samples, n_inputs), optional
            Samples. Without: the loss that decides is what the last `fit` ended with, of validation if there was one.
        T : array (n_samples, n_outputs), or (n_samples,) for one output, optional
            Targets.
        sample_weight : array (n_samples,), optional
            Not negative.

        Returns
        -------
        Network
            A view: copy it (`copy.deepcopy`) to keep it as it is. Losses that are not finite count as the highest.

        Raises
        ------
        ValueError
            Without X and T, before any `fit`.
        """
        if X is not None:
            losses = self.losses(X, T, sample_weight)  # type: ignore[arg-type]
        elif T is not None or sample_weight is not None:
            raise ValueError("X must be given with T and sample_weight; got None")
        elif self._reached is None:
            raise ValueError("best needs X and T, or a fit before it: this population has not been trained")
        else:
            losses = self._reached
        return self[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))]
