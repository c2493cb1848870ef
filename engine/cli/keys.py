"""``gridwright keys set | check``: the keys of the exchange, stored and looked for where the configuration says.

No key is echoed, printed or quoted. What the exchange allows the keys to do is asked by ``gridwright doctor``.
"""

import getpass
import json
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence

from engine.cli.output import DONE, FAILED, narrate, put
from engine.cli.parser import KeysTask
from engine.model.errors import SettingsInvalid
from engine.model.secret import ExchangeKeys
from engine.runtime.exchange_keys import check_can_store, keys_place, load_keys, store_keys
from engine.runtime.keys_text import LENGTH_MAX, KeysProblem, is_unfinished_pem, keys_from_texts
from engine.settings import ExchangeSettings, find_config, load_settings

_PEM_LINES_MAX = 400
_NEXT_LINE = "  ... its next line: "

ReadLine = Callable[[str], str]
"""Asks for a line by the words handed in; the line without its end, empty at the end of what there is."""


def run_keys(options: Namespace) -> int:
    """Do a ``keys`` command and return the exit code.

    Raises:
        SettingsInvalid: the configuration is wrong, or what was typed cannot be keys or cannot be stored.
    """
    task = KeysTask(options.task)
    exchange = load_settings(options.config or find_config(), state_dir=options.state_dir).exchange
    match task:
        case KeysTask.SET:
            return _set(exchange, options)
        case KeysTask.CHECK:
            return _check(exchange, options)


def _set(exchange: ExchangeSettings, options: Namespace) -> int:
    check_can_store(exchange)
    account = f"{exchange.id}{' (sandbox)' if exchange.sandbox else ''}"
    narrate(f"keys of {account}, to be kept in {keys_place(exchange)}")
    found = _from_stdin() if options.from_stdin else _typed()
    if isinstance(found, KeysProblem):
        raise SettingsInvalid(f"nothing was stored: {found.text}")
    store_keys(exchange, found)
    narrate("stored; give them the right to trade alone, never to withdraw or to transfer")
    _tell(exchange, found, as_json=options.json)
    return DONE


def _check(exchange: ExchangeSettings, options: Namespace) -> int:
    try:
        keys = load_keys(exchange)
    except SettingsInvalid as error:
        if options.json:
            put(json.dumps(_report(exchange, None, error.problems), indent=2))
        narrate(*error.problems)
        return FAILED
    _tell(exchange, keys, as_json=options.json)
    return DONE


def _tell(exchange: ExchangeSettings, keys: ExchangeKeys, *, as_json: bool) -> None:
    if as_json:
        put(json.dumps(_report(exchange, keys, ()), indent=2))
        return
    phrase = "with a pass phrase" if keys.password else "without a pass phrase"
    put(f"keys: in {keys_place(exchange)}, {phrase}\nfingerprint: {keys.fingerprint()}")


def _report(exchange: ExchangeSettings, keys: ExchangeKeys | None, problems: Sequence[str]) -> dict[str, object]:
    return {
        "exchange": exchange.id,
        "sandbox": exchange.sandbox,
        "place": str(keys_place(exchange)),
        "found": keys is not None,
        "fingerprint": None if keys is None else keys.fingerprint(),
        "password": keys is not None and keys.password is not None,
        "problems": list(problems),
    }


def _typed() -> ExchangeKeys | KeysProblem:
    """The keys as a person types them; the terminal shows nothing of it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsInvalid("nothing was stored: expected a terminal to ask on, or --from-stdin")
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return _keys_from(getpass.getpass)
        except getpass.GetPassWarning:
            trouble = "one that shows what is typed"
        except EOFError:
            trouble = "the end of its input"
    raise SettingsInvalid(f"nothing was stored: expected a terminal that asks without showing, found {trouble}")


def _from_stdin() -> ExchangeKeys | KeysProblem:
    if sys.stdin.isatty():
        raise SettingsInvalid(
            "nothing was stored: expected a pipe or a file as stdin, found a terminal, which would show the keys: "
            "leave --from-stdin out"
        )
    try:
        # One more than a value may have, so that a longer line is refused and not taken for two.
        found = _keys_from(lambda _: sys.stdin.readline(LENGTH_MAX + 1).rstrip("\r\n"))
        has_more = bool(sys.stdin.read(LENGTH_MAX).strip())
    except UnicodeDecodeError:
        return KeysProblem("stdin: expected UTF-8 text, found other bytes")
    if has_more and isinstance(found, ExchangeKeys):
        return KeysProblem("stdin: expected API key, secret and pass phrase, a line each, found more lines")
    return found


def _keys_from(read_line: ReadLine) -> ExchangeKeys | KeysProblem:
    api_key = read_line("API key: ")
    secret = read_line("secret, or the first line of a private key: ")
    lines = 1
    while is_unfinished_pem(secret.strip()) and lines < _PEM_LINES_MAX:
        secret = f"{secret}\n{read_line(_NEXT_LINE)}"
        lines += 1
    password = read_line("pass phrase (nothing if the exchange has none): ")
    return keys_from_texts(api_key=api_key, secret=secret, password=password)
