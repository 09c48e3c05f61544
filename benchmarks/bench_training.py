"""Training on one thread: the workloads of the comparison, and on-line learning."""

from .common import ALL, DTYPES, SIZES, fit, network_and_data

EPOCHS = 5


class Fit:
    """`EPOCHS` shuffled epochs in one call."""

    params = (list(ALL), DTYPES)
    param_names = ("workload", "dtype")

    def setup(self, workload, dtype):
        self.workload = ALL[workload]
        self.net, self.X, self.T = network_and_data(self.workload, dtype)
        self.start = self.net.params.copy()
        fit(self.net, self.X, self.T, self.workload, epochs=1)

    def time_fit(self, workload, dtype):
        self.net.params = self.start
        fit(self.net, self.X, self.T, self.workload, epochs=EPOCHS)


class Solvers:
    """An epoch of each solver; rprop takes all samples at once."""

    params = (["sgd", "adam", "rmsprop", "rprop"], list(SIZES))
    param_names = ("solver", "size")

    def setup(self, solver, size):
        batch_size = None if solver == "rprop" else SIZES[size].batch_size
        self.options = {"solver": solver, "batch_size": batch_size, "epochs": 1, "seed": 0, "n_threads": 1}
        self.net, self.X, self.T = network_and_data(SIZES[size])
        self.start = self.net.params.copy()
        self.net.fit(self.X, self.T, **self.options)

    def time_fit(self, solver, size):
        self.net.params = self.start
        self.net.fit(self.X, self.T, **self.options)


class DeadUnits:
    """All hidden units die after the first epoch: the moments of their weights fade, and must not slow down.

    0.9 ** k leaves the normal float32 numbers after some 800 of the 1,400 updates that follow.
    """

    def setup(self):
        self.workload = SIZES["overhead_bound"]._replace(activation="relu")
        self.net, self.X, self.T = network_and_data(self.workload)
        self.start = self.net.params.copy()
        fit(self.net, self.X, self.T, self.workload, epochs=1, callback=_kill)

    def time_fit(self):
        self.net.params = self.start
        fit(self.net, self.X, self.T, self.workload, epochs=10, callback=_kill)


def _kill(net, history):
    if history.n_epochs == 1:
        net.biases[0][:] = -100.0
