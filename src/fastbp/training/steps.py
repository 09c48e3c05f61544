"""Steps along gradients that come from elsewhere, such as sums over partitions."""

import numpy as np

from fastbp.checks import Array
from fastbp.engine import gate
from fastbp.kernels.training import epochs
from fastbp.model.computing import ComputingNetwork
from fastbp.solvers import Choice
from fastbp.training import dropout
from fastbp.training.options import Options


class GradientSteps:
    """Takes a solver's step along a gradient.

    The compiled training takes a batch in parts, and adds up their gradients before it takes the step. Here the
    gradient that is given counts as that of the first part; the second is a sample of weight 0, and adds nothing.

    Parameters
    ----------
    net : ComputingNetwork
        Whose parameters are moved.
    options : Options
        The solver, and the decay of the weights.
    """

    def __init__(self, net: ComputingNetwork, options: Options) -> None:
        assert isinstance(options.solver, Choice)
        self._net = net
        solver = options.solver.start(
            net.packed.params.size,
            net.dtype,
            net.topology,
            l1=options.l1,
            l2=options.l2,
            mean=False,  # the gradient is what the step follows
        )
        self.checked_solver = net.engine.gate.solver(solver)
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
            dropout=dropout.nothing(options.dropout, net.dtype),
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
