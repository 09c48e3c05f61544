"""Callbacks of a population: they see its networks after so many epochs, may change them, and may end the training."""

import numpy as np
import pytest

import fastbp

X = np.random.default_rng(0).normal(size=(20, 3))
T = np.tanh(X[:, :2])
OPTIONS = {"solver": "sgd", "learning_rate": 0.1, "batch_size": 5, "shuffle": False, "seeds": 0}


def population():
    """Return networks that are trained in the lanes, and one that is not."""
    edges = [(0, 3), (1, 3), (2, 4), (3, 4), (3, 5), (4, 5)]
    irregular = fastbp.Network.from_edges(3, 2, edges, seed=9, dtype="float64")
    return fastbp.Population([*(fastbp.Network((3, 4, 2), seed=k, dtype="float64") for k in range(3)), irregular])


def after(n_epochs):
    pop = population()
    pop.fit(X, T, epochs=n_epochs, **OPTIONS)
    return pop.params


def test_what_they_see():
    seen, pop = [], population()

    def look(given, histories):
        assert given is pop
        seen.append((histories[0].n_epochs, pop.params.copy(), [h.n_epochs for h in histories]))

    histories = pop.fit(X, T, epochs=5, callback=look, callback_every=2, **OPTIONS)
    assert [n for n, _, _ in seen] == [2, 4, 5]
    for n, params, lengths in seen:
        assert lengths == [n] * 4
        assert np.array_equal(params, after(n))
    assert np.array_equal(pop.params, after(5))  # to look changes nothing
    assert {h.stopped_by for h in histories} == {"epochs"}


def test_a_true_value_ends_the_training():
    pop = population()
    calls = [lambda _pop, _histories: None, lambda _pop, histories: histories[0].n_epochs == 3]
    histories = pop.fit(X, T, epochs=9, callback=calls, patience=[None, None, 5, None], **OPTIONS)
    assert [(h.n_epochs, h.stopped_by) for h in histories] == [(3, "callback")] * 4
    assert np.array_equal(pop.params, after(3))


def test_what_they_write_is_learned_from():
    def halve(pop, histories):
        if histories[0].n_epochs == 2:
            pop.params[:] *= 0.5

    pop, wanted = population(), population()
    pop.fit(X, T, epochs=4, callback=halve, **OPTIONS)
    wanted.fit(X, T, epochs=2, **OPTIONS)
    wanted.params[:] *= 0.5
    wanted.fit(X, T, epochs=2, **OPTIONS)
    assert np.array_equal(pop.params, wanted.params)


def test_errors_are_passed_on():
    def fail(pop, histories):
        raise KeyError("mine")

    pop = population()
    with pytest.raises(KeyError, match="mine"):
        pop.fit(X, T, epochs=4, callback=fail, **OPTIONS)
    assert np.array_equal(pop.params, after(1))
    for callback, every, message in ((3, 1, "callback must be"), (fail, 0, "callback_every")):
        with pytest.raises((TypeError, ValueError), match=message):
            pop.fit(X, T, callback=callback, callback_every=every)
