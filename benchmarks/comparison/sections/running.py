"""Networks that are run, not trained: one sample from Python, and many at a time."""

from ..measure import Task, measure
from ..tables import ARITHMETIC, Outcome, compared
from ..timing import call_timer, validate_call
from ..workloads import INFERENCE, ONE_SAMPLE, forward_flops, random_data


def _one_sample(workload, dtype):
    """A function of a peer: the outputs of the sample, an array of NumPy's like the inputs."""
    x = random_data(workload, dtype)[0]
    return lambda peer: peer.one_sample(x)


ONE_CALL = Task(
    validate=lambda made, workload, dtype: validate_call(made, _one_sample(workload, dtype), workload, dtype),
    timer=lambda peer, workload, dtype: call_timer(peer.one_sample, random_data(workload, dtype)[0]),
    flops=forward_flops,
    most=100_000,
)
ALL_OUTPUTS = Task(
    validate=lambda made, workload, dtype: validate_call(made, lambda peer: peer.outputs(), workload, dtype),
    timer=lambda peer, workload, dtype: call_timer(peer.outputs),
    flops=forward_flops,
)


def one_sample(setup, done):
    """One sample through a small network, called from Python."""
    title = f"{ONE_SAMPLE.shape}, {ONE_SAMPLE.activation}"
    rows = [row._replace(title=title) for row in measure(setup, ONE_CALL, ONE_SAMPLE)]
    return Outcome("one-sample", rows, compared("One sample through the network, from Python", rows, "µs", 1e-6))


def inference(setup, done):
    """Outputs of many samples; FANN, which knows no rectifier, is left out."""
    title = f"{INFERENCE.shape}, {INFERENCE.n_samples}, {INFERENCE.activation}"
    rows = [row._replace(title=title) for row in measure(setup, ALL_OUTPUTS, INFERENCE)]
    return Outcome("inference", rows, compared("Outputs of all samples", rows, "ms", 1e-3, ARITHMETIC))
