"""The grammar of the command line: commands, options, and what they take."""

import argparse
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from engine.cli.output import DONE, put
from engine.cli.past_words import interval, moment, symbol
from engine.model.amounts import amount_from_text
from engine.model.grid import Disposal
from engine.model.ids import SLOTS_MAX
from engine.model.reconcile import Resolution
from engine.model.risk import BreakerKind

EVENTS_DEFAULT = 200
EVENTS_MAX = 1000
_QUESTION_ID_MAX = 64
_SEQUENCE_MAX = 2**63 - 1


class CommandName(StrEnum):
    """What the first word on the command line can be; ``TERMINAL`` is none at all."""

    TERMINAL = "terminal"
    RUN = "run"
    STATUS = "status"
    EVENTS = "events"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    QUIT = "quit"
    FREEZE = "freeze"
    THAW = "thaw"
    RECONCILE = "reconcile"
    RESOLVE = "resolve"
    PREFLIGHT = "preflight"
    SUGGEST = "suggest"
    EDIT = "edit"
    PANIC = "panic"
    LIFT = "lift"
    CONFIG = "config"
    JOURNAL = "journal"
    KEYS = "keys"
    DOCTOR = "doctor"
    HISTORY = "history"


class ConfigTask(StrEnum):
    CHECK = "check"
    SHOW = "show"
    INIT = "init"


class KeysTask(StrEnum):
    SET = "set"
    CHECK = "check"


class JournalTask(StrEnum):
    VERIFY = "verify"
    EXPORT = "export"
    REPAIR = "repair"
    REPLAY = "replay"


_ACCEPTING = (CommandName.PREFLIGHT, CommandName.DOCTOR)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; None reads the program's own.

    Raises:
        SystemExit: after ``--help`` and ``--version`` (0), and on wrong use (2).
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    command = options.command = CommandName(options.command or CommandName.TERMINAL)
    for option, is_given in (
        ("--fresh", options.fresh),
        ("--yes-live", options.yes_live),
        ("--key-renewed", options.key_renewed),
        ("--accept-withdrawal-keys", options.accept_withdrawal_keys and command not in _ACCEPTING),
    ):
        if is_given and command not in (CommandName.TERMINAL, CommandName.RUN):
            parser.error(f"{option} starts an engine; {command} does not")
    if command is CommandName.RUN and not options.headless:
        for option, is_given in (("--until-end", options.until_end), ("--log-file", options.log_file is not None)):
            if is_given:
                parser.error(f"{option} needs --headless")
    if command is CommandName.EDIT:
        _check_edit(parser, options)
    return options


def _check_edit(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if all(given is None for given in (options.lower, options.upper, options.slots, options.size)):
        parser.error("edit: expected something to change: --lower, --upper, --slots or --size")
    if options.lower is not None and options.upper is not None and options.lower >= options.upper:
        parser.error(f"edit: expected --lower below --upper, found {options.lower} and {options.upper}")


def make_parser() -> argparse.ArgumentParser:
    """The whole grammar; ``--config`` and ``--state-dir`` are taken before and after every command."""
    parser = argparse.ArgumentParser(
        prog="gridwright",
        description="A grid-trading terminal. Without a command: the terminal, with the engine in it.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use or bad configuration.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="print the version")
    _add_places(parser)
    _add_starts(parser)
    parser.set_defaults(config=None, state_dir=None, fresh=False, yes_live=False)
    parser.set_defaults(key_renewed=False, accept_withdrawal_keys=False)
    places = argparse.ArgumentParser(add_help=False)
    _add_places(places)
    inside = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands = _Commands(inside.add_parser, places)
    _add_run(commands)
    _add_queries(commands)
    _add_grid_commands(commands)
    _add_grid_changes(commands)
    _add_config(commands)
    _add_journal(commands)
    _add_keys(commands)
    _add_lookers(commands)
    return parser


class _ShowVersion(argparse.Action):
    """Finds the version only when asked: looking it up is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from engine.version import program_version

        put(f"gridwright {program_version()}")
        parser.exit(DONE)


class _Commands:
    """Adds commands that all take the same places."""

    def __init__(self, add_parser: Callable[..., argparse.ArgumentParser], places: argparse.ArgumentParser) -> None:
        self._add_parser = add_parser
        self._places = places

    def add(self, name: StrEnum, text: str) -> argparse.ArgumentParser:
        """A command, ``text`` says what it does."""
        return self._add_parser(name.value, help=text, description=text, parents=[self._places], allow_abbrev=False)

    def within(self, parser: argparse.ArgumentParser, dest: str) -> "_Commands":
        """The commands inside of one."""
        inside = parser.add_subparsers(dest=dest, metavar=dest.upper(), required=True)
        return _Commands(inside.add_parser, self._places)


def _add_places(parser: argparse.ArgumentParser) -> None:
    # Without a default, so that a command that is not given one leaves what stood before it.
    parser.add_argument(
        "--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="the configuration to use"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where the engine keeps its files; overrules the configuration",
    )


def _add_run(commands: _Commands) -> None:
    run = commands.add(CommandName.RUN, "run an engine")
    run.add_argument("--headless", action="store_true", help="without a screen, until SIGTERM or SIGINT")
    run.add_argument("--until-end", action="store_true", help="end with the replay and print the status JSON")
    run.add_argument(
        "--log-file", type=Path, metavar="FILE", help="write the log there, not to stderr; old ones are kept beside it"
    )
    _add_starts(run)


def _add_starts(parser: argparse.ArgumentParser) -> None:
    """What is wished of one start; taken before and after ``run``."""
    for option, text in (
        ("--fresh", "a new market and journal; the old are kept aside"),
        ("--yes-live", "with engine.mode live: trade with real money, without asking in the terminal"),
        ("--key-renewed", "the API key was renewed, the account is the same"),
        ("--accept-withdrawal-keys", "take an API key that may move money off the account"),
    ):
        parser.add_argument(option, action="store_true", default=argparse.SUPPRESS, help=text)


def _add_queries(commands: _Commands) -> None:
    status = commands.add(CommandName.STATUS, "what the running engine and its grids are doing")
    status.add_argument("--json", action="store_true", help="one object, for programs")
    events = commands.add(CommandName.EVENTS, "what has happened in the running engine")
    events.add_argument("--json", action="store_true", help="one object a line, for programs")
    events.add_argument("--follow", action="store_true", help="go on until the engine ends")
    events.add_argument(
        "--limit",
        type=_number_to(EVENTS_MAX, least=1),
        metavar="N",
        default=EVENTS_DEFAULT,
        help=f"how many of the newest to begin with (default {EVENTS_DEFAULT}, at most {EVENTS_MAX})",
    )


def _add_grid_commands(commands: _Commands) -> None:
    pause = commands.add(CommandName.PAUSE, "open nothing new; exits go on")
    resume = commands.add(CommandName.RESUME, "open again")
    stop = commands.add(CommandName.STOP, "end a grid; its orders stay on the exchange unless told otherwise")
    end = commands.add(CommandName.QUIT, "end the engine, in order and by on_exit of its configuration")
    end.add_argument("--yes", action="store_true", help="do it without asking back, even if orders stay unwatched")
    freeze = commands.add(CommandName.FREEZE, "leave one slot alone: nothing is placed or cancelled there")
    thaw = commands.add(CommandName.THAW, "let a frozen slot trade again")
    reconcile = commands.add(CommandName.RECONCILE, "compare the books with the exchange now")
    resolve = commands.add(CommandName.RESOLVE, "answer an open question; status shows them with their choices")
    for parser in (pause, resume, stop, freeze, thaw, reconcile, resolve):
        _add_grid(parser)
    for parser in (freeze, thaw):
        parser.add_argument("slot", type=_number_to(SLOTS_MAX - 1, least=0), metavar="SLOT", help="its number")
    resolve.add_argument("question", type=_question_id, metavar="ID", help="its id, such as q3")
    resolve.add_argument("choice", type=_resolution, metavar="CHOICE", help="one of its choices")
    resolve.add_argument("--yes", action="store_true", help="do it without asking back, even if it moves money")
    disposal = stop.add_mutually_exclusive_group()
    stop.set_defaults(disposal=Disposal.LEAVE)
    for way, text in (
        (Disposal.CANCEL, "cancel the orders, keep the inventory"),
        (Disposal.FLATTEN, "cancel the orders, sell the inventory within a bounded slippage"),
    ):
        disposal.add_argument(f"--{way}", dest="disposal", action="store_const", const=way, help=text)


def _add_grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grid", metavar="NAME", help="which grid; may be left out if there is one")


_DAYS_MAX = 365


def _add_grid_changes(commands: _Commands) -> None:
    preflight = commands.add(CommandName.PREFLIGHT, "what a grid would do and cost if it were started now")
    edit = commands.add(CommandName.EDIT, "show what a change of a running grid would do, ask, and do it")
    panic = commands.add(CommandName.PANIC, "cancel the entries; nothing opens until a person lifts it, exits go on")
    lift = commands.add(CommandName.LIFT, "end a block; it comes back if its cause is still there")
    suggest = commands.add(CommandName.SUGGEST, "a range and a step that fit the market's own volatility, with reasons")
    for parser in (preflight, suggest, edit, panic, lift):
        _add_grid(parser)
    preflight.add_argument("--all", action="store_true", help="paper, live: every grid, asked of the exchange itself")
    _add_acceptance(preflight)
    preflight.add_argument("--as-fresh", action="store_true", help="with --all: as if there were no journal")
    suggest.add_argument(
        "--days", type=_number_to(_DAYS_MAX, least=1), default=30, metavar="N", help="for how long it shall hold: 30"
    )
    suggest.add_argument("--slots", type=_number_to(SLOTS_MAX, least=1), metavar="N", help="how many slots")
    for parser in (preflight, suggest, edit):
        parser.add_argument("--json", action="store_true", help="one object, for programs")
    for parser in (edit, panic, lift):
        parser.add_argument("--yes", action="store_true", help="do it without asking back")
    for option, metavar, text in (
        ("--lower", "PRICE", "the lowest level"),
        ("--upper", "PRICE", "the highest level"),
        ("--size", "SIZE", "what a slot, or the whole grid, is worth, in the unit of its configuration"),
    ):
        edit.add_argument(option, type=_amount, metavar=metavar, help=text)
    edit.add_argument("--slots", type=_number_to(SLOTS_MAX, least=1), metavar="N", help="how many slots")
    lift.add_argument("kind", type=_breaker, metavar="KIND", help="which block, such as panic-key; see status")


def _add_config(commands: _Commands) -> None:
    config = commands.add(CommandName.CONFIG, "check, show or create the configuration")
    tasks = commands.within(config, "task")
    tasks.add(ConfigTask.CHECK, "print ok, or every problem")
    show = tasks.add(ConfigTask.SHOW, "print the configuration in effect as TOML")
    show.add_argument("--json", action="store_true", help="as JSON, amounts as strings")
    init = tasks.add(ConfigTask.INIT, "write the commented example to the configuration folder, or to --config")
    init.add_argument("--force", action="store_true", help="replace a file that is there; a backup is kept")


def _add_keys(commands: _Commands) -> None:
    keys = commands.add(CommandName.KEYS, "store or check the keys of the exchange, where exchange.keys says")
    tasks = commands.within(keys, "task")
    store = tasks.add(KeysTask.SET, "ask for the keys without showing them, and store them")
    store.add_argument(
        "--from-stdin",
        action="store_true",
        help="read them from stdin, a line each: API key, secret, pass phrase (empty or left out if there is none)",
    )
    check = tasks.add(
        KeysTask.CHECK, "whether there are keys and their place is safe; shows a fingerprint, never a key"
    )
    for parser in (store, check):
        parser.add_argument("--json", action="store_true", help="one object, for programs")


def _add_acceptance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accept-withdrawal-keys", action="store_true", default=argparse.SUPPRESS, help="as for a start"
    )


def _add_lookers(commands: _Commands) -> None:
    """What looks at the outside and never trades."""
    doctor = commands.add(
        CommandName.DOCTOR, "check everything that an engine needs, and say what to do; trades nothing"
    )
    _add_acceptance(doctor)
    doctor.add_argument("--json", action="store_true", help="a list of objects, for programs")
    history = commands.add(CommandName.HISTORY, "download candles or trades into the state directory, to replay them")
    history.add_argument("--symbol", type=symbol, required=True, metavar="SYMBOL", help="such as BTC/USDT")
    kind = history.add_mutually_exclusive_group()
    kind.add_argument(
        "--interval", type=interval, default=60_000, metavar="LENGTH", help="of the candles, such as 1m or 4h: 1m"
    )
    kind.add_argument("--trades", action="store_true", help="every trade instead, as far back as the exchange tells")
    history.add_argument(
        "--from", type=moment, required=True, metavar="DATE", dest="start", help="such as 2024-03-01, in UTC"
    )
    history.add_argument("--to", type=moment, metavar="DATE", help="where it ends, not included; now if left out")
    history.add_argument("--json", action="store_true", help="one object, for programs")


def _question_id(text: str) -> str:
    if not 1 <= len(text) <= _QUESTION_ID_MAX:
        raise argparse.ArgumentTypeError(f"expected the id of a question, such as q3, found {text[:40]!r}")
    return text


def _amount(text: str) -> Decimal:
    try:
        return amount_from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _breaker(text: str) -> BreakerKind:
    try:
        # As the status names it in words, or as a script has it.
        return BreakerKind(text.replace(" ", "_").replace("-", "_"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(BreakerKind)}, found {text[:40]!r}") from None


def _resolution(text: str) -> Resolution:
    try:
        return Resolution(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(Resolution)}, found {text[:40]!r}") from None


def _add_journal(commands: _Commands) -> None:
    journal = commands.add(
        CommandName.JOURNAL, "check, export, repair or replay the record of everything that happened"
    )
    tasks = commands.within(journal, "task")
    verify = tasks.add(JournalTask.VERIFY, "check every record and what they add up to; also while an engine runs")
    export = tasks.add(JournalTask.EXPORT, "print the records, one JSON object a line")
    repair = tasks.add(JournalTask.REPAIR, "keep a damaged journal aside and cut its broken end off")
    repair.set_defaults(file=None)
    replay = tasks.add(JournalTask.REPLAY, "make every decision again, or show the engine as it was after a record")
    sequence = _number_to(_SEQUENCE_MAX, least=1)
    for parser in (verify, export, replay):
        parser.add_argument("--file", type=Path, metavar="FILE", help="a journal elsewhere than in the state directory")
    for parser in (verify, replay):
        parser.add_argument("--json", action="store_true", help="one object, for programs")
    export.add_argument("--output", type=Path, metavar="FILE", help="write to a file: all of it or nothing")
    export.add_argument("--from", type=sequence, metavar="N", dest="start", default=1, help="the first record")
    export.add_argument("--to", type=sequence, metavar="N", help="the last record")
    replay.add_argument("--until", type=sequence, metavar="N", help="show the engine as it was right after this record")


class _number_to:  # noqa: N801  (argparse shows the name of a type in its errors)
    """A whole number from ``least`` to ``most``."""

    def __init__(self, most: int, *, least: int) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not self._least <= int(text) <= self._most:
            expected = f"a whole number from {self._least} to {self._most}"
            raise argparse.ArgumentTypeError(f"expected {expected}, found {text[:40]!r}")
        return int(text)
