"""FANN, the C library (Debian: libfann2), called through ctypes: one sample at a time.

It has no rectifier and no Adam. Its on-line learning is FANN_TRAIN_INCREMENTAL, its batch learning
FANN_TRAIN_BATCH; a whole epoch is one call of its own loop, and it shuffles by copying its rows.
"""

import ctypes
from ctypes.util import find_library
from functools import cache

import numpy as np

from ..workloads import Parameters
from .base import Peer

_LIBRARIES = {"float32": "floatfann", "float64": "doublefann"}
_LINEAR, _SIGMOID_SYMMETRIC = 0, 5  # enum fann_activationfunc_enum; the second one is tanh
_ERRORFUNC_LINEAR = 0  # enum fann_errorfunc_enum
_INCREMENTAL, _BATCH = 0, 1  # enum fann_train_enum


@cache
def _library(dtype):
    """FANN with numbers of `dtype`, or None; found by its version too, without the -dev package's link."""
    try:
        return ctypes.CDLL(find_library(_LIBRARIES[dtype]) or f"lib{_LIBRARIES[dtype]}.so.2")
    except OSError:
        return None


class Fann(Peer):
    label = "FANN"

    def __init__(self, workload, X, T):
        self.lib = _library(X.dtype.name)
        self.real = np.ctypeslib.as_ctypes_type(X.dtype)
        self.workload, self.X, self.T = workload, X, T
        self._declare()
        sizes = (ctypes.c_uint * len(workload.sizes))(*workload.sizes)
        self.ann = ctypes.c_void_p(self.lib.fann_create_standard_array(len(workload.sizes), sizes))
        self._configure()
        self.data = ctypes.c_void_p(self._samples())
        self.connections = np.zeros(
            self.lib.fann_get_total_connections(self.ann),
            np.dtype([("source", np.uint32), ("target", np.uint32), ("weight", X.dtype)], align=True),
        )
        self.lib.fann_get_connection_array(self.ann, self._connections_pointer())

    @classmethod
    def problem(cls):
        return None if all(map(_library, _LIBRARIES)) else "not installed"

    @classmethod
    def takes(cls, workload):
        plain = workload.solver == "sgd" and workload.batch_size in (1, workload.n_samples)
        return workload.activation == "tanh" and (plain or workload.n_samples == 1)

    def _declare(self):
        """What ctypes cannot know: pointers that are returned, and real arguments."""
        lib, pointer = self.lib, ctypes.POINTER(self.real)
        for name in ("fann_create_standard_array", "fann_create_train_from_callback"):
            getattr(lib, name).restype = ctypes.c_void_p
        lib.fann_run.restype = pointer
        lib.fann_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        lib.fann_set_learning_rate.argtypes = [ctypes.c_void_p, ctypes.c_float]
        for layers in ("hidden", "output"):
            getattr(lib, f"fann_set_activation_steepness_{layers}").argtypes = [ctypes.c_void_p, self.real]
        self.fill = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, pointer, pointer)

    def _configure(self):
        lib, ann = self.lib, self.ann
        lib.fann_set_activation_function_hidden(ann, _SIGMOID_SYMMETRIC)
        lib.fann_set_activation_function_output(ann, _LINEAR)
        for layers in ("hidden", "output"):
            getattr(lib, f"fann_set_activation_steepness_{layers}")(ann, 1.0)
        lib.fann_set_train_error_function(ann, _ERRORFUNC_LINEAR)
        lib.fann_set_training_algorithm(ann, _INCREMENTAL if self.workload.batch_size == 1 else _BATCH)
        lib.fann_set_learning_rate(ann, self.workload.learning_rate)

    def _samples(self):
        """A copy of the samples in FANN's own arrays."""

        def fill(n, _n_inputs, _n_outputs, x, t):
            ctypes.memmove(x, self.X[n].ctypes.data, self.X[n].nbytes)
            ctypes.memmove(t, self.T[n].ctypes.data, self.T[n].nbytes)

        sizes = self.workload.sizes
        return self.lib.fann_create_train_from_callback(len(self.X), sizes[0], sizes[-1], self.fill(fill))

    def __del__(self):
        if hasattr(self, "data"):
            self.lib.fann_destroy_train(self.data)
            self.lib.fann_destroy(self.ann)

    def _connections_pointer(self):
        return self.connections.ctypes.data_as(ctypes.c_void_p)

    def _blocks(self):
        """For each layer, positions of its weights (n_out, n_in) and biases (n_out,) in the connections.

        FANN numbers the units layer by layer, with a unit of constant output at the end of each.
        """
        sources, targets = self.connections["source"], self.connections["target"]
        first = 0
        for n_in, n_out in zip(self.workload.sizes, self.workload.sizes[1:], strict=False):
            bias = first + n_in
            arriving = np.flatnonzero((sources >= first) & (sources <= bias) & (targets > bias))
            by_unit = arriving[np.lexsort((sources[arriving], targets[arriving]))].reshape(n_out, n_in + 1)
            yield by_unit[:, :n_in], by_unit[:, n_in]
            first = bias + 1

    def load(self, parameters):
        for blocks, w, b in zip(self._blocks(), *parameters, strict=True):
            self.connections["weight"][blocks[0]], self.connections["weight"][blocks[1]] = w, b
        self.lib.fann_set_weight_array(self.ann, self._connections_pointer(), len(self.connections))

    def train(self, orders):
        for _ in orders.rows:
            if orders.shuffled:
                self.lib.fann_shuffle_train_data(self.data)
            self.lib.fann_train_epoch(self.ann, self.data)

    def parameters(self):
        self.lib.fann_get_connection_array(self.ann, self._connections_pointer())
        weights = self.connections["weight"]
        return Parameters(*map(list, zip(*((weights[w], weights[b]) for w, b in self._blocks()), strict=True)))

    def one_sample(self, x):
        y = self.lib.fann_run(self.ann, x.ctypes.data)
        return np.array(y[: self.workload.sizes[-1]])
