"""Checks that need no exchange: what they find, how bad it is, and that one that breaks hides no other."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import cast

import anyio
import pytest

from engine.exchange.foreign.exchange import CcxtExchange
from engine.exchange.foreign.habits.permissions import KeyPermissions
from engine.exchange.port import Balance
from engine.model.errors import EngineStopped, SettingsInvalid, Transient
from engine.remote.address import listening_socket, socket_path
from engine.runtime.doctor.account import look_at_balances, look_at_permissions
from engine.runtime.doctor.finding import Finding, Grade, bounded, ok
from engine.runtime.doctor.place import look_at_journal, look_at_state_dir
from engine.runtime.doctor.reach import look_at_encryption, look_at_proxy
from engine.runtime.doctor.screen import Screen, look_at_screen
from engine.runtime.state_dir import open_state_dir


async def asked(error: Exception) -> list[Finding]:
    """The findings of a check that ends with this error."""

    async def look() -> Sequence[Finding]:
        raise error

    return await bounded("it", 5, look, advice="do this")


def graded(findings: Sequence[Finding]) -> list[tuple[str, Grade]]:
    """Checks and grades alone."""
    return [(finding.check, finding.grade) for finding in findings]


@pytest.mark.parametrize(
    "error, found, advice",
    [
        (EngineStopped("it is gone"), "it is gone", "do this"),
        (SettingsInvalid("wrong key; check the API key"), "wrong key", "check the API key"),
        (SettingsInvalid("told: a; b. Please c"), "told: a; b. Please c", "do this"),
        (
            Transient("banned; until later", retry_after_seconds=59.2),
            "banned; until later",
            "wait 60 s, then look again",
        ),
        (Transient("lost", retry_after_seconds=2), "lost", "do this"),
        (RuntimeError("secret"), "the check broke: RuntimeError", "do this; tell the authors of this program"),
        (SettingsInvalid("an \x1b[2J escape"), "an <U+001B>[2J escape", "do this"),
    ],
)
async def test_an_error_in_a_check_is_a_finding(error: Exception, found: str, advice: str) -> None:
    """With the advice that it brings itself, else with the check's own; nothing of it draws on the terminal."""
    assert await asked(error) == [Finding(check="it", grade=Grade.FAIL, found=found, advice=advice)]


async def test_every_problem_of_an_error_is_a_finding() -> None:
    """All at once."""
    assert [finding.found for finding in await asked(SettingsInvalid("one", "two"))] == ["one", "two"]


async def test_a_check_that_does_not_end_is_a_finding() -> None:
    """After its time."""

    async def look() -> Sequence[Finding]:
        await anyio.sleep_forever()
        return ()

    found = await bounded("it", 0.01, look, advice="do this")
    assert found == [
        Finding(check="it", grade=Grade.FAIL, found="expected an answer within 0.01 s, found none", advice="do this")
    ]


async def test_cancelling_passes_through_a_check() -> None:
    """Whoever asked wants to go."""
    with anyio.CancelScope() as scope:
        scope.cancel()

        async def look() -> Sequence[Finding]:
            await anyio.sleep_forever()
            return ()

        await bounded("it", 5, look, advice="")
    assert scope.cancelled_caught


# --- the terminal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size, encoding, environment, grades",
    [
        ((120, 40), "utf-8", {"TERM": "xterm-256color"}, ["ok", "ok", "ok"]),
        ((120, 40), "UTF-8", {"TERM": "xterm", "COLORTERM": "truecolor"}, ["ok", "ok", "ok"]),
        ((120, 40), "UTF-8", {"TERM": "xterm", "NO_COLOR": "1"}, ["ok", "ok", "ok"]),
        ((79, 40), "UTF-8", {"TERM": "xterm-256color"}, ["warning", "ok", "ok"]),
        ((120, 23), "latin-1", {"TERM": "vt100"}, ["warning", "warning", "warning"]),
        ((120, 40), "UTF-8", {"TERM": "dumb"}, ["warning", "ok", "warning"]),
        ((120, 40), "UTF-8", {}, ["warning", "ok", "warning"]),
        (None, "UTF-8", {}, ["skipped"]),
    ],
)
def test_what_a_terminal_can_show(
    size: tuple[int, int] | None, encoding: str, environment: dict[str, str], grades: list[str]
) -> None:
    """Its size, its letters, its colours."""
    found = list(look_at_screen(Screen(size=size, encoding=encoding, environment=environment)))
    assert [finding.grade.value for finding in found] == grades
    assert all(bool(finding.advice) is (finding.grade is not Grade.OK) for finding in found)


# --- the state directory ----------------------------------------------------------------------------------


async def test_a_state_directory_that_others_can_write_to_fails(tmp_path: Path) -> None:
    """As at a start."""
    tmp_path.chmod(0o777)
    found = await look_at_state_dir(tmp_path)
    assert graded(found) == [("state directory", Grade.FAIL), ("engine", Grade.OK)]
    assert "expected that only its owner can write to it, found mode 777" in found[0].found


async def test_a_state_directory_below_a_file_fails(tmp_path: Path) -> None:
    """It can never be made."""
    (tmp_path / "file").write_text("")
    found = await look_at_state_dir(tmp_path / "file" / "state")
    assert graded(found) == [("state directory", Grade.FAIL), ("engine", Grade.OK)]


async def test_an_engine_that_runs_is_seen_and_whether_it_answers(tmp_path: Path) -> None:
    """It is not disturbed."""
    with open_state_dir(tmp_path / "state") as folder:
        silent = await look_at_state_dir(folder)
        with listening_socket(socket_path(folder)):
            answering = await look_at_state_dir(folder)
    assert graded(silent)[1] == ("engine", Grade.WARNING)
    assert graded(answering)[1] == ("engine", Grade.OK)
    assert "its control socket answers" in answering[1].found


async def test_a_journal_that_is_none_fails_and_is_left_as_it_is(tmp_path: Path) -> None:
    """What to do is the journal command's to say."""
    path = tmp_path / "journal.db"
    path.write_bytes(b"something else" * 100)
    found = await look_at_journal(tmp_path)
    assert graded(found) == [("journal", Grade.FAIL)]
    assert path.read_bytes() == b"something else" * 100


# --- the way to the exchange ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ccxt, environment, grade, found",
    [
        ({}, {}, Grade.OK, "none"),
        ({"httpsProxy": "http://me:pass@proxy:8080"}, {}, Grade.OK, "httpsProxy proxy:8080"),
        ({"https_proxy": "http://me:pass@proxy"}, {}, Grade.OK, "httpsProxy proxy"),
        ({"wssProxy": "me:pass@proxy:99999"}, {}, Grade.OK, "wssProxy proxy"),
        ({}, {"HTTPS_PROXY": "http://me:pass@p:1"}, Grade.WARNING, "none, although the environment names p:1"),
        ({"aiohttp_trust_env": True}, {"https_proxy": "http://me:pass@p:1"}, Grade.OK, "p:1, from the environment"),
    ],
)
def test_the_proxy_in_use_is_told_without_user_and_password(
    ccxt: dict[str, object], environment: dict[str, str], grade: Grade, found: str
) -> None:
    """And one that other programs use and this one does not."""
    (finding,) = look_at_proxy(ccxt, environment)
    assert (finding.grade, finding.found) == (grade, found)


def test_addresses_that_are_not_encrypted_are_warned_of() -> None:
    """Wherever they stand among the others."""
    assert look_at_encryption({}).grade is Grade.OK
    assert look_at_encryption({"urls": {"api": {"a": "https://x", "ws": {"b": "ws://127.0.0.1:1"}}}}).grade is (
        Grade.WARNING
    )


# --- the account ------------------------------------------------------------------------------------------


class Account:
    """An exchange that tells of its keys and holds some money."""

    name = "binance"

    def __init__(self, told: KeyPermissions | None = None, **balances: str) -> None:
        self._told = told
        self._balances = {name: Balance(free=Decimal(text), locked=Decimal(0)) for name, text in balances.items()}

    async def permissions(self) -> KeyPermissions | None:
        return self._told

    async def fetch_balances(self) -> dict[str, Balance]:
        return self._balances


@pytest.mark.parametrize(
    "may_trade, may_withdraw, has_ip_list, accepts, grades",
    [
        (True, False, True, False, ["ok"]),
        (True, False, None, False, ["ok"]),
        (True, False, False, False, ["warning"]),
        (True, True, True, False, ["fail"]),
        (True, True, True, True, ["warning"]),
        (False, True, False, False, ["fail", "fail", "warning"]),
        (None, None, None, False, ["warning"]),
    ],
)
async def test_what_the_keys_may_do_decides(
    may_trade: bool | None,
    may_withdraw: bool | None,
    has_ip_list: bool | None,
    accepts: bool,
    grades: list[str],
) -> None:
    """Not known is neither yes nor no: a person is asked to look."""
    told = KeyPermissions(may_trade=may_trade, may_withdraw=may_withdraw, has_ip_list=has_ip_list, detail="may so")
    exchange = cast("CcxtExchange", Account(told))
    found = await look_at_permissions(exchange, accepts_withdrawal=accepts)
    assert [finding.grade.value for finding in found] == grades


async def test_an_account_without_the_coins_of_its_grids_is_warned_of() -> None:
    """It may be another account."""
    _, finding = await look_at_balances(cast("CcxtExchange", Account(DOGE="5")), ("BTC", "USDT"))
    assert finding.grade is Grade.WARNING
    balances, finding = await look_at_balances(cast("CcxtExchange", Account(USDT="5")), ("BTC", "USDT"))
    assert finding == ok("balances", "BTC none; USDT 5 free, 0 locked")
    assert balances["USDT"].free == 5
