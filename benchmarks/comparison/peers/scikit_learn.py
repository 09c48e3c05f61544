"""scikit-learn's MLPRegressor.

Its `loss_` is a mean over the outputs too, but its gradient is not: the gradient of 1/2 sum (y - t)^2,
averaged over the batch, as everywhere here. Its batches are contiguous, the last one may be smaller.
"""

import warnings

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer


class ScikitLearn(Peer):
    label, package = "scikit-learn", "sklearn"

    def __init__(self, workload, X, T):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        # It warns at the end of every run that was not stopped early.
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        self.X, self.T = X, T.ravel() if T.shape[1] == 1 else T
        self.model = MLPRegressor(
            hidden_layer_sizes=workload.sizes[1:-1],
            activation=workload.activation,
            solver=workload.solver,
            learning_rate_init=workload.learning_rate,
            batch_size=workload.batch_size,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=0.0,  # no L2
            max_iter=1,
            n_iter_no_change=10**9,  # never stops early
            warm_start=True,  # `fit` goes on from the weights that `load` has set
            random_state=0,
        ).fit(self.X, self.T)

    def load(self, parameters):
        self.model.coefs_ = [w.T.copy() for w in parameters.weights]
        self.model.intercepts_ = [b.copy() for b in parameters.biases]

    def train(self, orders):
        self.model.set_params(max_iter=len(orders.rows), shuffle=orders.shuffled).fit(self.X, self.T)

    def parameters(self):
        return Parameters([w.T for w in self.model.coefs_], self.model.intercepts_)

    def one_sample(self, x):
        return self.model.predict(x)

    def outputs(self):
        return self.model.predict(self.X)
