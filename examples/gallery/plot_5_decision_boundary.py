"""
Where the classes part
======================

Two moons, and the probability of the second one. The network has one hidden layer, and connections from the inputs
straight to the output.
"""

from sklearn.datasets import make_moons

from fastbp import Network, plots

X, t = make_moons(300, noise=0.2, random_state=0)
net = Network((2, 12, 1), output="logistic", loss="binary_cross_entropy", skip="all", seed=0)
net.fit(X, t, epochs=400, learning_rate=0.01, seed=0)
plots.decision_boundary(net, X, t)
