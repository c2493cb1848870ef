"""Directions: the import contracts of pyproject.toml, which say who may know whom, and why."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.sources import TOP, Source, offences, python_sources, report

PARTS = (
    "api",
    "cli",
    "core",
    "exchange",
    "lab",
    "model",
    "remote",
    "runtime",
    "settings",
    "status",
    "status_sense",
    "version",
)
BROKEN_BY = {
    "engine/model/planted.py": ("import engine.runtime", ["model"]),
    "engine/core/planted.py": ("import engine.settings\nimport random", ["core", "core-is-pure"]),
    "engine/exchange/planted.py": ("import engine.core\nimport ccxt", ["ccxt", "exchange"]),
    "engine/exchange/ccxt_exchange.py": ("import ccxt", []),
    "engine/runtime/planted.py": ("import engine.api", ["runtime"]),
    "engine/lab/planted.py": ("import engine.api", ["runtime"]),
    "engine/remote/planted.py": ("import textual", ["headless", "runtime"]),
    "engine/cli/planted.py": ("import engine.core", ["cli"]),
    "engine/status/planted.py": ("import engine.exchange", ["settings"]),
    "tui/planted.py": ("import engine.core", ["tui"]),
    "tui/allowed.py": ("import engine.api, engine.cli, engine.settings, engine.model.slot", []),
}
"""What is planted, and the contracts that it breaks."""


def lint_imports(top: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of our pyproject.toml, held against the tree at ``top``."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    return subprocess.run(
        [*command, "--config", str(TOP / "pyproject.toml")],
        cwd=top,
        env={**os.environ, "PYTHONPATH": str(top), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def contracts() -> list[dict[str, Any]]:
    """The contracts as they are written in pyproject.toml."""
    with (TOP / "pyproject.toml").open("rb") as file:
        tools = tomllib.load(file)["tool"]
    return list(tools["importlinter"]["contracts"])


def foreign_imports(source: Source) -> Iterator[str]:
    """Imports of anything but the standard library and the model itself."""
    for node in ast.walk(source.tree()):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module)):
                modules = [module]
            case _:  # every other kind of node imports nothing
                continue
        for module in modules:
            if module.split(".")[0] not in sys.stdlib_module_names and not module.startswith("engine.model"):
                yield f"{source.path}:{node.lineno}: model imports {module}, at most the standard library"


def test_every_import_goes_the_allowed_way() -> None:
    """The report names each chain with file and line."""
    ran = lint_imports(TOP)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_model_imports_the_standard_library_only() -> None:
    """Whatever is installed."""
    found = offences(foreign_imports, python_sources("engine/model"))
    assert not found, report(found)


@pytest.mark.parametrize("planted", BROKEN_BY)
def test_a_planted_import_breaks_the_contracts_made_against_it(planted: str, tmp_path: Path) -> None:
    """And no other; imports that are allowed break none."""
    text, broken = BROKEN_BY[planted]
    for path in ("engine", "tui", *(f"engine/{part}" for part in PARTS), "engine/model/slot"):
        (tmp_path / path).mkdir()
        (tmp_path / path / "__init__.py").touch()
    (tmp_path / planted).write_text(text, encoding="utf-8")
    ran = lint_imports(tmp_path)
    names = [contract["name"] for contract in contracts() if contract["id"] in broken]
    assert re.findall(r"^(.+) BROKEN", ran.stdout, re.MULTILINE) == names, ran.stdout + ran.stderr


def test_every_contract_is_proven_by_a_planted_import() -> None:
    """A new contract brings its own."""
    proven = {contract for _, broken in BROKEN_BY.values() for contract in broken}
    assert proven == {contract["id"] for contract in contracts()}


def test_every_folder_of_the_engine_stands_under_a_contract() -> None:
    """A new folder is put under one."""
    folders = {source.path.split("/")[1] for source in python_sources("engine") if source.path.count("/") > 1}
    bound = {name for contract in contracts() for name in contract["source_modules"]}
    assert sorted({f"engine.{folder}" for folder in folders} - bound) == []


def test_a_planted_package_in_the_model_is_named() -> None:
    """One that no contract lists."""
    text = "import decimal\nimport polars\nfrom engine.model.slot import Slot\nfrom engine.core import slots\n"
    assert offences(foreign_imports, [Source("engine/model/planted.py", text)]) == [
        "engine/model/planted.py:2: model imports polars, at most the standard library",
        "engine/model/planted.py:4: model imports engine.core, at most the standard library",
    ]
