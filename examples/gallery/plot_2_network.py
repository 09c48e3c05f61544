"""
A network
=========

Weights as the width and colour of lines, before and after training.
"""

import numpy as np
from matplotlib import pyplot as plt

from fastbp import Network, plots

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (500, 4))
T = np.sin(3 * X[:, 0]) * X[:, 1]  # the last two inputs say nothing

net = Network((4, 8, 6, 1), seed=0)
figure, (before, after) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
plots.network(net, ax=before)
before.set_title("initial weights")

net.fit(X, T, epochs=300, learning_rate=0.01, l1=1e-4, seed=0)
plots.network(net, ax=after)
after.set_title("trained: the last two inputs are cut off")
