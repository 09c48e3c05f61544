"""
Weights and gradients over the epochs
=====================================

A callback keeps them. Gradients that shrink from the last layer to the first are the sign of saturated units.
"""

import numpy as np
from matplotlib import pyplot as plt

from fastbp import Network, plots

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 6))
T = np.tanh(X @ rng.normal(size=(6, 2)))

net = Network((6, 20, 20, 2), seed=0)
recorder = plots.Recorder(X, T)
net.fit(X, T, epochs=60, seed=0, callback=recorder)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
plots.histograms(recorder, ax=left)
plots.histograms(recorder, of="gradients", ax=right)
