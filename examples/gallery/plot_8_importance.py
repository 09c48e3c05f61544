"""
Which inputs matter, and in which direction
===========================================

Olden's importance: the products of the weights along all paths from an input to the output, signs included.
"""

from sklearn.datasets import load_diabetes

from fastbp import Network, plots

data = load_diabetes(scaled=False)
X, t = (
    (data.data - data.data.mean(axis=0)) / data.data.std(axis=0),
    (data.target - data.target.mean()) / data.target.std(),
)
net = Network((10, 8, 1), seed=0)
net.fit(X, t, epochs=200, validation=0.2, patience=30, l2=1e-2, seed=0)
plots.importance(net, names=data.feature_names)
