"""Whole numbers in C: the file computes what is computed here to the bit, and is off by no more than it says."""

import ctypes
import re
import shutil

import exchanged
import numpy as np
import pytest
from c_compilers import compile_c, self_test
from scipy.special import log_ndtr

import fastbp
from fastbp.exporting.fixed_curves import BOUNDS, function_of
from fastbp.exporting.fixed_point import FUNCTIONS, fixed_point

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
both_sizes = pytest.mark.parametrize("bits", [8, 16])


def as_numbers(X, fixed):
    return np.rint(np.asarray(X, float) * 2.0**fixed.x_scale).astype(np.int64)


def exact(net, X):
    return net.astype("float64").forward(np.asarray(X, float))


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_outputs_are_off_by_no_more_than_is_proved(seed):
    net, X = exchanged.draw(seed)
    corners = np.random.default_rng(seed).choice([-1.0, 1.0], size=X.shape)
    for bits in (8, 16):
        fixed = fixed_point(net, bits, 1.0)
        for inputs in (X, corners):
            off = np.abs(fixed.forward(as_numbers(inputs, fixed)) * 2.0**-fixed.y_scale - exact(net, inputs))
            assert (off <= fixed.error * (1 + 1e-9) + 1e-12).all()
            assert off.max() > 0 or not fixed.forward(as_numbers(inputs, fixed)).any()


def c_outputs(path, X, bits, n_outputs):
    library = ctypes.CDLL(str(compile_c(path, "-shared", "-fPIC")))
    X, Y = X.astype(f"int{bits}"), np.zeros((len(X), n_outputs), np.int32)
    for x, y in zip(X, Y, strict=True):
        library.net(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
    return Y


@needs_gcc
@both_sizes
@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_the_file_computes_the_same_whole_numbers(seed, bits, tmp_path):
    net, X = exchanged.draw(seed)
    bound = net.to_c(tmp_path / "net.c", bits=bits)
    fixed = fixed_point(net, bits, 1.0)
    assert bound == fixed.error.max()
    assert f"{bound:.2e}" in (tmp_path / "net.c").read_text()
    q = as_numbers(X, fixed)
    assert np.array_equal(c_outputs(tmp_path / "net.c", q, bits, net.n_outputs), fixed.forward(q))
    if seed < 2:
        assert self_test(tmp_path / "net.c") == (0, "")


@needs_gcc
@both_sizes
@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_function_over_a_wide_range(function, bits, tmp_path):
    hidden = "tanh" if function == "softmax" else function
    net = fastbp.Network((2, 5, 3), activation=hidden, output=function if function == "softmax" else "identity", seed=1)
    net.weights[0][:] *= 6 if function != "exp" else 1
    net.biases[0][:] = [-2, -1, 0, 1, 2]
    net.to_c(tmp_path / "net.c", bits=bits, x_max=2.0)
    fixed = fixed_point(net, bits, 2.0)
    most = int(2.0 * 2.0**fixed.x_scale)
    q = np.random.default_rng(0).integers(-most, most + 1, size=(500, 2))
    found = c_outputs(tmp_path / "net.c", q, bits, 3)
    assert np.array_equal(found, fixed.forward(q))
    off = np.abs(found * 2.0**-fixed.y_scale - exact(net, q * 2.0**-fixed.x_scale))
    assert (off <= fixed.error).all()
    assert fixed.error.max() < (2.0 if bits == 8 else 0.02) * np.abs(exact(net, q * 2.0**-fixed.x_scale)).max()


def test_bounds_of_functions():
    """Slopes and bends of each function, from differences in twice as many digits as are compared."""
    a = np.linspace(-30, 30, 600_001)
    step = a[1] - a[0]
    for name, bounds in BOUNDS.items():
        h = function_of(name, a)
        if name == "gelu":  # with the digits of its tail
            h = np.where(a < 0, a * np.exp(log_ndtr(a)), h)
        if name == "exp":
            continue
        slope, bend = np.abs(np.diff(h)) / step, np.abs(np.diff(h, 2)) / step**2
        for kink in {"selu": [0.0], "ramp": [0.0, 1.0]}.get(name, []):  # each an entry of its table
            bend[np.abs(a[1:-1] - kink) < step / 2] = 0
        assert 0.9 * bounds.slope < slope.max() <= bounds.slope * (1 + 1e-6), name
        assert bend.max() <= bounds.bend * (1 + 1e-3) + 1e-6, name  # rounding of a
        for end, beyond in ((bounds.low, a <= bounds.low), (bounds.high, a >= bounds.high)):
            if np.isfinite(end):
                assert np.abs(h[beyond] - h[beyond][0 if end == bounds.high else -1]).max() <= bounds.tail, name


@needs_gcc
def test_one_number_changed_in_the_file_fails_the_self_test(tmp_path):
    path = tmp_path / "net.c"
    net = fastbp.Network((3, 6, 4, 2), output="softmax", seed=0)
    net.to_c(path, bits=8)
    text = path.read_text()
    assert self_test(path) == (0, "")
    for table in re.finditer(r"static const (?:number|int\w+) (w_0_1|b_2|h_1)\S* = \{\s*(?:\{\s*)?(-?\d+)", text):
        other = str(int(table.group(2)) ^ 1)
        path.write_text(text[: table.start(2)] + other + text[table.end(2) :])
        code, output = self_test(path)
        assert code == 1
        assert "a number was changed" in output


@needs_gcc
def test_there_is_no_floating_point(tmp_path):
    net, _X = exchanged.draw(3)
    net.to_c(tmp_path / "net.c", bits=16)
    code = re.sub(r"/\*.*?\*/", "", (tmp_path / "net.c").read_text(), flags=re.S)
    assert not re.search(r"\b(float|double)\b|\d\.\d|math\.h", code)
    compile_c(tmp_path / "net.c", "-c", "-mgeneral-regs-only")


def test_compilers_of_small_processors(tmp_path):
    fastbp.Network((4, 8, 8, 3), output="softmax", dtype="float32", seed=0).to_c(tmp_path / "net.c", bits=8)
    flags = ["-std=c99", "-Os", "-Wall", "-Wextra", "-pedantic", "-Werror", "-mmcu=atmega2560", "-c"]
    compile_c(tmp_path / "net.c", compiler="avr-gcc", flags=flags)


def test_undefined_behaviour(tmp_path):
    options = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    for seed in range(4):
        net, _X = exchanged.draw(seed)
        for bits in (8, 16):
            net.to_c(tmp_path / "net.c", bits=bits)
            assert self_test(tmp_path / "net.c", *options, compiler="clang") == (0, "")


@both_sizes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_any_size(dtype, bits, tmp_path):
    """From the smallest to the largest numbers: a file whose bound holds, or a word about what is too large."""
    rng, n_written = np.random.default_rng(bits), 0
    exponents = np.arange(-320, 309, 30 if exchanged.NIGHTLY else 90)
    for exponent in exponents:
        for function in ("tanh", "relu", "leaky_relu", "softplus", "sin", "identity"):
            net = fastbp.Network((2, 3, 2), activation=function, output="identity", dtype=dtype, seed=1)
            with np.errstate(all="ignore"):
                params = (net.params * 10.0**exponent).astype(dtype)
            if not np.isfinite(params).all():
                continue
            params[rng.integers(params.size)] = 0.0
            net.params = params
            try:
                bound = net.to_c(tmp_path / "net.c", bits=bits)
            except ValueError as error:
                assert re.match("params must be so small that no sum exceeds 1.27e", str(error))
                assert exponent > 20
                continue
            fixed = fixed_point(net, bits, 1.0)
            q = as_numbers(rng.uniform(-1, 1, (50, 2)), fixed)
            off = np.abs(fixed.forward(q) * 2.0**-fixed.y_scale - exact(net, q * 2.0**-fixed.x_scale))
            assert (off <= bound * (1 + 1e-9)).all()
            n_written += 1
    assert n_written > 10


def test_what_is_refused(tmp_path):
    net = fastbp.Network((2, 3, 1), seed=0)
    for options, message in [
        ({"bits": 12}, "bits must be 8, 16 or None"),
        ({"bits": 8, "x_max": 0.0}, "x_max must be"),
        ({"bits": 8, "x_max": np.inf}, "x_max must be"),
        ({"x_max": 2.0}, "x_max is for whole numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            net.to_c(tmp_path / "net.c", **options)
    steps = fastbp.Network((2, 3, 1), activation="threshold", seed=0)
    with pytest.raises(ValueError, match="no form of activation 'threshold'"):
        steps.to_c(tmp_path / "net.c", bits=8)
    large = fastbp.Network((2, 3, 1), output="exp", seed=0)
    large.biases[1][:] = 800.0
    with pytest.raises(ValueError, match="sums of 'exp' must be bounded"):
        large.to_c(tmp_path / "net.c", bits=8)
    assert not list(tmp_path.iterdir())
