"""``gridwright doctor``: everything that an engine needs is looked at, and what is wrong is told with what to do.

Nothing is traded and nothing is changed. stdout has one line for each finding, or a list of objects.
"""

import json
from argparse import Namespace
from functools import partial

import anyio

from engine.cli.output import DONE, FAILED, WRONG_USE, narrate, put
from engine.model.errors import SettingsInvalid
from engine.model.snapshot import Mode
from engine.runtime.doctor.finding import Finding, Grade, fail, ok
from engine.settings import Settings, find_config, load_settings

_CHECK_WIDTH = 17
_GRADE_WIDTH = 7


def run_doctor(options: Namespace) -> int:
    """Look and tell; failed where something keeps an engine from running, wrong use where nothing can be read."""
    page = _Page(is_json=options.json)
    try:
        settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    except SettingsInvalid as invalid:
        for problem in invalid.problems:
            page.tell(fail("configuration", problem, "change it; gridwright config check tells when it is right"))
        page.end()
        return WRONG_USE
    for finding in _configuration(settings):
        page.tell(finding)
    _harden()
    # Imported here: what looks at exchanges and journals is slow.
    from engine.runtime.doctor.case import Case
    from engine.runtime.doctor.examination import examine

    case = Case(settings=settings, accepts_withdrawal=options.accept_withdrawal_keys)
    anyio.run(partial(examine, case, page.tell))
    page.end()
    return FAILED if page.has_failed else DONE


def _configuration(settings: Settings) -> list[Finding]:
    """What a start would refuse of it without asking an exchange."""
    place = settings.file or "none found, the built-in defaults"
    count = len(settings.grids)
    good = ok("configuration", f"{place}: {settings.engine.mode}, {count} {'grid' if count == 1 else 'grids'}")
    if settings.engine.mode is not Mode.SIMULATION:
        return [good]
    from engine.runtime.fresh_start import start_problems

    problems = [fail("configuration", problem, "change it") for problem in start_problems(settings)]
    return problems or [good]


def _harden() -> None:
    """Before keys are in memory."""
    from engine.runtime.hardening import harden_process

    narrate(*harden_process())


class _Page:
    """Shows findings as they come, or all of them at the end where a program reads them."""

    def __init__(self, *, is_json: bool) -> None:
        self.has_failed = False
        self._is_json = is_json
        self._findings: list[Finding] = []

    def tell(self, finding: Finding) -> None:
        self.has_failed = self.has_failed or finding.grade is Grade.FAIL
        self._findings.append(finding)
        if not self._is_json:
            put(_text(finding))

    def end(self) -> None:
        if self._is_json:
            objects = [
                {"check": each.check, "grade": each.grade.value, "found": each.found, "advice": each.advice}
                for each in self._findings
            ]
            put(json.dumps(objects, indent=2))


def _text(finding: Finding) -> str:
    line = f"{finding.grade.value.ljust(_GRADE_WIDTH)}  {finding.check.ljust(_CHECK_WIDTH)}  {finding.found}"
    if not finding.advice:
        return line
    return f"{line}\n{' ' * (_GRADE_WIDTH + _CHECK_WIDTH + 4)}do: {finding.advice}"
