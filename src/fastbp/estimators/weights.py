"""What an estimator holds of its network: `coefs_` and `intercepts_`, which users replace, and its functions."""

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.estimators.network import Recipe, Views, make_network
from fastbp.network import Network


class HoldsNetwork:
    """The network of an estimator, and the views of its parameters in scikit-learn's shapes."""

    out_activation_: str

    _network: Network
    coefs_: list[Array]
    intercepts_: list[Array]
    _views: Views
    _recipe: Recipe

    @property
    def network_(self) -> Network:
        """The network underneath, from the first fit on. It can be changed, and not exchanged."""
        try:
            return self._network
        except AttributeError:
            name, several = type(self).__name__, vars(self).get("estimators_")
            why = "before it is fitted: call fit" if several is None else "of its own: estimators_ have, one each"
            raise AttributeError(f"a {name} has no network_ {why}") from None

    @network_.setter
    def network_(self, value: object) -> NoReturn:
        raise AttributeError(
            f"network_ of a {type(self).__name__} cannot be set: it goes with coefs_ and intercepts_. Set those, or "
            "copy the numbers, estimator.network_.params = net.params"
        )

    @network_.deleter
    def network_(self) -> NoReturn:
        raise AttributeError(f"network_ of a {type(self).__name__} cannot be deleted; a clone is not fitted")

    def _set_network(self, network: Network, recipe: Recipe) -> None:
        self._network, self._recipe = network, recipe
        self._views = Views.of(network.topology, network.params)
        self._hold_views()

    def _hold_views(self) -> None:
        self.coefs_, self.intercepts_ = list(self._views.coefs), list(self._views.intercepts)

    def _update_network(self) -> None:
        """Take over what a user has set since the last call: arrays, and the activation function."""
        views = vars(self).get("_views")
        known = vars(self)
        if views is None or not views.hold(known.get("coefs_"), known.get("intercepts_")):
            self._take_arrays(views)
        recipe = self._recipe
        if known["activation"] is not recipe.activation:
            self._apply(recipe.with_activation(known["activation"], len(self.network_.sizes)))

    def _update_for_training(self, n_layers: int) -> None:
        """The same, and the loss and the function of the outputs; refuses what no trained weights go with."""
        self._update_network()
        if n_layers != len(self.coefs_) + 1:
            raise ValueError(
                f"hidden_layer_sizes must be of as many layers as the weights that training goes on from, "
                f"{len(self.coefs_) - 1}; got {n_layers - 2}: fit with warm_start=False, or set it back"
            )
        made, wanted = self._recipe, Recipe.of(self, n_layers)
        if wanted.output_activation != made.output_activation:
            wanted = wanted._replace(out_activation=self._output_function())
        if wanted.skip != made.skip:
            raise ValueError(
                f"skip must stay what it was when the weights were made, {made.skip}, where training goes on from "
                f"them; got {wanted.skip}: fit with warm_start=False, or set it back"
            )
        self._apply(wanted)
        self.out_activation_ = wanted.out_activation

    def _output_function(self) -> str:
        """Name of the function of the outputs."""
        raise NotImplementedError

    def _apply(self, recipe: Recipe) -> None:
        """Make the network anew with other functions, and the same weights, unless they are the same."""
        if not recipe.makes_the_same(self._recipe):
            network = make_network(recipe, list(self.network_.sizes), self.network_.dtype)
            network.params[:] = self.network_.params
            self._set_network(network, recipe)
        self._recipe = recipe  # with the very object that is the parameter now

    def _take_arrays(self, views: Views | None) -> None:
        """Take over `coefs_` and `intercepts_`; layers of other sizes make a network of such layers."""
        coefs, intercepts = _arrays_of(vars(self), "coefs_"), _arrays_of(vars(self), "intercepts_")
        sizes = _sizes_of(coefs, intercepts, vars(self))
        if views is None or sizes != list(self.network_.sizes):
            self._rebuild(sizes, coefs)
        else:  # arrays may be views of one another's places
            coefs, intercepts = [np.array(part) for part in coefs], [np.array(part) for part in intercepts]
        with np.errstate(over="ignore"):
            for view, values in zip((*self._views.coefs, *self._views.intercepts), (*coefs, *intercepts), strict=True):
                view[...] = values
        self._hold_views()

    def _rebuild(self, sizes: list[int], coefs: list[Array]) -> None:
        """A network of layers of other sizes; what its solver remembers of the old one has no meaning for it."""
        known = vars(self)
        recipe = known.get("_recipe") or Recipe.of(self, len(sizes))
        if recipe.skip:
            raise ValueError(
                f"coefs_ must keep their shapes where connections skip layers, as skip={recipe.skip} says: those have "
                f"weights of their own; the network has layers of {self.network_.sizes}, got {tuple(sizes)}"
            )
        dtype = self.network_.dtype if "_network" in known else np.result_type(np.float32, *coefs)
        recipe = recipe.with_activation(recipe.activation, len(sizes))
        self._set_network(make_network(recipe, sizes, checks.float_dtype(dtype)), recipe)
        known.pop("_optimizer", None)

    def __getstate__(self) -> dict[str, Any]:
        views: tuple[str, ...] = ()
        if "_network" in vars(self):
            self._update_network()
            views = ("coefs_", "intercepts_", "_views")
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {name: value for name, value in state.items() if name not in views}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "network_" in state:  # pickled when it was an attribute like any other
            state = {**state, "_network": state["network_"]}
            del state["network_"]
        super().__setstate__(state)  # type: ignore[misc]
        if "_network" in state:
            recipe = state.get("_recipe") or Recipe.of(self, len(self.network_.sizes))
            self._set_network(self.network_, recipe)


def _arrays_of(known: dict[str, Any], name: str) -> list[Array]:
    """The arrays in a list of a user's."""
    given, expected = known.get(name), "a list of arrays, one for each layer after the inputs"
    if isinstance(given, Iterator):  # it can be read once: what is refused would be gone
        raise TypeError(f"{name} must be {expected}; got an iterator: set list(...) of it")
    return [checks.numeric(values, f"{name}[{k}]") for k, values in enumerate(checks.items(given, name, expected))]


def _sizes_of(coefs: list[Array], intercepts: list[Array], known: dict[str, Any]) -> list[int]:
    """Units of each layer, from arrays that a user has set."""
    if not coefs or len(coefs) != len(intercepts):
        raise ValueError(
            f"coefs_ and intercepts_ must have one array for each layer after the inputs; got {len(coefs)} and "
            f"{len(intercepts)}"
        )
    n_before = known.get("n_features_in_", "n_features")
    for k, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        n_after = known.get("n_outputs_", "n_outputs") if k == len(coefs) - 1 else "n_units"
        if coef.ndim != 2 or n_before not in (coef.shape[0], "n_features") or not coef.size:
            raise ValueError(f"coefs_[{k}] must have shape ({n_before}, {n_after}); got {coef.shape}")
        if n_after not in (coef.shape[1], "n_units", "n_outputs"):
            raise ValueError(
                f"coefs_[{k}] must have shape ({n_before}, {n_after}): the estimator has {n_after} outputs; got "
                f"{coef.shape}"
            )
        n_before = coef.shape[1]
        if intercept.shape != (n_before,):
            raise ValueError(
                f"intercepts_[{k}] must have shape ({n_before},), as coefs_[{k}] of shape {coef.shape} has it; got "
                f"{intercept.shape}"
            )
    return [coefs[0].shape[0], *(coef.shape[1] for coef in coefs)]
