"""One network, or one activation function, in the hands of several threads."""

import concurrent.futures
import copy
import threading
import time

import numpy as np
import pytest
from cases import Case, draw

from fastbp import Activation

CASE = Case((20, 64, 32, 3), "tanh", n_samples=2500)


@pytest.mark.compiled_only
def test_one_network_serves_several_threads():
    net, X, T, _ = draw(CASE)
    y, (E, grad) = net.forward(X), net.gradient(X, T)

    def work(_):
        return net.forward(X), net.gradient(X, T)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for y_again, (E_again, grad_again) in pool.map(work, range(40)):
            assert np.array_equal(y_again, y)
            assert E_again == E
            assert np.array_equal(grad_again, grad)


def at_once(n_threads, function):
    """Call a function in several threads that start together; return the results."""
    start = threading.Barrier(n_threads)

    def work(_):
        start.wait()
        return function()

    with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, range(n_threads)))


def test_first_calls_at_once_see_whole_tables_of_addresses(monkeypatch):
    """While one thread writes the addresses of h', another one computes without them: a wrong gradient."""
    net, X, T, _ = draw(Case((4, 6, 5, 2), "tanh", n_samples=40))
    expected = draw(Case((4, 6, 5, 2), "tanh", n_samples=40)).net.gradient(X, T)[1]
    address, calls = Activation.address, []

    def slow_address(self, dtype, *, slope=False):
        calls.append((self.name, slope))
        time.sleep(0.02 * len(calls))  # the later, the longer: threads that do the same drift apart
        return address(self, dtype, slope=slope)

    monkeypatch.setattr(Activation, "address", slow_address)
    for _, grad in at_once(4, lambda: net.gradient(X, T)):
        assert np.array_equal(grad, expected)
    assert calls.count(("tanh", True)) == 2, "more than one thread wrote the table"


def test_a_users_function_is_compiled_by_one_thread(monkeypatch):
    """Made twice, the first one's machine code would be freed while a network holds its address."""
    compile_it, calls = Activation._compile, []

    def slow_compile(self, dtype, slope):
        calls.append(slope)
        time.sleep(0.02)
        return compile_it(self, dtype, slope)

    monkeypatch.setattr(Activation, "_compile", slow_compile)
    twice = Activation("twice", lambda a: 2 * a, lambda a: 2.0)
    addresses = at_once(4, lambda: twice.address(np.dtype("float64")))
    assert len(set(addresses)) == 1
    assert calls == [False]
    assert np.array_equal(twice.h(np.arange(3.0)), [0, 2, 4])


@pytest.mark.compiled_only
def test_copies_of_an_activation_compile_nothing():
    """Numba keeps the memory of all that it has ever compiled."""
    thrice = Activation("thrice", lambda a: 3 * a, lambda a: 3.0)
    dtype = np.dtype("float64")
    assert copy.copy(thrice).address(dtype) == thrice.address(dtype)
    assert copy.copy(thrice).address(dtype, slope=True) == thrice.address(dtype, slope=True)


class Held:
    """A training in another thread that waits in its callback until it is let go."""

    def __init__(self, net, X, T):
        self._within, self._go_on = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=net.fit, args=[X, T], kwargs={"epochs": 3, "callback": self._wait})

    def _wait(self, net, history):
        self._within.set()
        assert self._go_on.wait(60)

    def __enter__(self):
        self.thread.start()
        assert self._within.wait(60)
        return self

    def __exit__(self, *_):
        self._go_on.set()
        self.thread.join()


def test_a_second_thread_may_not_train_the_same_network():
    net, X, T, _ = draw(Case(n_samples=20))
    alone = draw(Case(n_samples=20)).net
    alone.fit(X, T, epochs=3, callback=lambda net, history: None)
    with Held(net, X, T):
        before = net.params.copy()
        with pytest.raises(RuntimeError, match="another thread trains this network"):
            net.fit(X, T, epochs=3)
        assert np.array_equal(net.params, before)
        assert np.all(np.isfinite(net.forward(X)))
        copy.deepcopy(net).fit(X, T, epochs=1)
    assert np.array_equal(net.params, alone.params)
    net.fit(X, T, epochs=1)
    assert not np.array_equal(net.params, alone.params)


def test_a_callback_may_train_its_network():
    net, X, T, _ = draw(Case(n_samples=20))

    def train_more(net, history):
        net.fit(X, T, epochs=1)

    assert net.fit(X, T, epochs=2, callback=train_more).n_epochs == 2
    with Held(net, X, T), pytest.raises(RuntimeError, match="another thread"):
        net.fit(X, T, epochs=1)
