"""All checks in order, each bounded in time, each of its own: what one finds or breaks hides no other.

Promises: nothing is placed, cancelled or changed; an engine that runs is not disturbed; no finding holds a part of a
key.
"""

from collections.abc import Callable, Sequence
from functools import partial

from engine.model.errors import SettingsInvalid
from engine.model.snapshot import Mode
from engine.runtime.doctor.case import ASK_SECONDS_MAX, Case
from engine.runtime.doctor.finding import Finding, bounded, failed, skipped
from engine.runtime.doctor.grids import findings_of
from engine.runtime.doctor.keys import look_at_keys
from engine.runtime.doctor.place import look_at_journal, look_at_state_dir
from engine.runtime.doctor.screen import look_at_screen, screen_here
from engine.runtime.doctor.visit import CHECKS, Visit
from engine.runtime.redactor import Redactor
from engine.settings import Settings

_LATER = "try again; gridwright journal verify takes the time it needs"


async def examine(case: Case, tell: Callable[[Finding], None]) -> None:
    """Do every check that applies; ``tell`` hears each finding as it comes."""
    settings = case.settings
    folder = settings.engine.state_dir
    for finding in look_at_screen(screen_here()):
        tell(finding)
    for check, look, advice in (
        ("state directory", partial(look_at_state_dir, folder), "look at the disk"),
        ("journal", partial(look_at_journal, folder), _LATER),
    ):
        for finding in await bounded(check, ASK_SECONDS_MAX, look, advice=advice):
            tell(finding)
    match settings.engine.mode:
        case Mode.SIMULATION:
            await _simulation(settings, tell)
        case Mode.PAPER:
            tell(skipped("keys", "paper trades with nobody's money", "set engine.mode to live to have them looked at"))
            await Visit(case, None, tell).make()
        case Mode.LIVE:
            keys, findings = look_at_keys(settings.exchange)
            for finding in findings:
                tell(finding)
            redactor = Redactor(() if keys is None else keys.every())
            await Visit(case, keys, lambda finding: tell(_redacted(finding, redactor))).make()


async def _simulation(settings: Settings, tell: Callable[[Finding], None]) -> None:
    for spec in settings.grids:
        look = partial(_simulated_grid, settings, spec.name)
        for finding in await bounded(f"grid {spec.name}", ASK_SECONDS_MAX, look, advice="change the grid"):
            tell(finding)
    for check in ("keys", *CHECKS):
        advice = "set engine.mode to paper or live to have it looked at"
        tell(skipped(check, "a simulation has a market of its own", advice))


async def _simulated_grid(settings: Settings, name: str) -> Sequence[Finding]:
    # Imported here: it brings the simulated markets and their files.
    from engine.runtime.fresh_start import fresh_preflight

    check = f"grid {name}"
    try:
        flight = fresh_preflight(settings, name)
    except SettingsInvalid as impossible:
        return failed(check, impossible, "change the grid, or [simulation]")
    return findings_of(check, flight, f"{flight.symbol}, at a fresh start")


def _redacted(finding: Finding, redactor: Redactor) -> Finding:
    found, advice = redactor.redact(finding.found), redactor.redact(finding.advice)
    return Finding(check=finding.check, grade=finding.grade, found=found, advice=advice)
