"""The house: no import circle among modules, late imports and those for types included; each room says what it is.

Which room may import from which is a contract of `lint-imports`, see pyproject.toml.
"""

import ast
import itertools
import re
import tomllib
from pathlib import Path

import pytest

import fastbp

PACKAGE = Path(fastbp.__file__).parent


def module_of(path, package):
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def absolute(node, module, is_package):
    """Return the module that an import statement names, relative to where it stands if it has dots."""
    if not node.level:
        return node.module
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(package):
    """Return {module: modules of the package that it imports, anywhere in its text}."""
    paths = {module_of(path, package): path for path in package.rglob("*.py")}
    found = {}
    for module, path in paths.items():
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                source = absolute(node, module, path.name == "__init__.py")
                whole = [f"{source}.{alias.name}" for alias in node.names]
                names |= {name if name in paths else source for name in whole}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        found[module] = (names & set(paths)) - {module}
    return found


def circle_in(graph):
    """Return modules of which each imports the next, and the last one the first; or []."""
    left = {module: set(targets) for module, targets in graph.items()}
    while leaves := [module for module, targets in left.items() if not targets & set(left)]:
        for module in leaves:
            del left[module]
    if not left:
        return []
    way = [next(iter(left))]
    while way.count(way[-1]) == 1:
        way.append(next(iter(left[way[-1]] & set(left))))
    return way[way.index(way[-1]) : -1]


def test_no_circle():
    graph = imports(PACKAGE)
    assert len(graph) > 200
    assert circle_in(graph) == []


def test_a_circle_would_be_found(tmp_path):
    package = tmp_path / "house"
    package.mkdir()
    texts = {
        "__init__": "from house import a\n",
        "a": "def f():\n    from house.b import c\n",
        "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.d\n",
        "d": "from . import a\n",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    assert sorted(circle_in(imports(package))) == ["house.a", "house.b", "house.d"]


def test_each_room_says_what_is_in_it():
    rooms = sorted(PACKAGE.rglob("__init__.py"))
    assert len(rooms) > 15
    assert [str(path) for path in rooms if not ast.get_docstring(ast.parse(path.read_text()))] == []


ROOT = Path(__file__).parents[1]


def floors():
    """Return {room: floor, from the top} by the contracts in pyproject.toml, the kernels' rooms below all others."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {contract["containers"][0]: contract["layers"] for contract in contracts if contract["type"] == "layers"}
    names = [
        *layers["fastbp"],
        *(" | ".join(f"kernels/{room}" for room in layer.split(" | ")) for layer in layers["fastbp.kernels"]),
    ]
    return {room: floor for floor, layer in enumerate(names) for room in layer.split(" | ")}


def drawing():
    """Return the rooms of each box in docs/architecture.md, and the arrows between boxes."""
    text = (ROOT / "docs" / "architecture.md").read_text().split("```mermaid\n")[1].split("```")[0]
    boxes = {}
    for box, label in re.findall(r'^ +(\w+)\["(.*?)<br/>', text, re.M):
        folder = "kernels/" if label.startswith("kernels/") else ""
        boxes[box] = [folder + room.removesuffix(".py") for room in label.removeprefix("kernels/").split(" · ")]
    chains = [line.split(" --> ") for line in map(str.strip, text.splitlines()) if " --> " in line]
    return boxes, [pair for chain in chains for pair in itertools.pairwise(chain)]


@pytest.mark.skipif(not (ROOT / "docs").exists(), reason="an installed package has no docs beside its tests")
def test_the_drawing_of_the_rooms_is_that_of_the_contracts():
    boxes, arrows = drawing()
    floor_of = floors()
    drawn = {room for rooms in boxes.values() for room in rooms}
    small = {"__main__", "warm", "checking", "versions", "io", "kernels", "checks", "other_names", "memory", "version"}
    assert drawn == set(floor_of) - small
    assert len(arrows) > 15
    for above, below in arrows:
        for room in boxes[above]:
            assert all(floor_of[room] < floor_of[other] for other in boxes[below]), f"{above} --> {below}"


def test_no_module_is_imported_by_a_text_but_those_that_are_loaded_when_asked_for():
    """What contracts and the search for circles would not see."""
    texts = {path.relative_to(PACKAGE): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    by_text = {str(path) for path, text in texts.items() if re.search(r"import_module\(f?['\"]fastbp|__import__", text)}
    assert by_text == {"__init__.py", "exchange/__init__.py"}


def test_private_names_of_scikit_learn_stand_in_one_file():
    """Modules, functions and methods that begin with an underscore, and what its base class calls so."""
    pattern = re.compile(
        r"sklearn[\w.]*\._|from sklearn[\w.]* import (?:\w+, )*_|\b_validate_params|\b_parameter_constraints"
    )
    found = {path.name for path in PACKAGE.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))}
    assert found == {"compat.py"}
