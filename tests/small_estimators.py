"""Small estimators of both libraries, and data for them."""

import warnings

import numpy as np

import fastbp

OPTIONS = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
X = np.random.default_rng(0).normal(size=(100, 5))
Y = X[:, 0]
CLASSES = (Y > 0).astype(int)


def regressor(library=fastbp, **options):
    return library.MLPRegressor(**OPTIONS | options)


def classifier(library=fastbp, **options):
    return library.MLPClassifier(**OPTIONS | options)


def kind_of_error(call):
    """Return TypeError or ValueError, whichever a call raises, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except (TypeError, ValueError, ZeroDivisionError) as error:  # the last for weights of 0, by scikit-learn 1.7.0
        return TypeError if isinstance(error, TypeError) else ValueError
    return None
