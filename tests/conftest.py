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


# Tests of what stands around the kernels: files, tables, processes, the command line, examples. Nothing is gained
# where they run once more with bounds checks.
AROUND_KERNELS = {
    "test_assignments", "test_cache", "test_checkpoint", "test_cli", "test_cli_mistakes", "test_comparison",
    "test_docs", "test_encoding", "test_memory_maps", "test_outputs",
    "test_endurance", "test_estimators_scikit_learn", "test_examples", "test_files_fuzz", "test_forks", "test_hazards",
    "test_interruptions", "test_io", "test_kernel_sources", "test_oracle", "test_report", "test_shared_network",
    "test_tables", "test_threads", "test_upgrade", "test_versions", "test_warm_up",
}  # fmt: skip


def pytest_configure(config):
    config.addinivalue_line("markers", "kernels: computes; worth a run with NUMBA_BOUNDSCHECK=1")
    config.addinivalue_line(
        "markers", "compiled_only: too much work for kernels that run as plain Python (NUMBA_DISABLE_JIT=1)"
    )
    if not COMPILED:  # NumPy warns where compiled code silently overflows or makes an infinity
        config.addinivalue_line("filterwarnings", r"ignore::RuntimeWarning:fastbp\.kernels\..*")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem not in AROUND_KERNELS:
            item.add_marker(pytest.mark.kernels)
    if COMPILED:
        return
    for item in items:
        if item.get_closest_marker("compiled_only"):
            item.add_marker(pytest.mark.skip(reason="needs compiled kernels"))
