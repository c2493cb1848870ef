"""The command line: everything that ``gridwright`` does without drawing a screen.

stdout is data, stderr is narration. Each command imports what it needs when it runs, so
that ``status`` starts light; the terminal is handed in, for the engine knows no screen.
"""

import io
import json
import sys
from argparse import Namespace
from typing import Literal, Protocol

from engine.cli.output import DONE, FAILED, WRONG_USE, leave_stdout, narrate, put
from engine.cli.parser import CommandName, parse_arguments
from engine.model.errors import GridwrightError, JournalRefused, SettingsInvalid
from engine.model.snapshot import Mode
from engine.settings import Settings, Source, Start, find_config, load_settings


class TerminalRunner(Protocol):
    """Runs the terminal with an engine in it and returns the exit code."""

    def __call__(self, settings: Settings, *, start: Start) -> int: ...


def main(arguments: list[str] | None, *, run_terminal: TerminalRunner) -> int:
    """Do what the command line says and return the exit code; None takes the program's own arguments.

    Raises:
        SystemExit: after ``--help`` and ``--version`` (0), and on wrong use (2).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = parse_arguments(arguments)
    try:
        return _run(options, run_terminal)
    except SettingsInvalid as error:
        narrate(*error.problems)
        return WRONG_USE
    except JournalRefused as error:
        narrate(str(error))
        return WRONG_USE
    except GridwrightError as error:
        narrate(str(error))
        return FAILED
    except BrokenPipeError:
        # The reader has seen enough.
        leave_stdout()
        return DONE
    except KeyboardInterrupt:
        narrate("interrupted")
        return FAILED


def _run(options: Namespace, run_terminal: TerminalRunner) -> int:
    command: CommandName = options.command
    match command:
        case CommandName.TERMINAL:
            return run_terminal(_settings(options), start=_start(options))
        case CommandName.RUN:
            if not options.headless:
                return run_terminal(_settings(options), start=_start(options))
            return _run_headless(options)
        case (
            CommandName.STATUS
            | CommandName.EVENTS
            | CommandName.PAUSE
            | CommandName.RESUME
            | CommandName.STOP
            | CommandName.FREEZE
            | CommandName.THAW
            | CommandName.RECONCILE
        ):
            from engine.cli.control import run_control

            return run_control(options)
        case CommandName.QUIT:
            from engine.cli.quit import run_quit

            return run_quit(options)
        case CommandName.RESOLVE:
            from engine.cli.resolve import run_resolve

            return run_resolve(options)
        case CommandName.SUGGEST:
            from engine.cli.suggest import run_suggest

            return run_suggest(options)
        case CommandName.PREFLIGHT:
            from engine.cli.preflight import run_preflight

            return run_preflight(options)
        case CommandName.EDIT:
            from engine.cli.edit import run_edit

            return run_edit(options)
        case CommandName.PANIC | CommandName.LIFT:
            from engine.cli.brakes import run_brakes

            return run_brakes(options)
        case CommandName.CONFIG | CommandName.JOURNAL | CommandName.KEYS | CommandName.DOCTOR | CommandName.HISTORY:
            return _run_upkeep(command, options)


_Upkeep = Literal[CommandName.CONFIG, CommandName.JOURNAL, CommandName.KEYS, CommandName.DOCTOR, CommandName.HISTORY]


def _run_upkeep(command: _Upkeep, options: Namespace) -> int:
    """What is done beside a running engine, or without one."""
    match command:
        case CommandName.CONFIG:
            from engine.cli.config import run_config

            return run_config(options)
        case CommandName.JOURNAL:
            from engine.cli.journal import run_journal

            return run_journal(options)
        case CommandName.KEYS:
            from engine.cli.keys import run_keys

            return run_keys(options)
        case CommandName.DOCTOR:
            from engine.cli.doctor import run_doctor

            return run_doctor(options)
        case CommandName.HISTORY:
            from engine.cli.history import run_history

            return run_history(options)


def _settings(options: Namespace) -> Settings:
    return load_settings(options.config or find_config(), state_dir=options.state_dir)


def _start(options: Namespace) -> Start:
    return Start(
        is_fresh=options.fresh,
        is_live_confirmed=options.yes_live,
        is_key_renewed=options.key_renewed,
        is_withdrawal_accepted=options.accept_withdrawal_keys,
    )


def _run_headless(options: Namespace) -> int:
    settings = _settings(options)
    if options.until_end:
        _check_ends(settings)
    from engine.runtime.headless import run_headless
    from engine.status import status_from_snapshot

    end = run_headless(settings, until_end=options.until_end, start=_start(options), log_file=options.log_file)
    if end.last is not None:
        put(json.dumps(status_from_snapshot(end.last), indent=2))
    return FAILED if end.is_halted else DONE


def _check_ends(settings: Settings) -> None:
    if settings.engine.mode is not Mode.SIMULATION:
        raise SettingsInvalid(f"engine.mode: expected simulation with --until-end, found {settings.engine.mode}")
    if settings.simulation.source is not Source.REPLAY:
        raise SettingsInvalid(
            f"simulation.source: expected replay with --until-end, found {settings.simulation.source}"
        )
