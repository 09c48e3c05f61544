"""What the asv benchmarks share: networks with data, and the names of the two kinds of size."""

from fastbp import Network

from .comparison.workloads import ON_LINE, WORKLOADS, random_data

# In the first, calls and loop overheads cost more than the arithmetic; in the second it is all there is.
SIZES = {"overhead_bound": WORKLOADS["W1"], "compute_bound": WORKLOADS["W7"]}
ALL = WORKLOADS | ON_LINE
DTYPES = ["float32", "float64"]


def network_and_data(workload, dtype="float32"):
    """A network with the workload's sizes, its inputs and its targets."""
    net = Network(workload.sizes, activation=workload.activation, dtype=dtype, seed=0)
    return net, *random_data(workload, dtype)


def fit(net, X, T, workload, *, epochs, n_threads=1, callback=None):
    """Train as the workload says."""
    net.fit(
        X,
        T,
        solver=workload.solver,
        learning_rate=workload.learning_rate,
        batch_size=workload.batch_size,
        epochs=epochs,
        seed=0,
        n_threads=n_threads,
        callback=callback,
    )
