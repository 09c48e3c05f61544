import os

import hypothesis
import pytest
from cases import COMPILED

# Drawn examples are the same in every run, and nothing is kept between runs.
hypothesis.settings.register_profile(
    "fastbp",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25 if COMPILED else 4,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
# New examples in every run, many of them; a failure prints what repeats it.
hypothesis.settings.register_profile(
    "nightly",
    hypothesis.settings.get_profile("fastbp"),
    derandomize=False,
    print_blob=True,
    max_examples=10_000 if COMPILED else 500,
)
hypothesis.settings.load_profile(os.environ.get("FASTBP_TESTS", "fastbp"))


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "compiled_only: too much work for kernels that run as plain Python (NUMBA_DISABLE_JIT=1)"
    )
    if not COMPILED:  # NumPy warns where compiled code silently overflows or makes an infinity
        config.addinivalue_line("filterwarnings", r"ignore::RuntimeWarning:fastbp\.kernels\..*")


def pytest_collection_modifyitems(items):
    if COMPILED:
        return
    for item in items:
        if item.get_closest_marker("compiled_only"):
            item.add_marker(pytest.mark.skip(reason="needs compiled kernels"))
