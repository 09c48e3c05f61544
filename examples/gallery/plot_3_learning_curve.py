"""
A learning curve
================

The losses of training and validation over the epochs; the best epoch is marked, and its weights are those that the
network keeps.
"""

from sklearn.datasets import load_diabetes

from fastbp import Network, plots

X, t = load_diabetes(return_X_y=True, scaled=False)
X, t = (X - X.mean(axis=0)) / X.std(axis=0), (t - t.mean()) / t.std()

net = Network((10, 32, 1), seed=0)
history = net.fit(X, t, epochs=200, validation=0.2, patience=30, seed=0)
print(history)
plots.learning_curve(history)
