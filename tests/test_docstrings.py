"""The docstrings of what the reference documents pass numpydoc's validation, with the checks of pyproject.toml."""

import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference.md"
if not REFERENCE.exists():
    pytest.skip("an installed package has no documentation beside its tests", allow_module_level=True)
validate = pytest.importorskip("numpydoc.validate").validate

NAMES = re.findall(r"^   (fastbp(?:\.\w+)+)$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
TEMPLATE = (ROOT / "docs" / "_templates" / "autosummary" / "class.rst").read_text()
# Public by name, for other rooms of the package; the reference leaves them out.
HIDDEN = set(re.findall(r"\w+", TEMPLATE.partition(":exclude-members:")[2]))


def documented():
    """What has a docstring in the reference: modules, functions, classes and their methods."""
    for name in NAMES:
        yield name
        found = pkgutil.resolve_name(name)
        if inspect.isclass(found):
            own = [member for member, value in inspect.getmembers(found) if _is_ours(value) and member not in HIDDEN]
            yield from (f"{name}.{member}" for member in own if not member.startswith("_"))


def _is_ours(member):
    function = getattr(member, "fget", member)
    return inspect.isroutine(function) and (getattr(function, "__module__", None) or "").startswith("fastbp")


def faults(name):
    """The faults of a docstring; classes that only fastbp makes list attributes, not parameters."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]["checks"]
    found = pkgutil.resolve_name(name)
    excused = {"PR01"} if inspect.isclass(found) and "Attributes\n" in (found.__doc__ or "") else set()
    return [f"{code}: {what}" for code, what in validate(name)["errors"] if code not in {*settings, *excused}]


def test_the_reference_names_what_is_there():
    assert len(NAMES) > 40
    assert len(set(NAMES)) == len(NAMES)
    assert "fastbp.Network.fit" in set(documented())


@pytest.mark.parametrize("name", list(documented()))
def test_docstring(name):
    assert faults(name) == []


def _without_parameters(x):
    """Say nothing of its parameters."""


def test_a_fault_is_seen():
    assert any(fault.startswith("PR01") for fault in faults(f"{__name__}._without_parameters"))
