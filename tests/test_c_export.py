"""`to_c`: the file compiles without a warning, computes what the network computes, and sees its own damage."""

import re
import shutil
import subprocess

import exchanged
import numpy as np
import pytest
from c_compilers import STRICT, Library, compile_c, self_test
from cases import COMPILED

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.exporting.c_functions import FUNCTIONS
from fastbp.exporting.c_names import is_reserved
from fastbp.exporting.c_tables import MULTIPLIER, checksum

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
both_formats = pytest.mark.parametrize("dtype", ["float32", "float64"])

# What a machine may have: 32 bits (registers of the x87 hold more digits), a checker of undefined behaviour, Arm.
WAYS = {
    "gcc": ("gcc", []),
    "gcc -O3": ("gcc", ["-O3", "-march=native"]),
    "gcc -m32": ("gcc", ["-m32"]),
    "clang": ("clang", []),
    "clang -fsanitize": ("clang", ["-fsanitize=undefined,float-divide-by-zero", "-fno-sanitize-recover=all"]),
    "clang -m32": ("clang", ["-m32"]),
}


def needs(compiler, options):
    """Skip where a compiler, or its libraries for 32 bits, are missing."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    if options:
        source = "#include <math.h>\n#include <stdio.h>\nint main(void) { return 0; }\n"
        command = [compiler, *options, "-x", "c", "-", "-o", "/dev/null", "-lm"]
        if subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode:
            pytest.skip(f"no {compiler} {' '.join(options)}")


def every_function(dtype):
    """Return a network with a layer of each function, softmax at the end, and biases."""
    names = sorted(FUNCTIONS - {"softmax", "threshold", "exp"})
    sizes = [5] + [7 + 4 * (k % 4) for k in range(len(names))] + [3]
    net = fastbp.Network(sizes, activation=names, output="softmax", skip=[(0, 5), (3, 8)], dtype=dtype, seed=2)
    net.params += np.random.default_rng(0).normal(scale=0.1, size=net.n_params).astype(dtype)
    return net


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_outputs_and_derivatives_are_those_of_the_network(seed, tmp_path):
    net, X = exchanged.draw(seed)
    net.to_c(tmp_path / "net.c")
    library = Library(tmp_path / "net.c", net.dtype)
    exchanged.assert_same(library.forward(X, net.n_outputs), net, X)
    V = np.random.default_rng(seed).normal(size=(len(X), net.n_outputs)).astype(net.dtype)
    right = net.astype("float64").input_gradient(X, V) if net.dtype == "float32" else net.input_gradient(X, V)
    found = library.input_gradient(X, V)
    # Derivatives through softmax cancel: what rounding costs the network's own is allowed.
    own = exchanged.ulps(net.input_gradient(X, V), right, net.dtype) if net.dtype == "float32" else 0.0
    assert exchanged.ulps(found, right, net.dtype) <= max(16.0, 4.0 * own)


@both_formats
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_over_its_whole_range(name, dtype, tmp_path):
    """One unit that passes its input on: h and h' of numbers of all sizes, infinity's neighbours and NaN."""
    if name == "softmax":
        net = fastbp.Network((1, 2), output=name, bias=False, dtype=dtype)
        net.params = [1.0, 0.0]
    else:
        net = fastbp.Network((1, 1), output=name, bias=False, dtype=dtype)
        net.params = [1.0]
    net.to_c(tmp_path / "net.c")
    sizes = np.concatenate([np.geomspace(1e-30, 3e4, 60), np.linspace(0, 110, 300), [0.0]])
    if name == "exp":
        sizes = sizes[sizes < 80]
    X = np.concatenate([-sizes, sizes]).astype(dtype).reshape(-1, 1)
    library = Library(tmp_path / "net.c", net.dtype)
    Y, expected = library.forward(X, net.n_outputs), net.forward(X)
    floor = (
        1.0 if name == "sin" else np.finfo(dtype).tiny * (1e4 if name in ("silu", "gelu", "mish") else 1)
    )  # subnormal factors
    units = np.spacing(np.maximum(np.abs(expected), np.array(floor, dtype)))
    # Two functions of 20 ulp each may differ by more than either; the others are the kernels' own to a few.
    assert (np.abs(Y - expected) / units).max() <= (24 if name == "gelu" else 8)
    assert np.array_equal(np.signbit(Y), np.signbit(expected))
    assert np.isnan(library.forward(np.array([[np.nan]], dtype), net.n_outputs)).all() or name == "threshold"
    if name != "threshold":
        V = np.ones((len(X), net.n_outputs), dtype)
        V[:, 1:] = -2
        slopes, expected = library.input_gradient(X, V), net.input_gradient(X, V)
        scale = np.maximum(np.abs(expected), 1 if name != "exp" else 0)
        assert (np.abs(slopes - expected) <= 24 * np.spacing(scale)).all()


@both_formats
def test_threshold_and_functions_that_end_at_the_largest_numbers(dtype, tmp_path):
    net = fastbp.Network((2, 3, 2), activation="threshold", output="exp", dtype=dtype, seed=0)
    net.weights[1][:] = 1000.0
    net.to_c(tmp_path / "net.c")
    library = Library(tmp_path / "net.c", net.dtype)
    assert not hasattr(library.library, "net_input_gradient")
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(dtype)
    with pytest.warns(RuntimeWarning, match="not finite"):
        expected = net.forward(X)
    Y = library.forward(X, 2)
    assert np.array_equal(np.isinf(Y), np.isinf(expected))
    assert np.isinf(Y).any()
    assert self_test(tmp_path / "net.c")[0] == 0


def test_networks_with_hardly_anything_in_them(tmp_path):
    """Without a connection that a derivative goes along; narrower than what a function takes at a time."""
    gelu = dict.fromkeys(range(1, 9), "gelu")
    edges = [(0, 1), (1, 8), *((0, k) for k in range(2, 8))]
    for net in (
        fastbp.Network.from_edges(2, 1, np.empty((0, 2), int)),
        fastbp.Network.from_edges(1, 1, edges, activation=gelu, n_units=9),
    ):
        for dtype in ("float32", "float64"):
            net.astype(dtype).to_c(tmp_path / "net.c")
            assert self_test(tmp_path / "net.c") == (0, "")


def test_inputs_and_outputs_may_share_memory(tmp_path):
    net = fastbp.Network((3, 9, 3), seed=0)
    net.to_c(tmp_path / "net.c")
    library = Library(tmp_path / "net.c", net.dtype)
    x = np.array([0.5, -1.0, 2.0])
    expected = library.forward(x[None], 3)[0]
    library.call("net", x, x)
    assert np.array_equal(x, expected)


# ---------------------------------------------------------------- compilers


@both_formats
@pytest.mark.parametrize("way", WAYS)
def test_compilers(way, dtype, tmp_path):
    compiler, options = WAYS[way]
    needs(compiler, options)
    every_function(dtype).to_c(tmp_path / "every.c", name="every")
    assert self_test(tmp_path / "every.c", *options, name="every", compiler=compiler) == (0, "")
    net, _X = exchanged.draw(3)
    net.astype(dtype).to_c(tmp_path / "net.c")
    assert self_test(tmp_path / "net.c", *options, compiler=compiler) == (0, "")


def test_arm(tmp_path):
    """A cross-compiler; the self-test runs where the processor is emulated."""
    compiler, emulator = "arm-linux-gnueabihf-gcc", "qemu-arm"
    for dtype in ("float32", "float64"):
        every_function(dtype).to_c(tmp_path / "net.c")
        program = compile_c(tmp_path / "net.c", "-DNET_TEST", "-static", compiler=compiler)
        if shutil.which(emulator):
            assert subprocess.run([emulator, program], check=False).returncode == 0


def test_avr(tmp_path):
    """8 bits, 16 of an int, and float for double: float32 compiles, and float64 is refused by name."""
    if not shutil.which("avr-gcc"):
        pytest.skip("no avr-gcc")
    fastbp.Network((4, 8, 2), output="logistic", dtype="float32", seed=0).to_c(tmp_path / "net.c")
    flags = [*STRICT, "-mmcu=atmega2560", "-c"]
    compile_c(tmp_path / "net.c", compiler="avr-gcc", flags=flags)
    fastbp.Network((4, 8, 2), seed=0).to_c(tmp_path / "net.c")
    with pytest.raises(AssertionError, match="double must be the IEEE 754 format of 64 bits"):
        compile_c(tmp_path / "net.c", compiler="avr-gcc", flags=flags)


def test_a_file_allocates_nothing_and_writes_no_global(tmp_path):
    net, _X = exchanged.draw(2)
    net.to_c(tmp_path / "net.c")
    objects = compile_c(tmp_path / "net.c", "-c")
    symbols = subprocess.run(["nm", str(objects)], capture_output=True, text=True, check=True).stdout
    kinds = {line.split()[-2]: line.split()[-1] for line in symbols.splitlines()}
    assert not set(kinds) & set("DdBbCc"), "data that can be written"
    undefined = {line.split()[-1] for line in symbols.splitlines() if " U " in line}
    assert undefined <= {"memcpy", "memset", "sinf", "sin", "cosf", "cos", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}


# ---------------------------------------------------------------- the self-test


def changed_weights(text):
    """Yield the file with one weight of each table changed to the next number: another last digit may be the same."""
    for table in re.finditer(r"static const real ([wbv]_\w+)\S* = \{(.*?)\n\};", text, re.DOTALL):
        number = re.search(r"-?\d+\.\d+", table.group(2))
        digits, at = number.group(), table.start(2) + number.start()
        kind = np.float32 if text[at + len(digits)] == "f" or "f," in table.group(2) else np.float64
        other = str(np.nextafter(kind(digits), kind(np.inf)))
        yield table.group(1), text[:at] + other + text[at + len(digits) :]


@both_formats
def test_one_weight_changed_in_the_file_fails_the_self_test(dtype, tmp_path):
    path = tmp_path / "net.c"
    net, _X = exchanged.draw(3)
    net = net.astype(dtype)
    net.to_c(path)
    text, n_changed = path.read_text(), 0
    assert self_test(path) == (0, "")
    for name, other in list(changed_weights(text))[: 40 if exchanged.NIGHTLY else 4]:
        path.write_text(other)
        code, output = self_test(path)
        assert code == 1, name
        assert "a weight was changed" in output
        n_changed += 1
    assert n_changed >= 2


def test_one_place_of_a_link_changed_fails_the_self_test(tmp_path):
    """Also where the weight is so small that no sample shows it; and a number of a sample, in its last digit."""
    path, edges = tmp_path / "net.c", [(0, 3), (1, 3), (2, 4), (0, 4), (3, 5), (4, 5)]
    net = fastbp.Network.from_edges(3, 1, edges, seed=0)
    net.edge_weights = [1e-30] * 4 + [1.0, 1.0]
    net.to_c(path)
    text = path.read_text()
    assert self_test(path) == (0, "")
    tables = re.findall(
        r"static const (?:unsigned char (?:from|start)_\d+|real test_\w+)\S* = \{[^;]*?\d+[,.\d]*", text
    )
    assert len(tables) >= 6
    for table in tables:
        other = table[:-1] + ("1" if table[-1] != "1" else "2") if table[-1].isdigit() else table[:-2] + "1,"
        if other == table:
            other = table[:-2] + "2,"
        path.write_text(text.replace(table, other))
        assert self_test(path, flags=["-std=c99"])[0] == 1, table


def test_a_wrong_formula_fails_the_samples(tmp_path):
    path = tmp_path / "net.c"
    fastbp.Network((3, 8, 2), output="logistic", seed=0).to_c(path)
    text = path.read_text()
    for right, wrong, what in [
        ("h_tanh(8, z + 3);", ";", "output"),
        ("R(1.0) - z[j] * z[j]", "R(1.0) + z[j] * z[j]", "derivative"),
    ]:
        assert right in text
        path.write_text(text.replace(right, wrong))
        code, output = self_test(path, flags=["-std=c99"])
        assert code == 1
        assert what in output


def test_the_checksum_sees_each_bit():
    draw = np.random.default_rng(0)
    numbers = [draw.normal(size=(7, 3)).astype(np.float32), draw.normal(size=5).astype(np.float32)]
    h = 0
    for word in np.concatenate([n.ravel() for n in numbers]).view(np.uint32).tolist():
        h = (h * MULTIPLIER + word) % 2**32
    assert checksum(numbers) == h
    words = numbers[1].view(np.uint32)
    for bit in range(32):
        words[3] ^= np.uint32(1 << bit)
        assert checksum(numbers) != h
        words[3] ^= np.uint32(1 << bit)


def test_samples_of_networks_whose_outputs_overflow(tmp_path):
    net = fastbp.Network((2, 3), output="exp", bias=False)
    net.params = np.full(6, 1e5)
    net.to_c(tmp_path / "net.c")
    assert self_test(tmp_path / "net.c") == (0, "")
    net = fastbp.Network((2, 3), output="exp")
    net.biases[0][:] = 1e5
    with pytest.raises(ValueError, match="finite outputs"):
        net.to_c(tmp_path / "other.c")
    assert not (tmp_path / "other.c").exists()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1net",
        "a-b",
        "int",
        "exp",
        "tanhf",
        "sinf32",
        "atan2f64x",
        "expf128",
        "cospif16",
        "f32addf64",
        "strtof128",
        "forward",
        "z",
        "h_tanh",
        "w_0_1",
        "N_UNITS",
        "R",
        "é",
        "a" * 60,
        "NAN",
        "isnan",
        "stdout",
        "EOF",
        "EDOM",
        "uint32_t",
        "FLT_MAX",
        "memcpy",
        "printf",
        "time",
        "nullptr",
        "linux",
    ],
)
def test_names_that_c_does_not_allow(name, tmp_path):
    with pytest.raises(ValueError, match="name must"):
        fastbp.Network((1, 2, 1)).to_c(tmp_path / "net.c", name=name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("standard", ["c99", "gnu17"])
def test_no_name_of_the_library_is_taken_for_the_function(standard):
    """All identifiers that the file's headers bring, as this compiler has them, but those that no name may begin as."""
    headers = "".join(f"#include <{name}.h>\n" for name in ("float", "math", "stdint", "string", "stdio"))
    command = ["gcc", f"-std={standard}", "-E", "-x", "c", "-"]
    declared = subprocess.run(command, input=headers, text=True, capture_output=True, check=True).stdout
    macros = subprocess.run([*command, "-dM"], input=headers, text=True, capture_output=True, check=True).stdout
    code = re.sub(r"^#.*$|\{[^{}]*\}|\([^()]*\)", "", declared, flags=re.M)  # without members and parameters
    names = {*re.findall(r"\b[A-Za-z]\w*", code), *re.findall(r"^#define ([A-Za-z]\w*)", macros, flags=re.M)}
    assert len(names) > 300
    assert {name for name in names if not is_reserved(name)} <= {"packed", "extension", "restrict"}


def test_names_that_sound_like_the_library_are_allowed(tmp_path):
    for name in ("strain", "stress", "torque", "issue", "memory", "total", "model", "net", "Plants", "e1", "logit"):
        fastbp.Network((1, 2, 1), seed=0).to_c(tmp_path / "net.c", name=name)
        assert self_test(tmp_path / "net.c", name=name) == (0, "")


def test_other_mistakes(tmp_path):
    net = fastbp.Network((1, 2, 1))
    with pytest.raises(TypeError, match="name must be a string"):
        net.to_c(tmp_path / "net.c", name=3)
    with pytest.raises(OSError, match="path cannot be written"):
        net.to_c(tmp_path / "no" / "net.c")
    with pytest.raises(TypeError, match="path must be"):
        net.to_c(3)
    net.params[1] = np.nan
    with pytest.raises(ValueError, match=r"params\[1\] is nan"):
        net.to_c(tmp_path / "net.c")
    own = fastbp.Activation("own", lambda a: a, lambda a: 1.0)
    with pytest.raises(ValueError, match="no form of activation 'own', which layer 1 has"):
        fastbp.Network((1, 2, 1), activation=own).to_c(tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


def test_every_activation_has_a_form():
    assert set(ACTIVATIONS) | {"softmax"} == FUNCTIONS


@pytest.mark.skipif(not COMPILED, reason="files are the same")
def test_the_same_network_gives_the_same_file(tmp_path):
    net, _X = exchanged.draw(5)
    net.to_c(tmp_path / "a.c")
    net.to_c(tmp_path / "b.c")
    assert (tmp_path / "a.c").read_bytes() == (tmp_path / "b.c").read_bytes()
