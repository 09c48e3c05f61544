"""Each kernel by itself: weighted sums by shape, products of rows, samples into lanes, activations, steps."""

import numpy as np

from fastbp import Network
from fastbp.activations import ACTIVATIONS
from fastbp.engine.engine import aligned_zeros
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.formulas.activation_calls import apply_dh, apply_h
from fastbp.kernels.formulas.steps import Step, next_rate, rule_of, take_step
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.gather import load_samples
from fastbp.kernels.many_samples.sums_across import row_products, row_sums
from fastbp.kernels.many_samples.tile import no_dropout, space_of
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of, weighted_sums
from fastbp.kernels.registers.lanes import view
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import net_of
from fastbp.kernels.training.chunks import data_of, tile_of
from fastbp.solvers import SOLVERS, make_solver

DTYPES = ["float32", "float64"]
SHAPES = ["96x64", "256x256", "512x784", "10x100", "50x13"]  # units x terms
REGISTERS = [1, 2, 3, 4, 13]  # of a row


@entry
def sums(out, weights, rows):
    size = Size(out.shape[0], out.shape[1], rows.shape[0])
    w = Weights(view(weights), rows.shape[0], 1)
    epilogue = Epilogue(False, view(weights), 0, NO_FLOOR, False, view(out))
    weighted_sums(Rows(view(out), out.shape[1]), w, terms_of(Rows(view(rows), rows.shape[1])), epilogue, size)


@entry
def products(out, left, right):
    size = Size(left.shape[0], right.shape[0], left.shape[1])
    epilogue = Epilogue(False, view(out), 0, NO_FLOOR, False, view(out))
    rows = Rows(view(left), left.shape[1]), Rows(view(right), right.shape[1])
    row_products(Rows(view(out), out.shape[1]), rows[0], rows[1], epilogue, size)
    row_sums(view(out), rows[0], epilogue, Size(left.shape[0], left.shape[1], 0))


@entry
def gather(packed, samples, memory, n_samples):
    data, space = data_of(samples), space_of(memory)
    tile = tile_of(space, no_dropout(space.z, space.errors, data.order), 0, 0, n_samples)
    load_samples(net_of(packed), data, 0, tile, True)


@entry
def step(w, g, solver):
    rule = rule_of(solver)
    take_step(view(w), view(g), Step(True, rule, next_rate(rule, 1e-9), 0.5))


class WeightedSums:
    params = (SHAPES, REGISTERS, DTYPES)
    param_names = ("units_x_terms", "registers", "dtype")

    def setup(self, shape, n_registers, dtype):
        n_sums, n_terms = map(int, shape.split("x"))
        dtype = np.dtype(dtype)
        length = n_registers * lanes_of(dtype)
        shapes = ((n_sums, length), (n_sums, n_terms), (n_terms, length))
        self.arrays = [aligned_zeros(shape, dtype) for shape in shapes]
        sums(*self.arrays)

    def time_weighted_sums(self, shape, n_registers, dtype):
        sums(*self.arrays)


class RowProducts:
    params = (["10x100", "1x50", "20x20"], DTYPES)
    param_names = ("left_x_right", "dtype")

    def setup(self, shape, dtype):
        n_left, n_right = map(int, shape.split("x"))
        dtype = np.dtype(dtype)
        length = 13 * lanes_of(dtype)
        shapes = ((n_left, n_right), (n_left, length), (n_right, length))
        self.arrays = [aligned_zeros(shape, dtype) for shape in shapes]
        products(*self.arrays)

    def time_row_products_and_sums(self, shape, dtype):
        products(*self.arrays)


class SamplesIntoLanes:
    params = ([4, 13, 64, 784], DTYPES)
    param_names = ("n_inputs", "dtype")

    def setup(self, n_inputs, dtype):
        rng = np.random.default_rng(0)
        net = Network((n_inputs, 30, 10), dtype=dtype, seed=0)
        X, T = rng.standard_normal((5000, n_inputs)), rng.standard_normal((5000, 10))
        samples = net.check_samples(X, T).ordered(rng.permutation(5000)).arrays
        self.arguments = net.packed, samples, net.engine.memory(200), 200
        gather(*self.arguments)

    def time_load_samples(self, n_inputs, dtype):
        gather(*self.arguments)


class ActivationFunctions:
    params = (["tanh", "logistic", "exp", "softplus", "relu", "gelu", "sin"], DTYPES)
    param_names = ("function", "dtype")

    def setup(self, name, dtype):
        self.a = np.linspace(-4, 4, 2048, dtype=dtype)
        self.z, self.delta = np.empty_like(self.a), np.ones_like(self.a)
        self.addresses = [ACTIVATIONS[name].address(self.a.dtype, slope=slope) for slope in (False, True)]
        self.time_h(name, dtype)
        self.time_dh(name, dtype)

    def time_h(self, name, dtype):
        apply_h(self.addresses[0], self.a, self.z)

    def time_dh(self, name, dtype):
        apply_dh(self.addresses[1], self.a, self.z, self.delta)


class Steps:
    params = (list(SOLVERS), [100, 10_000, 1_000_000], DTYPES)
    param_names = ("solver", "n_params", "dtype")

    def setup(self, name, n_params, dtype):
        dtype = np.dtype(dtype)
        self.w, self.g = (aligned_zeros((n_params // 16 * 16,), dtype) for _ in range(2))
        self.g += 1e-3
        choice = make_solver(name, {}, None)
        self.solver = choice.start(self.w.size, dtype, l2=0.0, n_weights=self.w.size, mean=True)
        step(self.w, self.g, self.solver)

    def time_step(self, name, n_params, dtype):
        step(self.w, self.g, self.solver)
