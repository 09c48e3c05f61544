"""Steps along gradients that come from elsewhere, such as sums over partitions."""

import numpy as np

from fastbp.checks import Array
from fastbp.engine import gate
from fastbp.engine.gate import CheckedSolver
from fastbp.kernels.training import epochs
from fastbp.model.computing import ComputingNetwork
from fastbp.training import dropout


class GradientSteps:
    """Takes a solver's step along a gradient.

    The compiled training takes a batch in parts, and adds up their gradients before it takes the step. Here the
    gradient that is given counts as that of the first part; the second is a sample of weight 0, and adds nothing.

    Parameters
    ----------
    net : ComputingNetwork
        Whose parameters are moved.
    solver : CheckedSolver
        That does not follow the mean: the gradient is what the step follows.
    """

    def __init__(self, net: ComputingNetwork, solver: CheckedSolver) -> None:
        self._net, self.checked_solver = net, solver
        order = np.arange(2)
        x, t = np.zeros((2, net.n_inputs)), np.zeros((2, net.n_outputs))
        self._samples = gate.samples(net.engine.gate.port, x, t, np.zeros(2)).ordered(order)
        self._memory = net.engine.memory(1)
        self.run_state = epochs.Run(
            order=order,
            random=np.zeros(1, np.uint64),
            rates=np.zeros(1),
            losses=np.zeros(1),
            safe=net.packed.params.copy(),
            partial=np.zeros(net.packed.params.shape, net.dtype),
            dropout=dropout.nothing(np.zeros(0), net.dtype),
            first_epoch=0,
            position=np.zeros(3, np.int64),
            batch_size=2,
            part_size=1,
            shuffle=False,
            whole_epochs=True,
        )

    def take(self, gradient: Array, rate: float, error: float) -> None:
        """Move the parameters.

        Parameters
        ----------
        gradient : array (n_params,)
            Finite.
        rate : float
            Learning rate of the step.
        error : float
            Of the same samples: some solvers compare it with that of the step before.
        """
        run = self.run_state
        run.partial[: gradient.size] = gradient
        run.rates[0], run.losses[0] = rate, error
        run.position[:] = 0, 0, 1
        self._net.engine.gate.train(self._samples, self._memory, self.checked_solver, run, 1)
