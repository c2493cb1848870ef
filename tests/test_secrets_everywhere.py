"""Planted keys are nowhere in what the real program says and writes; and the search for them finds them.

The search itself (``tests/canary.py``) runs after every session over all that its tests wrote.
"""

import base64
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from engine.runtime.redaction import Redactor, install_redaction
from tests.canary import (
    CANARY_ENVIRONMENT,
    CANARY_KEYS,
    PLANTED_NAME,
    assert_no_secret,
    fragments_in,
    plant_keys_file,
)
from tests.program import GRID, RUN, RUN_TO_END, TOP, Place, has_traded

API_KEY, SECRET, _ = CANARY_ENVIRONMENT.values()
MARKET = '[simulation]\nspeed = 3600\n[exchange]\nkeys = "{keys}"\n'
LEAK = """
def test_that_leaks(tmp_path):
    (tmp_path / "note.txt").write_text({text!r})
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The program's folder, with planted keys in its environment and in a file that its configuration names."""
    for name, value in CANARY_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    keys = plant_keys_file(tmp_path / "keys")
    return Place(tmp_path, MARKET.format(keys=f"file:{keys}") + GRID)


async def test_redaction_is_not_needed_for_what_a_run_says_and_writes(place: Place) -> None:
    """Neither its log, journal, books and socket nor what the commands print of them have a key."""
    with place.start(*RUN) as running:
        await running.wait_for(has_traded)
        said = [place.run(*words) for words in (("status", "--json"), ("events",), ("pause",), ("reconcile",))]
        said.append(running.end())
    said += [
        place.run(*words)
        for words in (
            ("journal", "export", "--output", "export.jsonl"),
            ("journal", "replay", "--json"),
            ("config", "show"),
            ("keys", "check", "--json"),
            RUN_TO_END,
        )
    ]
    # Only the last is wrong use: nothing is replayed.
    assert [outcome.code for outcome in said] == [0] * (len(said) - 1) + [2]
    assert json.loads(said[-2].out)["fingerprint"] == CANARY_KEYS.fingerprint()
    assert_no_secret(place.folder, *(text for outcome in said for text in (outcome.out, outcome.err)))


@pytest.mark.parametrize(
    "wrong",
    [
        f'[exchange]\nkeys = "{SECRET}"\n',
        f'[exchange]\napiKey = "{API_KEY}"\n',
        f'[exchange.ccxt]\nsecret = "{SECRET}"\n',
        f'[exchange.ccxt]\nheaders = {{ X-MBX-APIKEY = "{API_KEY}", password = "{SECRET}" }}\n',
    ],
    ids=["as the place", "beside the place", "for ccxt", "as a header"],
)
def test_mm_003_a_key_in_the_configuration_is_refused_without_being_quoted(tmp_path: Path, wrong: str) -> None:
    """It would end under version control."""
    place = Place(tmp_path, wrong + GRID)
    (tmp_path / "my.toml").rename(tmp_path / PLANTED_NAME)
    for words in (("config", "check"), ("keys", "check")):
        outcome = place.run(*words, config=PLANTED_NAME)
        assert outcome.code == 2, outcome
        assert_no_secret(outcome.out, outcome.err)
    assert_no_secret(tmp_path)


async def test_secrets_in_exceptions_of_the_real_ccxt_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    """Its errors quote the signed address, its client keeps the last headers, and its logger tells everything."""
    import ccxt.async_support

    client = ccxt.async_support.binance({"apiKey": API_KEY, "secret": SECRET})
    # Nobody listens there.
    client.urls["api"]["private"] = "http://127.0.0.1:1/api/v3"
    uninstall = install_redaction(Redactor(CANARY_KEYS.every()))
    try:
        with caplog.at_level(logging.DEBUG):
            with pytest.raises(ccxt.async_support.NetworkError, match=r"&signature=[0-9a-f]{64}$") as caught:
                await client.private_get_openorders({"symbol": "BTCUSDT"})
            headers = client.last_request_headers
            logging.getLogger("gridwright").error("sent: %s", headers, exc_info=caught.value)
    finally:
        uninstall()
        await client.close()
    assert headers["X-MBX-APIKEY"] == API_KEY
    ours = [record.getMessage() for record in caplog.records if record.name == "gridwright"]
    assert ours == [f"sent: {headers}".replace(API_KEY, "***")]
    assert "&signature=***" in caplog.text
    assert [record.name for record in caplog.records if record.name.startswith("ccxt")] == []
    assert_no_secret(caplog.text)


# --- the search -------------------------------------------------------------------------------------------


def test_the_search_finds_a_fragment_of_six_characters_of_every_key() -> None:
    """And nothing in five, nor in a text that has what every fragment has."""
    for value in CANARY_ENVIRONMENT.values():
        for at in range(len(value) - 6 + 1):
            fragment = value[at : at + 6]
            with pytest.raises(AssertionError):
                assert_no_secret(f"<{fragment}>")
            assert_no_secret(f"<{fragment[:5]}>", f"<{fragment[1:]}>")
    assert_no_secret("zQ7", "zQ7-zQ7_zQ7", "")


@pytest.mark.parametrize("value", CANARY_ENVIRONMENT.values(), ids=CANARY_ENVIRONMENT)
def test_the_search_finds_keys_that_are_written_in_other_ways(value: str) -> None:
    """In hexadecimal digits, and in base64 behind anything."""
    raw = value.encode()
    for text in (raw.hex(), raw.hex().upper(), *(base64.b64encode(b"x" * n + raw).decode() for n in range(6))):
        with pytest.raises(AssertionError):
            assert_no_secret(text)


def test_the_search_looks_into_every_file_but_the_planted_one(tmp_path: Path) -> None:
    """A database and a file of any bytes among them; it tells which."""
    plant_keys_file(tmp_path / "keys")
    assert_no_secret(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    database = tmp_path / "a" / "journal.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.execute("INSERT INTO notes VALUES (?)", (f"of {SECRET[20:30]}",))
    connection.commit()
    connection.close()
    screen = tmp_path / "a" / "b" / "screen.svg"
    screen.write_bytes(b"\xff\x00" * 5000 + API_KEY[-6:].encode())
    try:
        assert sorted(line.split(", at ")[0] for line in fragments_in(tmp_path)) == [str(screen), str(database)]
        assert list(fragments_in(screen)) == [f"{screen}, at 10000"]
    finally:
        # The search after the session would find them too.
        screen.unlink()
        database.unlink()


@pytest.mark.parametrize("text, code", [(f"the key is {API_KEY}", 1), ("nothing to see", 0)], ids=["leak", "none"])
def test_a_session_that_wrote_a_planted_key_fails(text: str, code: int) -> None:
    """Although each of its tests passed."""
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_one.py"
        test.write_text(LEAK.format(text=text))
        options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--basetemp={folder}/base"]
        child = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *options, "-c", str(TOP / "pyproject.toml"), str(test)],
            cwd=TOP,
            env={**os.environ, "PYTHONPATH": str(TOP)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert child.returncode == code, child.stdout + child.stderr
    assert "1 passed" in child.stdout
    assert ("note.txt, at 11" in child.stdout) is bool(code)
