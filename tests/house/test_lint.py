"""Form: ruff's rules (pyproject.toml says which and why) and ruff's layout."""

import subprocess
import sys

import pytest

from tests.house.sources import TOP

PLANTED = '''"""A module."""

import asyncio
import random
import threading
from datetime import datetime


def decide(loud: bool) -> None:
    """Decide nothing."""
    threading.Lock()
    asyncio.create_task(None)
    datetime.now()
    random.random()
    try:
        print(loud)
    except Exception:
        pass
'''


def ruff(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Ruff on the project, or on the text given."""
    command = [sys.executable, "-m", "ruff", *arguments]
    return subprocess.run(command, cwd=TOP, input=stdin, capture_output=True, text=True, check=False)


def test_ruff_finds_nothing() -> None:
    """Ruff's own lines name file, line, rule and advice."""
    ran = ruff("check", "--output-format", "concise", ".")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_file_is_laid_out_by_ruff() -> None:
    """`ruff format` mends it."""
    ran = ruff("format", "--check", ".")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "offence",
    [
        "11:5: TID251 `threading.Lock` is banned: Locks are made in engine/runtime/locks.py alone",
        "12:5: TID251 `asyncio.create_task` is banned: Every task is in a task group",
        "13:5: TID251 `datetime.datetime.now` is banned: Time is an argument",
        "14:5: TID251 `random.random` is banned: Dice are an argument",
        "9:12: FBT001",
        "13:5: DTZ005",
        "16:9: T201",
        "17:12: BLE001",
    ],
)
def test_ruff_names_a_planted_offence_with_advice(offence: str) -> None:
    """The configuration in force is the one in pyproject.toml."""
    ran = ruff(
        "check",
        "--output-format",
        "concise",
        "--stdin-filename",
        "engine/core/planted.py",
        "-",
        stdin=PLANTED,
    )
    assert f"engine/core/planted.py:{offence}" in ran.stdout


def test_ruff_refuses_a_planted_layout() -> None:
    """A line that `ruff format` would write otherwise is refused."""
    ran = ruff("format", "--check", "--stdin-filename", "engine/core/planted.py", "-", stdin="x = { 1 }\n")
    assert ran.returncode == 1
