"""
What is taken for what
======================

Digits of eight by eight pixels: the true class in a row, the predicted one in a column.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastbp import Network, plots

X, labels = load_digits(return_X_y=True)
X, X_test, labels, labels_test = train_test_split(X / 16, labels, random_state=0)
net = Network((64, 40, 10), activation="relu", output="softmax", loss="cross_entropy", seed=0)
net.fit(X, np.eye(10)[labels], epochs=60, validation=0.1, patience=10, seed=0)
plots.confusion_matrix(net, X_test, np.eye(10)[labels_test])
