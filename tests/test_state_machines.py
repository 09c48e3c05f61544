"""State machines: steps at random, each compared with what must hold, or with scikit-learn's estimators."""

import os

import pytest
from cases import COMPILED
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

pytestmark = pytest.mark.compiled_only

N_STEPS = 25  # of an example
NIGHTLY = os.environ.get("FASTBP_TESTS") == "nightly"
N_EXAMPLES = 10_000 // N_STEPS if NIGHTLY else 12


def run(machine):
    """Run a machine for the steps of this size of the tests."""
    run_state_machine_as_test(machine, settings=settings(max_examples=N_EXAMPLES, stateful_step_count=N_STEPS))


@pytest.mark.skipif(not COMPILED, reason="minutes in plain Python")
def test_estimators():
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    from estimator_machine import EstimatorMachine

    run(EstimatorMachine)


def test_networks():
    from network_machine import NetworkMachine

    run(NetworkMachine)
