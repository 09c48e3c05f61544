"""Arrays that end, or begin, at a page that nobody may touch: who reads past them is stopped by the system.

Run as a program it does what the package does with its arrays so placed; `test_guarded.py` runs it in processes of
their own, which a wrong access ends.
"""

import ctypes
import math
import mmap
import sys

import numpy as np

PAGE = mmap.PAGESIZE
PROT_NONE = 0
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
MAPS = []  # never given back: an array must not outlive its memory


def memory(n_bytes, *, at_end):
    """Return bytes between two pages without access, against the second one or against the first."""
    n_pages = max(1, -(-n_bytes // PAGE))
    region = mmap.mmap(-1, (n_pages + 2) * PAGE)
    numbers = np.frombuffer(region, np.uint8)
    MAPS.append(region)
    for start in (0, (n_pages + 1) * PAGE):
        if LIBC.mprotect(numbers.ctypes.data + start, PAGE, PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = (n_pages + 1) * PAGE - n_bytes if at_end else PAGE
    return numbers[start : start + n_bytes]


def guarded(array, *, at_end):
    """Return a copy of an array beside a page without access."""
    array = np.ascontiguousarray(array)
    copy = memory(array.nbytes, at_end=at_end).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def zeros(shape, dtype, *, at_end):
    """Do as `engine.aligned_zeros`: whole cache lines end at the page, what is not whole begins with one."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = memory(n_bytes + (-n_bytes % 64 if at_end else 0), at_end=at_end)
    return buffer[:n_bytes].view(dtype).reshape(shape)


def place_work_spaces(at_end):
    """Let the package's own parameters and work spaces be guarded as well."""
    from fastbp import solvers
    from fastbp.engine import engine, few_samples
    from fastbp.model import packed_network
    from fastbp.training import dropout

    def made(shape, dtype):
        return zeros(shape, dtype, at_end=at_end)

    for module in (engine, packed_network, few_samples, solvers, dropout):
        module.aligned_zeros = made
    if "fastbp.estimators.training" in sys.modules:
        sys.modules["fastbp.estimators.training"].aligned_zeros = made


def networks(seed):
    """Return networks of all kinds of layers, connections and functions, drawn from a seed."""
    import fastbp

    draw = np.random.default_rng(seed)
    functions = [*fastbp.activations.ACTIVATIONS]
    functions.remove("threshold")
    made = []
    for dtype in ("float64", "float32"):
        for output, loss in PAIRS:
            sizes = draw.integers(1, [40, 70, 30, 12]).tolist()[: draw.integers(2, 5)]
            hidden = draw.choice(functions, max(0, len(sizes) - 2)).tolist()
            options = {"loss": loss, "output": output, "dtype": dtype, "seed": seed, "bias": bool(draw.integers(2))}
            skip = "all" if draw.integers(2) else ()
            made.append(fastbp.Network(sizes, activation=hidden, skip=skip, **options))
        edges = [(0, 3), (1, 3), (2, 4), (3, 5), (4, 5), (0, 5), (1, 6), (4, 6), (3, 4)]
        made.append(fastbp.Network.from_edges(3, 2, edges, dtype=dtype, seed=seed))
    return made


PAIRS = [
    ("identity", "squared_error"), ("softmax", "cross_entropy"), ("logistic", "binary_cross_entropy"),
    ("exp", "poisson"), ("tanh", "absolute_error"), ("softplus", "huber"), ("identity", "quantile"),
    ("softmax", "squared_error"),
]  # fmt: skip


def use_network(net, n_samples, at_end):
    """Go all the ways into the kernels that `Network` and `fastbp.jit` have."""
    from fastbp import jit

    def g(array):
        return guarded(np.asarray(array, net.dtype), at_end=at_end)

    draw = np.random.default_rng(n_samples)
    T = draw.uniform(0.1, 0.9, size=(n_samples, net.n_outputs))
    X, T = g(draw.normal(size=(n_samples, net.n_inputs))), g(T / T.sum(axis=1, keepdims=True))
    weight, v = g(np.ones(n_samples)), g(np.ones((n_samples, net.n_outputs)))
    net.forward(X), net.activations(X), net.deltas(X, T), net.loss(X, T, weight)
    net.gradient(X, T, weight, n_threads=2), net.input_gradient(X, v)
    for k in range(min(n_samples, 3)):
        net.forward(X[k : k + 1])
    packed = jit.with_params(net.packed, g(net.params))
    work = net.workspace()
    x, t, y, grad = g(X[0]), g(T[0]), g(T[0]), g(np.zeros(net.n_params))
    jit.forward(packed, x, y, work), jit.gradient(packed, x, t, grad, work)
    jit.input_gradient(packed, x, t, g(X[0]), work)
    options = {"epochs": 2, "sample_weight": weight, "seed": 0}
    for solver, batch_size in (("adam", 7), ("sgd", 1), ("rmsprop", 1), ("rprop", None), ("adam", None)):
        net.fit(X, T, solver=solver, batch_size=batch_size, learning_rate=1e-4, validation=(X, T), **options)
    if len(net.sizes) > 2:
        net.fit(X, T, dropout=0.5, learning_rate=1e-4, **options)


def use_activations(at_end):
    """Functions of arrays."""
    from fastbp.activations import ACTIVATIONS

    for n in (1, 3, 8, 9, 33):
        for dtype in (np.float32, np.float64):
            for function in ACTIVATIONS.values():
                a = guarded(np.linspace(-3, 3, n).astype(dtype), at_end=at_end)
                function.h(a), function.dh(a)


def use_estimators(seed, at_end):
    """All the ways that only the estimators take."""
    import fastbp

    draw = np.random.default_rng(seed)
    for n_samples, dtype in ((23, np.float64), (40, np.float32)):
        X = guarded(draw.normal(size=(n_samples, 5)).astype(dtype), at_end=at_end)
        y, weight = guarded(X[:, 0], at_end=at_end), guarded(np.ones(n_samples), at_end=at_end)
        eval_set = (X, y)
        for options in (
            {}, {"solver": "lbfgs"}, {"early_stopping": True}, {"batch_size": 3, "dropout": 0.3}, {"solver": "sgd"},
            {"solver": "rprop"}, {"loss": "quantile"}, {"skip": "all"}, {"shuffle": False, "batch_size": 7},
        ):  # fmt: skip
            estimator = fastbp.MLPRegressor(hidden_layer_sizes=(7, 3), max_iter=2, random_state=0, **options)
            estimator.fit(X, y, weight, eval_set=eval_set)
            estimator.predict(X), estimator.predict(X[:1]), estimator.gradient_(X)
            classes = (np.arange(n_samples) % 3).astype(np.int64)
            if options.get("loss") is None:
                fastbp.MLPClassifier((7,), max_iter=2, random_state=0, **options).fit(X, classes, weight).predict(X)


def main(seed, at_end, work_spaces):
    """Use everything once."""
    import warnings

    from fastbp.estimators import training  # noqa: F401 - so that its work spaces are placed as well

    warnings.simplefilter("ignore")
    if work_spaces:
        place_work_spaces(at_end)
    for k, net in enumerate(networks(seed)):
        for n_samples in (1, 5, 33 + k):
            use_network(net, n_samples, at_end)
    use_activations(at_end)
    use_estimators(seed, at_end)
    print("all done", len(MAPS))


if __name__ == "__main__":
    if sys.argv[1] == "touch":  # that the pages do what they are for
        at_end = sys.argv[2] == "end"
        array = guarded(np.ones(3), at_end=at_end)
        print(ctypes.string_at(array.ctypes.data + (24 if at_end else -1), 1))
    else:
        main(int(sys.argv[1]), sys.argv[2] == "end", sys.argv[3] == "all")
