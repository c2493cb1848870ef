"""What a check has found, in words for a person, and how bad that is."""

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio

from engine.model.errors import GridwrightError, SettingsInvalid, Transient
from engine.model.text import clean_text

TEXT_MAX = 600
_LONG_SECONDS = 5.0
_ADVICE = re.compile(r"; (?=(?:check|allow|choose|set|store|use|who answered|the clock is) )")
"""How what to do begins in our errors; the exchange's own words have semicolons too."""


class Grade(StrEnum):
    """``WARNING`` keeps no engine from running; ``SKIPPED`` does not apply here, or could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``advice`` is what to do, empty where the grade is ok."""

    check: str
    grade: Grade
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is as it should be."""
    return _finding(check, Grade.OK, found, "")


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, and somebody should look at it."""
    return _finding(check, Grade.WARNING, found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """An engine cannot run so, or must not."""
    return _finding(check, Grade.FAIL, found, advice)


def skipped(check: str, found: str, advice: str) -> Finding:
    """Nothing was looked at, and why."""
    return _finding(check, Grade.SKIPPED, found, advice)


def failed(check: str, error: GridwrightError, advice: str) -> list[Finding]:
    """A finding for each problem of an error; where it says what to do itself, that is the advice, else ``advice``."""
    problems = error.problems if isinstance(error, SettingsInvalid) else (str(error),)
    if isinstance(error, Transient) and error.retry_after_seconds >= _LONG_SECONDS:
        advice = f"wait {math.ceil(error.retry_after_seconds)} s, then look again"
    findings = []
    for problem in problems:
        found, *own = _ADVICE.split(problem, maxsplit=1)
        findings.append(fail(check, found, own[0] if own else advice))
    return findings


async def bounded(
    check: str, seconds: float, look: Callable[[], Awaitable[Sequence[Finding]]], *, advice: str
) -> list[Finding]:
    """What a check finds; whatever goes wrong in it is a finding of its own, and hides no other check."""
    try:
        with anyio.fail_after(seconds):
            return list(await look())
    except TimeoutError:
        return [fail(check, f"expected an answer within {seconds:g} s, found none", advice)]
    except GridwrightError as error:
        return failed(check, error, advice)
    except Exception as error:  # noqa: BLE001 - a check that breaks must not hide the others
        return [fail(check, f"the check broke: {type(error).__name__}", f"{advice}; tell the authors of this program")]


def _finding(check: str, grade: Grade, found: str, advice: str) -> Finding:
    return Finding(check=check, grade=grade, found=clean_text(found, TEXT_MAX), advice=clean_text(advice, TEXT_MAX))
