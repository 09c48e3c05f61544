"""fastbp's estimators beside scikit-learn's: the same numbers, and how much sooner.

    python benchmarks/sklearn_matrix.py [--rounds 5] [--scaled] [--float32] [--data iris digits]

Every fit of iris, breast_cancer, digits and diabetes, by solver, activation, schedule and early stopping, 25 epochs,
on one core. Both are fitted in turn; times are medians over the rounds, of the processor time of this one thread,
which other processes on the machine disturb least.

asv imports every file of this folder, where scikit-learn may be missing: so it is imported, and the core chosen, only
when this one is run.
"""

import argparse
import itertools
import os
import statistics
import time
import warnings

import numpy as np

import fastbp

DATA = {
    "iris": "MLPClassifier",
    "breast_cancer": "MLPClassifier",
    "digits": "MLPClassifier",
    "diabetes": "MLPRegressor",
}
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
WAYS = [  # (solver, schedule, early stopping)
    *itertools.product(("adam",), ("constant",), (False, True)),
    *itertools.product(("sgd",), ("constant", "invscaling", "adaptive"), (False, True)),
    ("lbfgs", "constant", False),
]


def data_set(name, args):
    """X and y as the options want them."""
    from sklearn import datasets
    from sklearn.preprocessing import StandardScaler

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = StandardScaler().fit_transform(X) if args.scaled else X
    return X.astype("f4" if args.float32 else "f8"), y


def fit(make, X, y, options):
    """(fitted estimator or the error's text, seconds)."""
    estimator = make(max_iter=25, random_state=0, **options)
    start = time.process_time()
    try:
        estimator.fit(X, y)
    except ValueError as error:
        return str(error), time.process_time() - start
    return estimator, time.process_time() - start


def deviation(theirs, ours):
    """Largest relative difference of the loss curves; infinity where they differ in length or predictions differ."""
    curves = [np.array(getattr(e, "loss_curve_", [e.loss_])) for e in (theirs, ours)]
    return np.inf if len(curves[0]) != len(curves[1]) else float(np.max(np.abs(curves[1] / curves[0] - 1)))


def same_predictions(theirs, ours, X):
    """Whether classes are equal, and numbers equal to 1e-7 of their range."""
    a, b = theirs.predict(X), ours.predict(X)
    return np.array_equal(a, b) if a.dtype.kind in "iu" else bool(np.ptp(a) * 1e-7 >= np.max(np.abs(a - b)))


def compare(name, options, X, y, rounds):
    """A row: (deviation, equal, ratio of the times, our time)."""
    from sklearn import neural_network

    seconds = ([], [])
    for _ in range(rounds):
        theirs, duration = fit(getattr(neural_network, DATA[name]), X, y, options)
        seconds[0].append(duration)
        ours, duration = fit(getattr(fastbp, DATA[name]), X, y, options)
        seconds[1].append(duration)
    their_time, our_time = map(statistics.median, seconds)
    if isinstance(theirs, str) or isinstance(ours, str):
        return np.nan, theirs == ours, their_time / our_time, our_time
    equal = theirs.n_iter_ == ours.n_iter_ and same_predictions(theirs, ours, X)
    return deviation(theirs, ours), equal, their_time / our_time, our_time


def main():
    """Print a row for each fit, and the geometric means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scaled", action="store_true", help="standardise the columns first")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    stay_on_one_core()
    print(f"{'data':14}{'solver':7}{'schedule':12}{'stop':6}{'activation':11}deviation  equal   ratio  ms")
    rows = []
    for name, (solver, schedule, stop), activation in itertools.product(args.data, WAYS, ACTIVATIONS):
        X, y = data_set(name, args)
        options = {"solver": solver, "learning_rate": schedule, "early_stopping": stop, "activation": activation}
        fit(getattr(fastbp, DATA[name]), X, y, options)  # compiles
        row = compare(name, options, X, y, args.rounds)
        rows.append((name, solver, *row))
        labels = f"{name:14}{solver:7}{schedule:12}{stop!s:6}{activation:11}"
        print(f"{labels}{row[0]:9.1e}  {row[1]!s:6} {row[2]:6.2f} {1e3 * row[3]:7.2f}", flush=True)
    largest = np.nanmax([row[2] for row in rows])
    print(f"fits {len(rows)}, equal {sum(row[3] for row in rows)}, largest deviation {largest:.1e}")
    for label in ("adam", "sgd", "lbfgs", *args.data):
        print_mean(label, [row[4] for row in rows if label in row[:2]])
    print_mean("all", [row[4] for row in rows])


def stay_on_one_core():
    """One core, and one thread of BLAS, of this process from now on."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def print_mean(label, ratios):
    print(f"{label}: geometric mean {statistics.geometric_mean(ratios):.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
