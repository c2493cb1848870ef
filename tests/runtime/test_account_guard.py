"""Whose journal lies in a state directory, and who trades an account: refused in one line, before anything is asked."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.errors import SettingsInvalid
from engine.model.snapshot import Mode
from engine.runtime.account_guard import Account, check_simulated, hold_account, take_account
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.state_dir import ACCOUNT_NAME
from engine.settings import MarketType

LIVE = Account(mode=Mode.LIVE, exchange="binance", market_type=MarketType.SPOT, sandbox=False, key="3f9a01c27be4")
PAPER = replace(LIVE, mode=Mode.PAPER, key="")
HOLDER = """
import sys
from pathlib import Path
from engine.model.snapshot import Mode
from engine.runtime.account_guard import Account, hold_account
from engine.settings import MarketType
account = Account(mode=Mode.LIVE, exchange="binance", market_type=MarketType.SPOT, sandbox=False, key="3f9a01c27be4")
with hold_account(account, Path("elsewhere")):
    print("held", flush=True)
    sys.stdin.read()
"""


def begun(folder: Path, account: Account) -> Path:
    """A state directory with a journal of this account."""
    take_account(folder, account, is_key_renewed=False)
    (folder / JOURNAL_NAME).touch()
    return folder


def refusal(folder: Path, account: Account, *, is_key_renewed: bool = False) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        take_account(folder, account, is_key_renewed=is_key_renewed)
    return str(caught.value)


def test_the_same_account_goes_on_in_its_own_directory(tmp_path: Path) -> None:
    begun(tmp_path, LIVE)
    take_account(tmp_path, LIVE, is_key_renewed=False)
    assert (tmp_path / ACCOUNT_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "other, words",
    [
        (PAPER, "paper binance spot"),
        (replace(LIVE, exchange="kraken"), "live kraken spot, key 3f9a01c27be4"),
        (replace(LIVE, market_type=MarketType.SWAP), "live binance swap, key 3f9a01c27be4"),
        (replace(LIVE, sandbox=True), "sandbox binance spot, key 3f9a01c27be4"),
    ],
)
def test_another_account_is_refused_with_both_of_them_named(other: Account, words: str, tmp_path: Path) -> None:
    before = begun(tmp_path, LIVE).joinpath(ACCOUNT_NAME).read_bytes()
    assert refusal(tmp_path, other, is_key_renewed=True) == (
        f"state_dir {tmp_path}: expected the account of its journal (live binance spot, key 3f9a01c27be4), "
        f"found {words}: use another --state-dir for each account"
    )
    assert tmp_path.joinpath(ACCOUNT_NAME).read_bytes() == before


def test_another_key_is_another_account_until_somebody_says_that_it_was_renewed(tmp_path: Path) -> None:
    begun(tmp_path, LIVE)
    renewed = replace(LIVE, key="000000000001")
    assert refusal(tmp_path, renewed).endswith(
        "if the account is the same and only its key was renewed, add --key-renewed"
    )
    take_account(tmp_path, renewed, is_key_renewed=True)
    take_account(tmp_path, renewed, is_key_renewed=False)
    assert "000000000001" in refusal(tmp_path, LIVE)


def test_a_simulation_and_an_account_never_share_a_journal(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).touch()
    check_simulated(tmp_path)
    assert "the account of its journal (a simulation), found paper binance spot" in refusal(tmp_path, PAPER)
    (tmp_path / JOURNAL_NAME).unlink()
    begun(tmp_path, PAPER)
    with pytest.raises(SettingsInvalid, match="expected the journal of a simulation, found one of paper binance spot"):
        check_simulated(tmp_path)


def test_a_record_without_a_journal_binds_nobody(tmp_path: Path) -> None:
    take_account(tmp_path, LIVE, is_key_renewed=False)
    take_account(tmp_path, PAPER, is_key_renewed=False)
    check_simulated(tmp_path)
    assert not (tmp_path / ACCOUNT_NAME).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mode": "live"}', json.dumps({"mode": 3, "sandbox": 1, "key": 2})])
def test_a_record_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    begun(tmp_path, LIVE).joinpath(ACCOUNT_NAME).write_text(text)
    assert refusal(tmp_path, LIVE).startswith(f"{tmp_path / ACCOUNT_NAME}: expected the record of the account")


def test_one_account_has_one_engine_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SettingsInvalid) as caught, hold_account(LIVE, tmp_path):
            pytest.fail("two engines hold one account")
        assert str(caught.value) == (
            "exchange binance: expected no other engine on this account (key 3f9a01c27be4), "
            f"found process {holder.pid} with the state_dir elsewhere: attach to it, or end it with gridwright quit"
        )
        with hold_account(replace(LIVE, key="000000000001"), tmp_path), hold_account(PAPER, tmp_path):
            holder.kill()
            holder.wait()
    with hold_account(LIVE, tmp_path):
        pass
