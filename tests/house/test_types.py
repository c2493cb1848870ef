"""Types: mypy strict on everything, with matches that must name every case."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import TOP, tracked_paths

pytestmark = pytest.mark.xdist_group("mypy")

PLANTED = '''"""A module."""

from engine.model.slot import Empty, SlotState


def name_of(state: SlotState) -> str:
    """The name of a state."""
    match state:
        case Empty():
            return "empty"
    return 3


def untyped(value):
    """Says nothing about its types."""
    return value
'''


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Mypy with the project's settings, from the top of the tree."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *arguments]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)


def test_mypy_finds_nothing() -> None:
    """Mypy's own lines name file, line and rule."""
    parts = ("benchmarks", "engine", "tests", "tui")
    folders = sorted({path.split("/")[0] for path in tracked_paths() if path.endswith(".py")} & set(parts))
    ran = mypy(*folders)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_mypy_names_a_planted_unnamed_case_and_a_missing_type(tmp_path: Path) -> None:
    """The configuration in force is the one in pyproject.toml."""
    planted = tmp_path / "planted.py"
    planted.write_text(PLANTED, encoding="utf-8")
    found = mypy(str(planted)).stdout
    assert "planted.py:8: error: Match statement has unhandled case" in found
    assert "planted.py:11: error: Incompatible return value type" in found
    assert "planted.py:14: error: Function is missing a type annotation" in found
