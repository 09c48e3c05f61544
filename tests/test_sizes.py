"""What stays small: files, functions, and what a kernel is called with."""

import ast
from pathlib import Path

import fastbp

PACKAGE = Path(fastbp.__file__).parent
PATHS = sorted(PACKAGE.rglob("*.py"))
MOST_LINES, MOST_OF_FUNCTION, MOST_ARGUMENTS = 400, 40, 8

# What is still larger, and how large it may be at most; whoever makes it small takes it out of here.
LARGER_FILES = {"exporting/c_functions.py": 520}


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def functions(source):
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_of(function):
    """Return the lines of a function's body, its docstring and the functions within it left out.

    Signatures are interfaces: that of `fit` has an argument in each of its 25 lines.
    """
    inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function]
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        inner.append(first)
    n = function.end_lineno - first.lineno + 1
    return n - sum(node.end_lineno - node.lineno + 1 for node in inner)


def is_kernel(function):
    names = {
        node.id for decorator in function.decorator_list for node in ast.walk(decorator) if isinstance(node, ast.Name)
    }
    return bool(names & {"kernel", "entry"})


def n_arguments(function):
    arguments = function.args
    return len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)


def long_functions(source):
    return [f"{f.name}: {lines_of(f)} lines" for f in functions(source) if lines_of(f) > MOST_OF_FUNCTION]


def wide_kernels(source):
    return [
        f"{f.name}: {n_arguments(f)}" for f in functions(source) if is_kernel(f) and n_arguments(f) > MOST_ARGUMENTS
    ]


def test_files():
    assert len(PATHS) > 200
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in PATHS}
    assert {name for name, length in lengths.items() if length > MOST_LINES} == set(LARGER_FILES)
    assert all(lengths[name] <= most for name, most in LARGER_FILES.items())


def test_functions():
    found = {name_of(path): long for path in PATHS if (long := long_functions(path.read_text()))}
    assert found == {}


def test_arguments_of_kernels():
    kernels = [path for path in PATHS if name_of(path).startswith("kernels/")]
    assert sum(is_kernel(f) for path in kernels for f in functions(path.read_text())) > 300
    found = {name_of(path): wide for path in kernels if (wide := wide_kernels(path.read_text()))}
    assert found == {}


def test_what_is_too_large_would_be_found():
    body = "    x = 1\n" * 40
    assert long_functions(f"def f(\n    a,\n    b,\n):\n{body}") == []
    assert long_functions(f'def f():\n    """Doc."""\n{body}    x = 2\n') == ["f: 41 lines"]
    wide = "@kernel\ndef f(a, b, c, d, e, f, g, h, i): pass\n@entry(key='x')\ndef g(a): pass\n"
    assert wide_kernels(wide) == ["f: 9"]
