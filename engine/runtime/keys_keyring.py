"""Exchange keys in the keyring of the operating system: one entry, so that they change together or not at all.

The library is imported when keys are really wanted. A keyring that keeps nothing, or keeps it as plain text, is
no keyring; each trouble names the other places that keys can be in.
"""

import json

from engine.model.errors import SettingsInvalid
from engine.model.secret import ExchangeKeys
from engine.runtime.keys_text import KeysProblem, keys_from_texts

ENTRY = "keys"
"""The user name under which the service has its one entry."""
OTHER_PLACES = (
    'write exchange.keys = "file:PATH" for a file that only you can read, or "env" for the environment variables '
    "GRIDWRIGHT_API_KEY, GRIDWRIGHT_SECRET and GRIDWRIGHT_PASSWORD"
)
_NAMES = frozenset(("api_key", "secret", "password"))
_KEEPS_NOTHING = frozenset(("keyring.backends.fail", "keyring.backends.null"))
_KEEPS_PLAIN_TEXT = "keyrings.alt"


def read_keyring(service: str) -> ExchangeKeys:
    """The keys of a service such as ``gridwright:binance``.

    Raises:
        SettingsInvalid: there is no usable keyring, or no keys are in it.
    """
    found = _keys_in(_asked(service))
    if isinstance(found, KeysProblem):
        raise SettingsInvalid(f"keyring: {service}: {found.text}")
    return found


def write_keyring(service: str, keys: ExchangeKeys) -> None:
    """Put the keys into the keyring, and see that they are in it.

    Raises:
        SettingsInvalid: there is no usable keyring, or it does not take them.
    """
    trouble = _told(service, keys)
    if trouble is not None:
        raise SettingsInvalid(f"keyring: expected it to keep the keys, found {trouble}: unlock it, or {OTHER_PLACES}")
    if read_keyring(service) != keys:
        raise SettingsInvalid(f"keyring: expected to read back what was stored, found something else: {OTHER_PLACES}")


def _asked(service: str) -> str | None:
    import keyring

    _check_backend()
    try:
        return keyring.get_password(service, ENTRY)
    except Exception as error:  # noqa: BLE001 - a backend is foreign code and raises what its system has
        trouble = type(error).__name__
    raise SettingsInvalid(f"keyring: expected an answer, found {trouble}: unlock it, or {OTHER_PLACES}")


def _told(service: str, keys: ExchangeKeys) -> str | None:
    """Store them; the kind of trouble, None if there was none."""
    import keyring

    _check_backend()
    try:
        keyring.set_password(service, ENTRY, _entry(keys))
    except Exception as error:  # noqa: BLE001 - a backend is foreign code and raises what its system has
        return type(error).__name__
    return None


def _check_backend() -> None:
    kind = _kind_of_backend()
    if isinstance(kind, str):
        raise SettingsInvalid(f"keyring: expected one on this system, found {kind}: {OTHER_PLACES}")
    if kind.__module__ in _KEEPS_NOTHING:
        raise SettingsInvalid(f"keyring: expected one on this system, found none: {OTHER_PLACES}")
    if kind.__module__.startswith(_KEEPS_PLAIN_TEXT):
        raise SettingsInvalid(f"keyring: expected one that encrypts, found {kind.__name__}: {OTHER_PLACES}")


def _kind_of_backend() -> type | str:
    """The class of the keyring in use; the kind of trouble if the library finds none it can load."""
    import keyring

    try:
        return type(keyring.get_keyring())
    except Exception as error:  # noqa: BLE001 - a backend is foreign code and raises what its system has
        return type(error).__name__


def _entry(keys: ExchangeKeys) -> str:
    entry = {"api_key": keys.api_key.reveal(), "secret": keys.secret.reveal()}
    return json.dumps(entry if keys.password is None else {**entry, "password": keys.password.reveal()})


def _keys_in(entry: str | None) -> ExchangeKeys | KeysProblem:
    if entry is None:
        return KeysProblem("expected exchange keys, found none: gridwright keys set stores them")
    try:
        document = json.loads(entry)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.keys() - _NAMES:
        return KeysProblem("expected an entry made by gridwright keys set, found another: set them again")
    texts = {name: document.get(name, "") for name in _NAMES}
    if not all(isinstance(text, str) for text in texts.values()):
        return KeysProblem("expected an entry made by gridwright keys set, found another: set them again")
    return keys_from_texts(**texts)
