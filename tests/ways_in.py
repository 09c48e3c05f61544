"""All ways from Python into compiled code: which file takes which, and what stands before it."""

import ast
from pathlib import Path

import fastbp

PACKAGE = Path(fastbp.__file__).parent
KERNELS = PACKAGE / "kernels"
# Functions of the kernels' files that hand out compiled functions, or make ways into them.
MAKERS = {
    "forward_call",
    "forward_links_call",
    "learning_call",
    "register_run",
    "c_function",
    "unkept",
    "dh_of",
    "dh_of_scalar",
    "h_of",
    "h_of_scalar",
}


def is_entry(node):
    """Whether an expression is `entry`, or a call of it."""
    return getattr(node, "id", None) == "entry" or (isinstance(node, ast.Call) and is_entry(node.func))


def entries():
    """Return (module below `fastbp.kernels`, function) of all entries and makers, by the text of the files."""
    found = set()
    for path in KERNELS.rglob("*.py"):
        module = ".".join(path.relative_to(KERNELS).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (
                node.name in MAKERS or any(is_entry(decorator) for decorator in node.decorator_list)
            ):
                found.add((module, node.name))
            if isinstance(node, ast.Assign) and is_entry(node.value):
                found |= {(module, target.id) for target in node.targets if isinstance(target, ast.Name)}
    return found


def taken():
    """Return {module.function: files of the package, outside the kernels, that name it}."""
    ways, known = {}, entries()
    for path in PACKAGE.rglob("*.py"):
        if KERNELS in path.parents:
            continue
        tree, modules = ast.parse(path.read_text()), {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastbp.kernels"):
                stem = node.module.removeprefix("fastbp.kernels").lstrip(".")
                for alias in node.names:
                    modules[alias.asname or alias.name] = (stem, alias.name)
        for node in ast.walk(tree):
            way = None
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                package, module = modules.get(node.value.id, (None, None))
                way = (f"{package}.{module}".lstrip("."), node.attr) if module else None
            elif isinstance(node, ast.Name):
                way = modules.get(node.id)
            if way in known:
                ways.setdefault(".".join(way), set()).add(path.relative_to(PACKAGE).as_posix())
    return ways
