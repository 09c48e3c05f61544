"""`EvidentNetwork`: a network that finds how much its data say."""

import os
from typing import TYPE_CHECKING

from fastbp.checks import Array
from fastbp.model.curved import CurvedNetwork
from fastbp.structure import initial
from fastbp.training.checkpoint_files import check as check_checkpoint
from fastbp.training.options import Callbacks

if TYPE_CHECKING:
    from fastbp.training.minimising.evidence import Evidence


class EvidentNetwork(CurvedNetwork):
    """What a `Network` does with second derivatives beside training."""

    def fit_evidence(
        self,
        X: Array,
        T: Array,
        *,
        groups: str = "inputs",
        restarts: int = 3,
        epochs: int = 600,
        update_every: int = 1,
        seed: initial.Seed = None,
        callback: Callbacks = None,
        n_threads: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
    ) -> "Evidence":
        """Train the network with weight decay that the data themselves determine, and find how sure it is.

        Parameters
        ----------
        X, T
            As in `fit`.
        groups : "inputs", "layers" or "one"
            Parameters with a decay of their own: what leaves each input, and weights and biases of each further
            layer; weights and biases of each layer; or all together, as in MATLAB's trainbr.
        restarts : int
            Beginnings to try, see `fit`; the one with the highest evidence is kept.
        epochs : int
            Steps of each, at most.
        update_every : int
            Steps after which the decays are estimated anew: with many of them a network has learnt the noise by then.
        seed : int or None
            Of the further beginnings.
        callback : function or list of functions, optional
            Called after each estimate of the decays as callback(net, history), with the network in float64 that is
            trained; a true return value ends the search, and of what was found till then the best is kept.
        n_threads : int or None
        checkpoint : str or path, optional
            A file where the search is kept, as `fit` keeps a training: written after estimates of the decays, at the
            end and after Ctrl-C.
        checkpoint_every : int or None
            Estimates from one checkpoint to the next; None: as in `fit`.
        resume : bool
            Whether to go on from `checkpoint`, to the same bits as a search that was never interrupted. `restarts`
            may have grown since.

        Returns
        -------
        Evidence
            With `predict(X, return_std=True)` and `interval(X, level)`.

        Raises
        ------
        ValueError
            For losses and outputs that are no probability of the targets: squared_error goes with identity,
            binary_cross_entropy with logistic, cross_entropy with softmax. With `resume`, for a checkpoint that is
            damaged, or of another training; the message says what differs.
        MemoryError
            If the machine, or the container, has less memory than the matrices take, before any is taken.

        Notes
        -----
        MacKay's evidence procedure (1992; Bishop 5.7), by Levenberg and Marquardt's steps in float64. Inputs of about 1
        are best; targets may have any size: alphas of outputs' parameters go by it. Nothing is changed before it has
        ended.

        Ctrl-C ends the search as a true return value of a callback does, and no KeyboardInterrupt is raised but before
        the first estimate. An error that a callback raises is passed on.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, size=(100, 3))
        >>> T = np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=100)  # the other two inputs say nothing
        >>> evidence = fastbp.Network((3, 6, 1), seed=0).fit_evidence(X, T, seed=0)
        >>> bool(0.05 < 1 / np.sqrt(evidence.beta) < 0.2)
        True
        >>> bool(evidence.relevance[0, 0] > 10 * evidence.relevance[0, 1:].max())
        True
        """
        from fastbp.training.minimising import evidence_options, evidence_search  # kernels that no other solver needs

        self._check_differentiable("fit_evidence")
        evidence_options.kind_of(self)
        options = evidence_options.EvidenceOptions(
            groups=groups, restarts=restarts, epochs=epochs, update_every=update_every, seed=seed, callback=callback,
            n_threads=n_threads, checkpoint=check_checkpoint(checkpoint, checkpoint_every, resume),
        )  # fmt: skip
        with self.trainer.training():
            return evidence_search.fit_evidence(self, X, T, options)
