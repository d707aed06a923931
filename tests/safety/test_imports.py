"""Who may import what, proved by importing every module in an interpreter of its own."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import stablenew

HEAVY = ("torch", "diffusers", "transformers", "numpy", "scipy", "tkinter", "duckdb")
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(stablenew.__path__, "stablenew.") if "__main__" not in module.name
)
NEEDS_PYTEST = {"stablenew.testing.backend_contract"}


def loaded_by(*arguments: str) -> set[str]:
    """The top-level packages in sys.modules after `python -c` with these arguments."""
    code = "import sys; {}; print('\\n'.join(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", code.format("; ".join(arguments))], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def modules_of(*layers: str) -> list[str]:
    return [name for name in MODULES if name.split(".")[1] in layers and name not in NEEDS_PYTEST]


ENTRY_MODULES = {point.module for point in entry_points(group="stablenew.backends")}
"""What a plug-in is opened by: imported as soon as it is named, so it must be light as everything else."""


def may_load(module: str) -> set[str]:
    """The heavy libraries that `module` may bring in by being imported: its own layer's, and no others."""
    if module.startswith("stablenew.gui"):
        return {"tkinter"}
    if module.startswith("stablenew.learning.engine."):
        return {"numpy", "scipy"}
    if module.startswith("stablenew.backends.") and module not in ENTRY_MODULES:
        return {"torch", "diffusers", "transformers", "numpy", "scipy"}
    return set()


TELLING = {"torch", "tkinter", "numpy"}
"""Which of the heavy libraries a module may load tells its group."""

PROBE = """
import importlib, json, sys
for name, banned in json.loads(sys.stdin.read()):
    importlib.import_module(name)
    found = sorted({loaded.partition(".")[0] for loaded in sys.modules} & set(banned))
    if found:
        sys.exit(f"{name} brings in {', '.join(found)}")
"""


@pytest.mark.parametrize(
    "allowed",
    [set(), {"numpy"}, {"torch", "numpy"}, {"tkinter"}],
    ids=["plain", "engine", "backends", "window"],
)
def test_a_module_brings_in_only_the_heavy_libraries_of_its_layer(allowed: set[str]) -> None:
    """Only backends import torch, only the engine numpy and scipy besides, only the window tkinter.

    The modules that open a backend import none of them.

    Modules with the same licence are imported one after another in one fresh interpreter: the first that goes beyond
    it is named.
    """
    names = [name for name in MODULES if name not in NEEDS_PYTEST and may_load(name) & TELLING == allowed]
    plan = [(name, sorted(set(HEAVY) - may_load(name))) for name in names]
    done = subprocess.run([sys.executable, "-c", PROBE], input=json.dumps(plan), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_prompts_learning_and_pipeline_never_import_the_window() -> None:
    """All their modules together bring in neither stablenew.gui nor tkinter."""
    names = modules_of("prompts", "learning", "pipeline")
    assert names
    code = "; ".join(f"import {name}" for name in names)
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.startswith(("stablenew.gui", "tkinter"))]


def test_only_backends_import_an_http_client() -> None:
    """Everything below the controller but the backends works without httpx."""
    names = [*modules_of("prompts", "learning"), "stablenew.config", "stablenew.variant", "stablenew.errors"]
    assert "httpx" not in loaded_by(*(f"import {name}" for name in names))


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"], ["records", "--help"]])
def test_asking_for_help_or_the_version_loads_nothing_heavy(arguments: list[str]) -> None:
    """`stablenew --version` and `--help` answer without torch, a window toolkit or numpy."""
    code = (
        "import sys, contextlib, stablenew.cli\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    stablenew.cli.main({arguments!r})\n"
        "print('LOADED', *sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert loaded & {*HEAVY, "PIL", "httpx"} == set()
