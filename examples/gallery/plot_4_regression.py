"""
Regression, and what is left
============================

Outputs over targets, and the residuals over the outputs: a trend there would be something that the network has not
learnt.
"""

import numpy as np
from matplotlib import pyplot as plt

from fastbp import Network, plots

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (400, 2))
t = np.sin(3 * X[:, 0]) * X[:, 1] + 0.1 * rng.normal(size=400)
net = Network((2, 16, 1), seed=0)
net.fit(X[:300], t[:300], epochs=400, learning_rate=0.01, seed=0)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
plots.regression(net, X[300:], t[300:], ax=left)
plots.residuals(net, X[300:], t[300:], ax=right)
