"""The same networks as functions of flat parameters, in JAX: outputs, errors, and their derivatives, jitted."""

from itertools import pairwise

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def parts_of(w, sizes):
    """(weights, biases) of each layer, as `Network.params` has them."""
    pairs = list(pairwise(sizes))
    weights, biases, place = [], [], 0
    for n_in, n_out in pairs:
        weights.append(w[place : place + n_in * n_out].reshape(n_out, n_in))
        place += n_in * n_out
    for _n_in, n_out in pairs:
        biases.append(w[place : place + n_out])
        place += n_out
    return list(zip(weights, biases, strict=True))


class Functions:
    """Jitted functions of the parameters for one set of samples."""

    def __init__(self, sizes, output, X, T):
        layers = len(sizes) - 1
        X, T = jnp.asarray(X), jnp.asarray(T)

        def outputs(w, x):
            z = x
            for k, (W, b) in enumerate(parts_of(w, sizes)):
                a = W @ z + b
                z = jnp.tanh(a) if k < layers - 1 or output == "tanh" else a
            return z

        def residuals(w):
            return (jax.vmap(outputs, (None, 0))(w, X) - T).ravel()

        def error(w):
            return 0.5 * (residuals(w) ** 2).sum()

        def jacobian(w):
            rows = jax.vmap(jax.jacrev(outputs), (None, 0))(w, X)  # each sample by itself: a third of jacrev of all
            return rows.reshape(-1, w.size)

        def gauss_newton(w):
            J, r = jacobian(w), residuals(w)
            return 0.5 * (r @ r), J.T @ r, J.T @ J

        self.outputs = jax.jit(lambda w: jax.vmap(outputs, (None, 0))(w, X))
        self.residuals, self.error, self.jacobian = jax.jit(residuals), jax.jit(error), jax.jit(jacobian)
        self.gauss_newton = jax.jit(gauss_newton)
        self.value_and_gradient = jax.jit(jax.value_and_grad(error))
        self.hessian = jax.jit(jax.hessian(error))
        self.product = jax.jit(lambda w, v: jax.jvp(jax.grad(error), (w,), (v,))[1])
        self.plain_residuals = residuals


def called(function, *arguments):
    """A call that has ended when it returns."""
    return lambda: jax.block_until_ready(function(*arguments))
