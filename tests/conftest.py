import os
import sys

import hypothesis
import pytest
from cases import COMPILED

from fastbp.structure import topology

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
    "test_accuracy", "test_assembly", "test_assignments", "test_bad_input", "test_c_export", "test_cache",
    "test_cfunc", "test_checkpoint", "test_columns_export", "test_compiling", "test_curvature",
    "test_dask", "test_data", "test_docs", "test_docstrings", "test_drawn_tables", "test_encoding",
    "test_endurance", "test_errors", "test_errors_fit", "test_estimator_parts", "test_estimators_as_theirs",
    "test_estimators_damaged", "test_estimators_ensemble", "test_estimators_extras", "test_estimators_preset",
    "test_estimators_scikit_learn", "test_estimators_second_order", "test_evidence", "test_examples",
    "test_explain", "test_explain_page", "test_explain_softmax", "test_explain_views", "test_export_examples",
    "test_files_fuzz", "test_first_use", "test_fixed_point", "test_forks", "test_gate", "test_graphs",
    "test_growth", "test_guarded", "test_hazards", "test_held_out", "test_importers", "test_interruptions",
    "test_io", "test_jit_refusals", "test_kernel_sources", "test_large_data", "test_memory", "test_memory_maps",
    "test_minimising", "test_named_files", "test_neat", "test_neat_population", "test_numba_inside", "test_onnx",
    "test_oracle", "test_outputs", "test_pages", "test_parts", "test_plots", "test_public_names", "test_registers",
    "test_report", "test_reproducible", "test_rewiring", "test_rooms", "test_safetensors", "test_self_check",
    "test_shared_network", "test_sizes", "test_stopping", "test_stream", "test_threads", "test_traps", "test_tune",
    "test_upgrade", "test_versions", "test_warm_up", "test_windows", "test_work_spaces",
}  # fmt: skip
# How names of files begin: whole families of them.
AROUND_KERNELS_TOO = ("test_cli", "test_comparison", "test_table", "test_typed")


# What is run once more under each shape of registers, `pytest -m shapes` (registers.py): sums of all sizes, networks
# that cross the code's thresholds, single samples, links, shares of threads, and an estimator. Not each loss and each
# activation function: most of the time would go into compiling them, and they know of lanes alone. None: all tests.
SHAPES = {
    "test_assembly": None,
    "test_lanes": None,
    "test_lanes_rows": None,
    "test_caches": None,
    "test_panels": None,
    "test_curvature": {"test_blocks_of_all_kinds"},
    "test_sample": {
        "test_compiled_loops_over_all_sizes", "test_compiled_loops_over_many_samples", "test_loops_in_float32",
        "test_chunks_and_tiles_change_nothing_but_rounding",
    },
    "test_gradient": {"test_every_small_width", "test_every_small_number_of_samples"},
    "test_single": {
        "test_outputs_for_all_widths", "test_outputs_of_any_connections", "test_steps_for_all_widths",
        "test_steps_of_many_networks",
    },
    "test_input_gradient": {"test_all_sizes", "test_skips_and_small_networks", "test_float32"},
    "test_shares": {"test_small_networks_shared_all_the_same", "test_how_many_threads_find_something_to_do"},
    "test_estimators": {"test_float32", "test_same_numbers_of_small_networks"},
    "test_self_check": {"test_all_is_right_here", "test_small_thresholds_are_crossed"},
}  # fmt: skip


@pytest.fixture(autouse=not COMPILED)
def no_tables_of_other_thresholds():
    """Forget the tables of layers that are kept: tests of plain Python make some for thresholds of their own."""
    topology._layered.cache_clear()
    yield
    topology._layered.cache_clear()


@pytest.fixture
def small_thresholds(monkeypatch):
    """Uncompiled: thresholds so small that small networks cross them."""
    from thresholds import SMALL

    modules = [module for name, module in sys.modules.items() if name.startswith("fastbp.")]
    for name, value in SMALL.items():
        own = [module for module in modules if name in vars(module)]
        assert own, f"no module has {name}"
        for module in own:
            monkeypatch.setattr(module, name, value)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "shapes: depends on the shape of registers; run under each of them, see registers.py"
    )
    config.addinivalue_line("markers", "kernels: computes; worth a run with NUMBA_BOUNDSCHECK=1")
    config.addinivalue_line(
        "markers", "compiled_only: too much work for kernels that run as plain Python (NUMBA_DISABLE_JIT=1)"
    )
    if not COMPILED:  # NumPy warns where compiled code silently overflows or makes an infinity
        config.addinivalue_line("filterwarnings", r"ignore::RuntimeWarning:fastbp\.kernels\..*")


def pytest_collection_modifyitems(items):
    for item in items:
        name = item.path.stem
        if name not in AROUND_KERNELS and not name.startswith(AROUND_KERNELS_TOO):
            item.add_marker(pytest.mark.kernels)
        tests = SHAPES.get(item.path.stem, ())
        if tests is None or item.name.partition("[")[0] in tests:
            item.add_marker(pytest.mark.shapes)
    if COMPILED:
        return
    for item in items:
        if item.get_closest_marker("compiled_only"):
            item.add_marker(pytest.mark.skip(reason="needs compiled kernels"))
