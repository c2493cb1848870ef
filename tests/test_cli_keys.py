"""``gridwright keys``: what is asked and stored, what is told, and that no key is ever shown."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.canary import CANARY_ENVIRONMENT, CANARY_KEYS, PLANTED_NAME, assert_no_secret, plant_keys_file
from tests.program import GRID, TOP, Outcome

API_KEY, SECRET, PASSWORD = CANARY_ENVIRONMENT.values()
FINGERPRINT = CANARY_KEYS.fingerprint()
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc\nAwEHoUQDQgAE\n-----END EC PRIVATE KEY-----\n"
SECRET_LINES = PEM.splitlines()


class Desk:
    """A folder with a configuration that has its keys in a file, and the real program run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "mine" / PLANTED_NAME
        self.configure(f"file:mine/{PLANTED_NAME}")

    def configure(self, keys: str, *, sandbox: bool = False) -> None:
        exchange = f'[exchange]\nid = "okx"\nkeys = "{keys}"\nsandbox = {str(sandbox).lower()}\n'
        (self.folder / "my.toml").write_text(exchange + GRID)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tui.main", "--config", "my.toml", "keys", *words]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {
            "HOME": str(self.folder),
            "PYTHONPATH": str(TOP),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        return {**os.environ, **own, **more}

    def run(self, *words: str, typed: str | bytes = "", more: Mapping[str, str] | None = None) -> Outcome:
        """The program with this on its stdin; whatever it says shows no key."""
        child = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(more or {}),
            input=typed.encode() if isinstance(typed, str) else typed,
            capture_output=True,
            timeout=60,
            check=False,
        )
        outcome = Outcome(code=child.returncode, out=child.stdout.decode(), err=child.stderr.decode())
        assert_no_secret(outcome.out, outcome.err)
        return outcome


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder with a configuration."""
    return Desk(tmp_path)


def test_keys_set_from_stdin_are_stored_in_the_configured_file(desk: Desk) -> None:
    """And found there by check, by the same fingerprint."""
    stored = desk.run("set", "--from-stdin", typed=f"{API_KEY}\n{SECRET}\n{PASSWORD}\n")
    told = f"keys: in the file {desk.file}, with a pass phrase\nfingerprint: {FINGERPRINT}\n"
    assert (stored.code, stored.out) == (0, told)
    assert stored.err.splitlines() == [
        f"keys of okx, to be kept in the file {desk.file}",
        "stored; give them the right to trade alone, never to withdraw or to transfer",
    ]
    assert desk.file.stat().st_mode & 0o777 == 0o600
    checked = desk.run("check")
    assert (checked.code, checked.out, checked.err) == (0, told, "")


@pytest.mark.parametrize("typed", [f"{API_KEY}\n{SECRET}", f"{API_KEY}\r\n{SECRET}\r\n\r\n"], ids=["two", "three"])
def test_keys_set_takes_two_lines_where_there_is_no_pass_phrase(desk: Desk, typed: str) -> None:
    """The third may be empty or missing."""
    assert desk.run("set", "--from-stdin", typed=typed).code == 0
    assert desk.run("check").out.startswith(f"keys: in the file {desk.file}, without a pass phrase\n")


@pytest.mark.parametrize("written", [PEM.rstrip(), PEM.rstrip().replace("\n", "\\n")], ids=["lines", "one line"])
def test_keys_set_takes_a_private_key_of_many_lines(desk: Desk, written: str) -> None:
    """As it is, or in one line with its breaks written out."""
    assert desk.run("set", "--from-stdin", typed=f"{API_KEY}\n{written}\n{PASSWORD}\n").code == 0
    assert "MHcCAQEEIAbc\\nAwEHoUQDQgAE\\n-----END" in desk.file.read_text()
    assert "with a pass phrase" in desk.run("check").out


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("", "nothing was stored: api_key: expected a value, found nothing"),
        (f"{API_KEY}\n", "nothing was stored: secret: expected a value, found nothing"),
        (f"{API_KEY}\n{PEM[:40]}", "nothing was stored: secret: expected a private key up to its END line, "),
        (f"{API_KEY} {SECRET}\n", "nothing was stored: api_key: expected printable ASCII without spaces, "),
        (SECRET.encode() + b"\xff\n", "nothing was stored: "),  # in words that depend on the locale
        (
            f"{API_KEY}\n{SECRET}\n\n{PASSWORD}\n",
            "nothing was stored: stdin: expected API key, secret and pass phrase, ",
        ),
        (f"{API_KEY}\n" + "ab" * 16_000, "nothing was stored: secret: expected at most 16384 characters, found more"),
    ],
    ids=["nothing", "half", "half a private key", "one line", "bytes", "too many lines", "too long"],
)
def test_keys_set_stores_nothing_of_what_cannot_be_keys(desk: Desk, typed: str | bytes, expected: str) -> None:
    """And quotes none of it."""
    outcome = desk.run("set", "--from-stdin", typed=typed)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1].startswith(expected)
    assert not desk.file.exists()


def test_keys_set_asks_only_on_a_terminal(desk: Desk) -> None:
    """A pipe would be a script that has forgotten an option."""
    outcome = desk.run("set", typed=f"{API_KEY}\n{SECRET}\n")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == "nothing was stored: expected a terminal to ask on, or --from-stdin"


def test_keys_set_reads_no_keys_for_a_script_from_a_terminal(desk: Desk) -> None:
    """The terminal would show them."""
    leader, follower = pty.openpty()
    try:
        child = subprocess.run(
            desk.command("set", "--from-stdin"),
            cwd=desk.folder,
            env=desk.environment({}),
            stdin=follower,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert child.returncode == 2
    assert child.stderr.splitlines()[-1] == (
        "nothing was stored: expected a pipe or a file as stdin, found a terminal, which would show the keys: "
        "leave --from-stdin out"
    )


def test_keys_set_refuses_the_environment_before_it_asks(desk: Desk) -> None:
    """With what to do."""
    desk.configure("env")
    outcome = desk.run("set", "--from-stdin", typed=f"{API_KEY}\n{SECRET}\n")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith('exchange.keys: expected keyring or file:PATH to store keys in, found "env": ')
    assert len(outcome.err.splitlines()) == 1


def test_a_system_without_a_keyring_refuses_to_set_and_fails_to_check(desk: Desk) -> None:
    """Both name the other two places."""
    desk.configure("keyring")
    for words, code in ((("set", "--from-stdin"), 2), (("check",), 1)):
        outcome = desk.run(*words, typed=f"{API_KEY}\n{SECRET}\n")
        assert (outcome.code, outcome.out) == (code, "")
        assert 'write exchange.keys = "file:PATH"' in outcome.err
        assert '"env"' in outcome.err


def test_keys_check_finds_them_in_the_environment(desk: Desk) -> None:
    """As one object for programs."""
    desk.configure("env", sandbox=True)
    outcome = desk.run("check", "--json", more=CANARY_ENVIRONMENT)
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out) == {
        "exchange": "okx",
        "sandbox": True,
        "place": "the environment",
        "found": True,
        "fingerprint": FINGERPRINT,
        "password": True,
        "problems": [],
    }


def test_keys_check_fails_where_there_are_none_and_where_the_place_is_not_safe(desk: Desk) -> None:
    """The object says why, and so does stderr."""
    none = desk.run("check", "--json")
    problem = f"{desk.file}: expected a file with exchange keys, found no file: gridwright keys set writes it"
    assert (none.code, none.err) == (1, f"{problem}\n")
    assert json.loads(none.out) == {
        "exchange": "okx",
        "sandbox": False,
        "place": f"the file {desk.file}",
        "found": False,
        "fingerprint": None,
        "password": False,
        "problems": [problem],
    }
    plant_keys_file(desk.file.parent).chmod(0o644)
    unsafe = desk.run("check")
    assert (unsafe.code, unsafe.out) == (1, "")
    assert f"found mode 0644: run chmod 600 {desk.file}" in unsafe.err


@pytest.mark.parametrize("words", [(), ("show",), ("set", "--api-key", "x"), ("check", "--from-stdin")])
def test_keys_takes_no_key_on_the_command_line_and_nothing_else_unknown(desk: Desk, words: tuple[str, ...]) -> None:
    """Everybody on the machine can list the command lines of its processes."""
    assert desk.run(*words).code == 2


def test_a_wrong_configuration_is_told_before_anything_is_asked(desk: Desk) -> None:
    """With the key that is wrong."""
    desk.configure("somewhere")
    for words in (("set", "--from-stdin"), ("check",)):
        outcome = desk.run(*words)
        assert outcome.code == 2
        assert outcome.err.startswith("my.toml: exchange.keys: expected keyring, env or file:PATH")


@pytest.fixture
def seen(desk: Desk) -> Iterator[str]:
    """All that a terminal showed while a person typed the planted keys into it."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        desk.command("set"),
        cwd=desk.folder,
        env=desk.environment({}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as process:
        os.close(follower)
        try:
            yield _conversation(leader)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            os.close(leader)


def _conversation(leader: int) -> str:
    shown, prompts, answers = "", 0, iter((API_KEY, *SECRET_LINES, PASSWORD))
    while select.select([leader], [], [], 60)[0]:
        try:
            part = os.read(leader, 4096).decode()
        except OSError:
            # The other end has closed the line.
            return shown
        shown += part
        if shown.endswith(": ") and shown.count(": ") > prompts:
            prompts = shown.count(": ")
            os.write(leader, f"{next(answers)}\n".encode())
    raise AssertionError(f"the program went quiet after {shown!r}")


def test_keys_set_asks_a_person_and_the_terminal_shows_nothing_that_is_typed(seen: str, desk: Desk) -> None:
    """Also the lines of a private key, of which the next line of a shell would be made otherwise."""
    assert_no_secret(seen)
    assert not any(line in seen for line in SECRET_LINES)
    assert seen.count("... its next line: ") == len(SECRET_LINES) - 1
    assert f"fingerprint: {FINGERPRINT}" in seen
    assert "AwEHoUQDQgAE" in desk.file.read_text()


def test_the_library_of_the_keyring_is_met_only_when_keys_are_wanted() -> None:
    """It costs a start more than it may take."""
    child = subprocess.run(
        [sys.executable, "-c", "import sys, engine.cli.keys; print('keyring' in sys.modules)"],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert child.stdout == "False\n"
