"""`ExplainedNetwork`: what a `Network` says of itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastbp.checks import Array
from fastbp.model.computing import ComputingNetwork

if TYPE_CHECKING:
    from fastbp.explaining.diagnosis import Diagnosis
    from fastbp.explaining.explanation import Explanation


class ExplainedNetwork(ComputingNetwork):
    """What a `Network` explains."""

    def explain(
        self,
        x: Array,
        t: Array,
        learning_rate: float | None = None,
        notation: str = "bishop",
        unit: int | str | None = None,
        names: Sequence[str] | None = None,
    ) -> "Explanation":
        """Every term of the gradient of one sample, with its numbers.

        Parameters
        ----------
        x : array (n_inputs,)
            The sample.
        t : array (n_outputs,)
            Its targets; a number for one output.
        learning_rate : float or None
            Of a step of on-line learning, whose new weights are shown; None shows none.
        notation : "bishop", "layers" or "neurons"
            Names: w_ji, a_j, z_j, delta_j of units from 0; W_l, z_l, a_l of layers, elements by superscripts;
            w_A,B, r_j, g of neurons f_1 ..., where delta_j is what arrives, before g'. The same numbers in all.
        unit : int or str, optional
            The unit to show; None shows all, or layers where a network is large.
        names : sequence of str, optional
            What drawings call the inputs, or the inputs and the outputs.

        Returns
        -------
        Explanation
            Data: `error`, `units[j]`, `gradient[i, j]`, `bias_gradient[j]`, `layers`, `to_dict()`, `paths(i, j)`.
            Views: `str`, HTML in notebooks, `why(j)`, `latex()`, `save_html(path)`. It keeps the numbers of this
            moment, whatever becomes of the network.

        Raises
        ------
        ValueError, TypeError
            For a sample of another shape, or an argument that makes no sense; for a network with 'threshold',
            which has no derivative.

        Notes
        -----
        All numbers are those that `activations`, `deltas`, `gradient` and `params` have, taken apart. Beside each
        derivative stands the central difference of the loss, in float64.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network((1, 1, 1), activation="logistic", output="logistic", init="zeros")
        >>> net.params = [0.5, 2.0, 0.0, -1.0]
        >>> ex = net.explain([1.0], [1.0])
        >>> print(ex.why(1))
        From (5.55) to (5.56) for unit 1, which feeds unit 2
          (5.55)   delta_1 = dE_n/da_2 * da_2/da_1   chain rule over the units that 1 feeds
          (5.51)   = delta_2 * da_2/da_1   that is what delta means
        <BLANKLINE>
        What a unit that is fed depends on
          da_2/da_1   a_2 = w_21 z_1 + b_2   (5.48): all that arrives at 2
                      = w_21 h(a_1) + b_2   (5.49): h is inside, once for each sender i
                      d/da_1 = w_21 h'(a_1) + 0   b_2 does not depend on a_1: only i = j stays
                      = +2.000000 * 0.235004 = +0.470007
        <BLANKLINE>
        Together
                   delta_1 = -0.108139 * +0.470007 = -0.050826
          (5.56)   = h'(a_1) (w_21 delta_2)   h'(a_1) is in every term: out of the sum
                   = 0.235004 (+2.000000 * -0.108139) = -0.050826   the kernels' delta_1
        """
        from fastbp.explaining.explanation import explain

        return explain(self, (x, t), learning_rate, notation, unit, names)

    def diagnose(self, X: Array, T: Array) -> "Diagnosis":
        """What is likely to go wrong, or has gone wrong, in training this network with these samples.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        T : array (n_samples, n_outputs), or (n_samples,) for one output
            Targets.

        Returns
        -------
        Diagnosis
            A sequence of findings, each with its cause and its remedy; printed, all of them, with layers and their
            gradients.

        Raises
        ------
        ValueError, TypeError
            As `gradient` does.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> net = fastbp.Network((2, 3, 1), output="logistic", seed=0)
        >>> X = np.random.default_rng(0).normal(size=(50, 2))
        >>> [finding.name for finding in net.diagnose(X, 10 * X[:, 0])]
        ['targets outside the range of the outputs']
        """
        from fastbp.explaining.diagnosis import diagnose

        return diagnose(self, X, T)
