"""Secrets taken out of text, of log records and of the last words of a dying thread."""

import base64
import gc
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.secret import Secret
from engine.runtime.redaction import Redactor, install_redaction
from tests.canary import CANARY_ENVIRONMENT, CANARY_KEYS, assert_no_secret

TOP = Path(__file__).parents[2]
API_KEY, SECRET, PASSWORD = CANARY_ENVIRONMENT.values()
ODD = "a+b/c=d&e f%g\"h'i\\jkl~mno"
"""A value that every form of writing changes."""
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbcdefgh\nAwEHoUQDQgAEzyxw\n-----END EC PRIVATE KEY-----\n"
REDACTOR = Redactor(CANARY_KEYS.every())


class Log:
    """What one handler of the root logger wrote, which was there before the redaction was installed."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@contextmanager
def installed(redactor: Redactor = REDACTOR) -> Iterator[Log]:
    """The redaction at work, and everything as before afterwards."""
    log, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(log.handler)
    root.setLevel(logging.DEBUG)
    uninstall = install_redaction(redactor)
    try:
        yield log
    finally:
        uninstall()
        root.setLevel(level)
        root.removeHandler(log.handler)


# --- texts ------------------------------------------------------------------------------------------------


def test_redaction_leaves_a_text_without_secrets_as_it_is() -> None:
    """Times, prices, client order ids and the words of a strategy among them."""
    for text in (
        "",
        "INFO 2026-11-21T12:00:00Z btc[3] bought 0.0012 at 61250.0, order g3k9z0a1b2c3d4e5, fee 0.07350000 USDT",
        "sign of life; the key is a design; token: BTC; secret: expected a value, found nothing",
        '{"symbol": "BTC/USDT", "price": "61250.00", "key": "value", "orderId": 12345678901234}',
    ):
        assert REDACTOR.redact(text) == text


@pytest.mark.parametrize("value", [API_KEY, SECRET, PASSWORD, ODD], ids=["api_key", "secret", "password", "odd"])
def test_redaction_knows_a_value_in_every_form_it_travels_in(value: str) -> None:
    """In addresses, in JSON, in a repr, in base64 behind anything, in hexadecimal digits."""
    redact = Redactor([Secret(value)]).redact
    forms = {
        "plain": value,
        "quoted": quote(value),
        "wholly quoted": quote(value, safe=""),
        "small quoted": quote(value, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"),
        "plus": quote_plus(value),
        "form": urlencode({"": value})[1:],
        "json": json.dumps(value)[1:-1],
        "repr": repr(value)[1:-1],
        "hex": value.encode().hex(),
        "HEX": value.encode().hex().upper(),
        "base64": base64.b64encode(value.encode()).decode().rstrip("="),
        "base64 of addresses": base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    }
    assert {name: redact(f"<{form}>") for name, form in forms.items()} == dict.fromkeys(forms, "<***>")
    for before in ("u:", "us:", "use:"):
        pair = base64.b64encode(f"{before}{value}".encode()).decode()
        # What is left is of the stranger, but for some bits of a character at either end.
        left = redact(pair).split("***")
        assert len(left) == 2
        assert len(left[0]) <= len(before) * 8 / 6 + 1
        assert len(left[1].rstrip("=")) <= 1


@given(text=st.text(max_size=30), start=st.integers(0, 58), length=st.integers(6, 64), after=st.text(max_size=30))
def test_redaction_finds_a_piece_of_a_value_in_any_text(text: str, start: int, length: int, after: str) -> None:
    """A message that was cut off shows the beginning of what stood at its end."""
    piece = SECRET[start : start + length]
    assert_no_secret(REDACTOR.redact(f"{text}{piece}{after}"))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_redaction_masks_values_that_touch_each_other_as_one(count: int) -> None:
    """And keeps all that stands around them."""
    assert REDACTOR.redact(f"a {API_KEY * count} b {SECRET}{PASSWORD} c") == "a *** b *** c"


def test_034_redaction_is_of_one_length_for_all() -> None:
    """It tells nothing of what it stands for."""
    assert {Redactor([Secret("Ab1-" * times)]).redact("Ab1-" * times) for times in (1, 3, 4, 400)} == {"***"}


def test_redaction_takes_short_values_out_whole_and_leaves_words_alone() -> None:
    """A pass phrase of a person consists of everyday pieces; one of three letters would shred every text."""
    redact = Redactor([Secret("trading-bot1"), Secret("abc")]).redact
    assert redact("trading 12345 with trading-bot1, abc") == "trading 12345 with ***, abc"


def test_redaction_leaves_digits_alone_that_a_secret_happens_to_have() -> None:
    """Six digits in a row are in every time; beside other pieces of the secret they go with them."""
    redact = Redactor([Secret("ab17637264001234567cd")]).redact
    assert redact("at 1763726400123 ms") == "at 1763726400123 ms"
    assert redact("at b1763726400123 ms, ab17637264001234567cd") == "at *** ms, ***"


def test_redaction_knows_the_lines_of_a_private_key_but_not_its_frame() -> None:
    """What says PRIVATE KEY may be said."""
    redact = Redactor([Secret(PEM)]).redact
    shown = redact(f"{PEM} {json.dumps(PEM)}")
    assert "MHcCAQ" not in shown
    assert "QDQgAE" not in shown
    assert shown.count("-----BEGIN EC PRIVATE KEY-----") == 2


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "binance GET https://h/api/v3/openOrders?timestamp=17&recvWindow=5000&signature=0a1b2c 400 Bad Request",
            "binance GET https://h/api/v3/openOrders?timestamp=17&recvWindow=5000&signature=*** 400 Bad Request",
        ),
        ("{'X-MBX-APIKEY': 'unloaded', 'n': '1'}", "{'X-MBX-APIKEY': '***', 'n': '1'}"),
        (
            '{"X-BAPI-API-KEY":"unloaded","X-BAPI-SIGN":"0a1b","X-BAPI-TIMESTAMP":"17"}',
            '{"X-BAPI-API-KEY":"***","X-BAPI-SIGN":"***","X-BAPI-TIMESTAMP":"17"}',
        ),
        (
            "<CIMultiDict('OK-ACCESS-KEY': 'unloaded', 'OK-ACCESS-PASSPHRASE': 'p', 'OK-ACCESS-SIGN': 's=')>",
            "<CIMultiDict('OK-ACCESS-KEY': '***', 'OK-ACCESS-PASSPHRASE': '***', 'OK-ACCESS-SIGN': '***')>",
        ),
        (
            "{'KC-API-KEY': 'u', 'API-Key': 'v', 'API-Sign': 'w'}",
            "{'KC-API-KEY': '***', 'API-Key': '***', 'API-Sign': '***'}",
        ),
        ("{'KEY': 'u', 'SIGN': 'v', 'key': 'word'}", "{'KEY': '***', 'SIGN': '***', 'key': 'word'}"),
        ("(b'X-MEXC-APIKEY', b'unloaded')", "(b'X-MEXC-APIKEY', b'***')"),
        ('{"listenKey": "unloaded"}', '{"listenKey": "***"}'),
        (r"'{\"listenKey\":\"unloaded\"}'", r"'{\"listenKey\":\"***\"}'"),
        ("PUT /api/v3/userDataStream?listenKey=unloaded", "PUT /api/v3/userDataStream?listenKey=***"),
        (f"wss://h:9443/ws/{'pqia91ma19a5s61cv6a81va6' * 2}", "wss://h:9443/ws/***"),
        ("wss://h:9443/ws/btcusdt@trade", "wss://h:9443/ws/btcusdt@trade"),
        ("Authorization: Bearer eyJhbGciOi.JFUzI1.NiJ9", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': '***'}"),
        ("authorization=abc; path=/", "authorization=***; path=/"),
        (
            '{"op":"auth","args":["unloaded",1763726400123,"0a1b"]}',
            '{"op":"auth","args":***}',
        ),
        ("ccxt.binance(apiKey='unloaded', secret=\"unloaded\")", "ccxt.binance(apiKey='***', secret=\"***\")"),
        ("api_key%3Dunloaded%26x", "api_key%3D***"),
    ],
)
def test_redaction_masks_what_stands_where_exchanges_have_their_keys(text: str, expected: str) -> None:
    """Also of values that nobody has loaded, such as a listen key or a signature."""
    assert Redactor().redact(text) == expected


def test_a_redactor_shows_nothing_of_what_it_looks_for() -> None:
    """It is an object like any other on a crash screen."""
    assert_no_secret(repr(REDACTOR), str(REDACTOR))


# --- logs -------------------------------------------------------------------------------------------------


def test_redaction_reaches_messages_and_their_values() -> None:
    """On a handler that was there before, and on one that comes later."""
    with installed() as log:
        later = Log()
        logger = logging.getLogger("gridwright.test")
        logger.addHandler(later.handler)
        logger.warning("sent %s with %r", API_KEY, {"secret": SECRET, "price": "61250.0"})
        logger.removeHandler(later.handler)
    expected = "WARNING gridwright.test sent *** with {'secret': '***', 'price': '61250.0'}"
    assert log.lines() == later.lines() == [expected]


def test_redaction_reaches_tracebacks_their_causes_and_stacks() -> None:
    """The message of an error is what most often quotes a request; a stack quotes the source, as the line below."""
    with installed() as log:
        try:
            try:
                raise ValueError(f"GET https://h/x?apiKey={API_KEY}")
            except ValueError as error:
                raise RuntimeError(SECRET) from error
        except RuntimeError:
            logging.getLogger("gridwright.test").exception("failed: %s", PASSWORD, stack_info=True)  # zQ7AzQ7BzQ7C
    assert log.lines()[0] == "ERROR gridwright.test failed: ***"
    assert "ValueError: GET https://h/x?apiKey=***" in log.lines()
    assert "RuntimeError: ***" in log.lines()
    assert "Stack (most recent call last):" in log.lines()
    assert_no_secret(log.stream.getvalue())


def test_a_record_whose_values_do_not_fit_is_written_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    """Logging itself would print them as they are."""
    with installed() as log:
        logging.getLogger("gridwright.test").warning("of " + API_KEY + " %d", SECRET)  # noqa: G003 - as others write it
    assert log.lines() == ["WARNING gridwright.test of *** %d (its values cannot be shown: TypeError)"]
    assert capsys.readouterr().err == ""


def test_ccxt_never_logs_its_requests() -> None:
    """At debug it tells the headers of every request."""
    with installed() as log:
        logging.getLogger("ccxt.base.exchange").debug("request headers")
        assert logging.getLogger("ccxt.base.exchange").getEffectiveLevel() == logging.WARNING
    assert log.lines() == []


def test_redaction_taken_out_again_leaves_everything_as_it_was() -> None:
    """So that one process can run one engine after the other."""
    seen = logging.getLogRecordFactory(), sys.excepthook, sys.unraisablehook, threading.excepthook
    level = logging.getLogger("ccxt").level
    with installed():
        assert sys.excepthook is not seen[1]
    assert (logging.getLogRecordFactory(), sys.excepthook, sys.unraisablehook, threading.excepthook) == seen
    assert logging.getLogger("ccxt").level == level


# --- last words -------------------------------------------------------------------------------------------


def test_redaction_reaches_a_thread_that_dies(capsys: pytest.CaptureFixture[str]) -> None:
    """One that only ends says nothing."""

    def die() -> None:
        raise RuntimeError(f"signature={SECRET}")

    def leave() -> None:
        raise SystemExit(3)

    with installed():
        for target in (die, leave):
            thread = threading.Thread(target=target, name="worker")
            thread.start()
            thread.join()
    err = capsys.readouterr().err
    assert err.startswith("Exception in thread worker:\nTraceback (most recent call last):\n")
    assert err.endswith("RuntimeError: signature=***\n")


def test_redaction_reaches_an_error_in_a_clean_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Where Python can only tell of it."""

    class Careless:
        def __del__(self) -> None:
            raise RuntimeError(API_KEY)

    with installed():
        Careless()
        gc.collect()
    err = capsys.readouterr().err
    assert err.endswith("RuntimeError: ***\n")
    assert_no_secret(err)


def in_a_child(lines: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that runs these lines with the planted keys at hand."""
    prologue = "from tests.canary import CANARY_KEYS as keys\nfrom engine.runtime.redaction import *\n"
    return subprocess.run(
        [sys.executable, "-c", prologue + lines], cwd=TOP, capture_output=True, text=True, timeout=60, check=False
    )


def test_redaction_reaches_the_last_words_of_a_process() -> None:
    """With what led to it."""
    child = in_a_child(
        "install_redaction(Redactor(keys.every()))\n"
        "try:\n    raise ValueError(keys.secret.reveal())\n"
        "except ValueError as error:\n    raise RuntimeError('x-mbx-apikey=' + keys.api_key.reveal()) from error\n"
    )
    assert child.returncode == 1
    assert "ValueError: ***\n" in child.stderr
    assert child.stderr.endswith("RuntimeError: x-mbx-apikey=***\n")
    assert_no_secret(child.stderr, child.stdout)


def test_secrets_on_crash_screens_the_process_is_closed_to_onlookers_and_leaves_no_core() -> None:
    """A core dump is a file with everything in it."""
    child = in_a_child(
        "from engine.runtime.hardening import harden_process\nimport ctypes, resource, sys\n"
        "print(harden_process(), resource.getrlimit(resource.RLIMIT_CORE))\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == 'linux' else 0)\n"
    )
    assert child.stdout == "() (0, 0)\n0\n", child.stderr
