"""Where keys come from and go to: the keyring, the environment, a file; and what each refuses."""

import json
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from engine.model.errors import SettingsInvalid
from engine.model.secret import ExchangeKeys, Secret
from engine.runtime.exchange_keys import VARIABLES, keys_place, load_keys, store_keys
from engine.runtime.keys_text import KeysProblem, keys_from_texts
from engine.settings import ExchangeSettings, MarketType
from tests.canary import CANARY_ENVIRONMENT, CANARY_KEYS, PLANTED_NAME, assert_no_secret, plant_keys_file
from tests.settings_builders import GRID, load

API_KEY, SECRET, PASSWORD = CANARY_ENVIRONMENT.values()
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc\nAwEHoUQDQgAE\n-----END EC PRIVATE KEY-----\n"
OTHERS = (
    'write exchange.keys = "file:PATH" for a file that only you can read, or "env" for the environment variables '
    "GRIDWRIGHT_API_KEY, GRIDWRIGHT_SECRET and GRIDWRIGHT_PASSWORD"
)
SET_THEM = (
    "set GRIDWRIGHT_API_KEY and GRIDWRIGHT_SECRET, and GRIDWRIGHT_PASSWORD if the exchange asks for a pass phrase"
)


class MemoryKeyring(KeyringBackend):
    """A keyring for the real library, kept in memory."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


class LockedKeyring(MemoryKeyring):
    """A keyring whose owner has not unlocked it, and whose error quotes what it was given."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked(API_KEY)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise ValueError(password)


class ForgetfulKeyring(MemoryKeyring):
    """A keyring that takes everything and has something else afterwards."""

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = json.dumps({"api_key": "another-key", "secret": "another-secret"})


@pytest.fixture(autouse=True)
def _keyring_as_before() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def memory() -> MemoryKeyring:
    """A keyring in memory, in use."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of our own."""
    made = tmp_path / "mine"
    made.mkdir(mode=0o700)
    return made


def settings(keys: str, *, id: str = "binance", sandbox: bool = False) -> ExchangeSettings:  # noqa: A002 - its name
    """An exchange whose keys are there."""
    return ExchangeSettings(id=id, market_type=MarketType.SPOT, sandbox=sandbox, keys=keys, ccxt={})


def problem_of(act: Callable[[], object]) -> str:
    """What is told; nothing of a planted key is in it, nor in its traceback with all locals."""
    with pytest.raises(SettingsInvalid) as caught:
        act()
    # This test's own frame may hold what it planted; those of the engine may not.
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = [str(frame.locals) for frame in frames.stack if "/engine/" in frame.filename.replace(os.sep, "/")]
    assert shown
    assert_no_secret(str(caught.value), *shown)
    assert caught.value.__context__ is None
    return str(caught.value)


def file_problem(path: Path) -> str:
    """What is told of a file of keys, without its name."""
    problem = problem_of(lambda: load_keys(settings(f"file:{path}")))
    assert problem.startswith(f"{path}: ")
    return problem.removeprefix(f"{path}: ")


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """A file with this mode, whatever the umask."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


# --- the environment --------------------------------------------------------------------------------------


def test_keys_from_the_environment_are_gone_from_it_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """No child process and no dump of the environment has them."""
    for name, value in CANARY_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert load_keys(settings("env")) == CANARY_KEYS
    assert not os.environ.keys() & set(VARIABLES)


def test_an_environment_without_keys_says_which_variables_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are there are taken away: half of a pair is a secret too."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert problem_of(lambda: load_keys(settings("env"))) == (
        f"environment: api_key: expected a value, found nothing; {SET_THEM}"
    )
    monkeypatch.setenv(VARIABLES[0], API_KEY)
    assert problem_of(lambda: load_keys(settings("env"))) == (
        f"environment: secret: expected a value, found nothing; {SET_THEM}"
    )
    assert VARIABLES[0] not in os.environ


def test_the_environment_stores_nothing() -> None:
    """It belongs to whoever starts the program."""
    problem = problem_of(lambda: store_keys(settings("env"), CANARY_KEYS))
    assert problem == (
        'exchange.keys: expected keyring or file:PATH to store keys in, found "env": the program cannot change '
        "the environment that it is started from; set GRIDWRIGHT_API_KEY and GRIDWRIGHT_SECRET, and "
        "GRIDWRIGHT_PASSWORD if the exchange asks for a pass phrase there, or change exchange.keys"
    )


# --- a file -----------------------------------------------------------------------------------------------


def test_keys_at_rest_in_a_file_of_ones_own_are_read(folder: Path) -> None:
    """With a pass phrase and without, and stricter than 0600 too."""
    assert load_keys(settings(f"file:{plant_keys_file(folder)}")) == CANARY_KEYS
    path = write(folder / PLANTED_NAME, f"api_key = '{API_KEY}'\nsecret = '{SECRET}'\n", 0o400)
    assert load_keys(settings(f"file:{path}")) == ExchangeKeys(api_key=CANARY_KEYS.api_key, secret=CANARY_KEYS.secret)


def test_a_relative_file_of_keys_lies_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one with a tilde at home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for written, meant in (
        ("my/keys.toml", tmp_path / "my" / "keys.toml"),
        ("~/keys.toml", tmp_path / "home" / "keys.toml"),
        ("/etc/keys.toml", Path("/etc/keys.toml")),
    ):
        found = load(f'[exchange]\nkeys = "file:{written}"\n{GRID}', tmp_path).exchange
        assert found.keys == f"file:{meant}"
        assert str(keys_place(found)) == f"the file {meant}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o700, 0o4600])
def test_keys_at_rest_that_others_may_read_are_refused(folder: Path, mode: int) -> None:
    """They may have been read already."""
    path = plant_keys_file(folder)
    path.chmod(mode)
    assert file_problem(path) == (
        f"expected a file that only its owner can read, found mode {mode:04o}: run chmod 600 {path}; "
        "if others may have read it, make new keys at the exchange"
    )


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_keys_at_rest_where_others_may_write_are_refused(folder: Path, mode: int) -> None:
    """They could put another file in its place; the sticky folder for temporary files is no home for keys."""
    path = plant_keys_file(folder)
    folder.chmod(mode)
    assert file_problem(path) == (
        f"expected a folder in which only its owner can write, found mode {mode:04o}: run chmod 700 {folder}, "
        "or move the file to a folder of your own"
    )


def test_keys_at_rest_behind_a_link_are_refused(folder: Path) -> None:
    """Nobody shall choose which file is read."""
    (folder / "link.toml").symlink_to(plant_keys_file(folder))
    assert file_problem(folder / "link.toml") == "expected a file with exchange keys, found a link"
    (folder / "nowhere.toml").symlink_to(folder / "gone")
    assert file_problem(folder / "nowhere.toml") == "expected a file with exchange keys, found a link"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_keys_at_rest_of_somebody_else_are_refused(folder: Path) -> None:
    """The file's owner, and the folder's."""
    path = plant_keys_file(folder)
    os.chown(path, 12345, 12345)
    assert file_problem(path) == f"expected a file of user 0, found one of user 12345: run chown 0 {path}"
    os.chown(path, 0, 0)
    os.chown(folder, 12345, 12345)
    assert file_problem(path) == (
        "expected its folder to be owned by user 0, found one of user 12345: move the file to a folder of your own"
    )


def test_what_is_no_regular_file_holds_no_keys(folder: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(folder / "pipe", 0o600)
    assert file_problem(folder / "pipe") == "expected a regular file with exchange keys, found another kind"
    (folder / "inner").mkdir()
    assert "found" in file_problem(folder / "inner")


def test_a_missing_file_says_how_it_is_made(folder: Path) -> None:
    """The file's folder may be missing too."""
    for path in (folder / "none.toml", folder / "none" / "none.toml"):
        assert file_problem(path) == (
            "expected a file with exchange keys, found no file: gridwright keys set writes it"
        )


@pytest.mark.parametrize(
    "content, expected",
    [
        (f"api_key = {API_KEY}", 'expected TOML such as api_key = "...", one key a line, found something else'),
        (f"{SECRET}==", 'expected TOML such as api_key = "...", one key a line, found something else'),
        (b"\xff\xfe", 'expected TOML such as api_key = "...", one key a line, found something else'),
        ("a = " + "[" * 9000, 'expected TOML such as api_key = "...", one key a line, found something else'),
        (f'{SECRET} = "x"', "expected api_key, secret and password alone, found other keys"),
        (f'[binance]\napi_key = "{API_KEY}"', "expected api_key, secret and password alone, found other keys"),
        ("api_key = 12345678", "expected every value in quotation marks, found another kind of value"),
        ("", "api_key: expected a value, found nothing"),
        (f'api_key = "{API_KEY}"', "secret: expected a value, found nothing"),
        (f'api_key = "{API_KEY}"\nsecret = "short"', "secret: expected at least 8 characters, found fewer"),
        ("#" * 70_000, "expected at most 65536 bytes, found more"),
    ],
    ids=[
        *("unquoted", "bare", "bytes", "deep", "key as a name", "table", "number"),
        *("empty", "half", "short", "huge"),
    ],
)
def test_a_file_that_holds_no_keys_says_what_was_expected(folder: Path, content: str | bytes, expected: str) -> None:
    """And quotes nothing of it."""
    path = write(folder / PLANTED_NAME, content)
    assert file_problem(path) == expected


def test_keys_stored_in_a_file_are_for_its_owner_alone(tmp_path: Path) -> None:
    """Also if the folder has to be made, the umask is careless and the old file was open to all."""
    path = tmp_path / "new" / PLANTED_NAME
    before = os.umask(0)
    try:
        store_keys(settings(f"file:{path}"), CANARY_KEYS)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.parent.stat().st_mode & 0o7777 == 0o700
    assert load_keys(settings(f"file:{path}")) == CANARY_KEYS
    path.chmod(0o666)
    other = ExchangeKeys(api_key=Secret("another-key"), secret=Secret(PEM))
    store_keys(settings(f"file:{path}"), other)
    assert load_keys(settings(f"file:{path}")) == other
    assert os.listdir(path.parent) == [PLANTED_NAME]


def test_keys_are_not_stored_where_others_may_write_nor_over_a_link(folder: Path) -> None:
    """And nothing is left of the attempt."""
    (folder / "link.toml").symlink_to(folder / "target.toml")
    assert problem_of(lambda: store_keys(settings(f"file:{folder / 'link.toml'}"), CANARY_KEYS)) == (
        f"{folder / 'link.toml'}: expected no file, or a regular one to replace, found a link or another kind"
    )
    folder.chmod(0o777)
    problem = problem_of(lambda: store_keys(settings(f"file:{folder / PLANTED_NAME}"), CANARY_KEYS))
    assert "found mode 0777: run chmod 700" in problem
    assert os.listdir(folder) == ["link.toml"]


def test_a_store_that_fails_in_the_middle_leaves_the_old_keys_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is replaced whole or not at all."""
    path = plant_keys_file(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    other = ExchangeKeys(api_key=Secret("another-key"), secret=Secret("another-secret"))
    problem = problem_of(lambda: store_keys(settings(f"file:{path}"), other))
    assert problem == f"{path}: expected a place to write the keys to, found: No space left on device"
    assert load_keys(settings(f"file:{path}")) == CANARY_KEYS
    assert os.listdir(folder) == [PLANTED_NAME]


# --- the keyring ------------------------------------------------------------------------------------------


def test_keys_in_the_keyring_are_one_entry_of_each_exchange(memory: MemoryKeyring) -> None:
    """The sandbox has its own, so that the one is never traded with by the keys of the other."""
    store_keys(settings("keyring"), CANARY_KEYS)
    other = ExchangeKeys(api_key=Secret("another-key"), secret=Secret(PEM))
    store_keys(settings("keyring", id="coinbase", sandbox=True), other)
    assert set(memory.entries) == {("gridwright:binance", "keys"), ("gridwright:coinbase:sandbox", "keys")}
    assert load_keys(settings("keyring")) == CANARY_KEYS
    assert load_keys(settings("keyring", id="coinbase", sandbox=True)) == other


def test_a_keyring_without_keys_says_how_they_are_stored(memory: MemoryKeyring) -> None:
    """With the name of the entry."""
    assert problem_of(lambda: load_keys(settings("keyring", sandbox=True))) == (
        "keyring: gridwright:binance:sandbox: expected exchange keys, found none: gridwright keys set stores them"
    )


@pytest.mark.parametrize(
    "entry", [SECRET, "[]", f'{{"key": "{SECRET}"}}', f'{{"secret": ["{SECRET}"]}}', "[" * 9000], ids=range(5)
)
def test_an_entry_that_somebody_else_made_is_refused(memory: MemoryKeyring, entry: str) -> None:
    """Without a word of it."""
    memory.entries["gridwright:binance", "keys"] = entry
    assert problem_of(lambda: load_keys(settings("keyring"))) == (
        "keyring: gridwright:binance: expected an entry made by gridwright keys set, found another: set them again"
    )


@pytest.mark.parametrize("backend", ["fail", "null"])
def test_a_system_without_a_keyring_names_the_other_two_places(backend: str) -> None:
    """Also one that would take keys and forget them."""
    keyring.core.set_keyring(keyring.core.load_keyring(f"keyring.backends.{backend}.Keyring"))
    told = f"keyring: expected one on this system, found none: {OTHERS}"
    assert problem_of(lambda: load_keys(settings("keyring"))) == told
    assert problem_of(lambda: store_keys(settings("keyring"), CANARY_KEYS)) == told


def test_a_keyring_that_keeps_plain_text_is_refused(memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of mode 0600 says honestly what it is."""
    monkeypatch.setattr(MemoryKeyring, "__module__", "keyrings.alt.file")
    assert problem_of(lambda: load_keys(settings("keyring"))) == (
        f"keyring: expected one that encrypts, found MemoryKeyring: {OTHERS}"
    )


def test_a_locked_keyring_says_so_and_quotes_nothing() -> None:
    """Whatever its own error quotes."""
    keyring.set_keyring(LockedKeyring())
    assert problem_of(lambda: load_keys(settings("keyring"))) == (
        f"keyring: expected an answer, found KeyringLocked: unlock it, or {OTHERS}"
    )
    assert problem_of(lambda: store_keys(settings("keyring"), CANARY_KEYS)) == (
        f"keyring: expected it to keep the keys, found ValueError: unlock it, or {OTHERS}"
    )


def test_keys_that_cannot_be_read_back_are_not_stored() -> None:
    """It is told now, not at the next start."""
    keyring.set_keyring(ForgetfulKeyring())
    assert problem_of(lambda: store_keys(settings("keyring"), CANARY_KEYS)) == (
        f"keyring: expected to read back what was stored, found something else: {OTHERS}"
    )


# --- what a person typed ----------------------------------------------------------------------------------


def made(api_key: str = API_KEY, secret: str = SECRET, password: str = "") -> ExchangeKeys | KeysProblem:
    """Keys of texts, good ones unless told otherwise."""
    return keys_from_texts(api_key=api_key, secret=secret, password=password)


def test_blanks_around_keys_are_ignored() -> None:
    """They come with every second copy."""
    assert made(f" {API_KEY}\n", f"\t{SECRET} ", f"{PASSWORD}\r\n") == CANARY_KEYS


@pytest.mark.parametrize(
    "written", [PEM, PEM.rstrip(), PEM.replace("\n", "\\n"), PEM.replace("\n", "\r\n"), PEM.replace("\n", "\n\n  ")]
)
def test_a_private_key_comes_out_as_the_lines_it_has(written: str) -> None:
    """Some exchanges hand it out with its line breaks written as backslash n."""
    assert made(secret=written) == ExchangeKeys(api_key=CANARY_KEYS.api_key, secret=Secret(PEM))


@pytest.mark.parametrize(
    "texts, expected",
    [
        ({"api_key": "with a blank"}, "api_key: expected printable ASCII without spaces, found something else"),
        ({"api_key": "two\nlines-of-it"}, "api_key: expected printable ASCII without spaces, found something else"),
        ({"secret": "ключключключ"}, "secret: expected printable ASCII without spaces, found something else"),
        ({"password": "bell\x07rings"}, "password: expected printable characters, found others"),
        ({"password": "x" * 20_000}, "password: expected at most 16384 characters, found more"),
        ({"api_key": "xy" * 20_000}, "api_key: expected at most 16384 characters, found more"),
        ({"secret": PEM[:40]}, "secret: expected a private key up to its END line, found only its beginning"),
        ({"secret": PEM.replace("M", "é")}, "secret: expected a private key in PEM form, found other characters in it"),
        ({"secret": PEM.replace("M", "M" * 20_000)}, "secret: expected a private key, found a far longer text"),
    ],
    ids=[
        *("blank", "two lines", "letters", "control", "long pass phrase", "long key"),
        *("half a private key", "letters in a private key", "long private key"),
    ],
)
def test_what_cannot_be_a_key_is_refused_without_being_quoted(texts: dict[str, str], expected: str) -> None:
    """A line break in a header would come back in an error that quotes the header."""
    assert made(**texts) == KeysProblem(expected)


@pytest.mark.parametrize(
    "placeholder",
    ["YOUR_API_KEY", "your-secret", "changeme", "CHANGE_ME", "<api key>", "${API_KEY}", "xxxxxxxxxxxx", "..."],
)
def test_mm_003_placeholders_are_no_keys(placeholder: str) -> None:
    """They would be refused by the exchange, one failed login after the other."""
    for name in ("api_key", "secret"):
        assert made(**{name: placeholder}) == KeysProblem(
            f"{name}: expected the one that the exchange gave you, found a placeholder"
        )
