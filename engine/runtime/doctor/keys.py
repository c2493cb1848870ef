"""The keys: whether they are there and their place is safe; no key is ever told."""

from engine.model.errors import SettingsInvalid
from engine.model.secret import ExchangeKeys
from engine.runtime.doctor.finding import Finding, failed, ok
from engine.runtime.exchange_keys import keys_place, load_keys
from engine.settings import ExchangeSettings


def look_at_keys(settings: ExchangeSettings) -> tuple[ExchangeKeys | None, list[Finding]]:
    """The keys, None where they cannot be had, and what is found of them."""
    try:
        keys = load_keys(settings)
    except SettingsInvalid as problem:
        return None, failed("keys", problem, "store them with gridwright keys set")
    return keys, [ok("keys", f"in {keys_place(settings)}, fingerprint {keys.fingerprint()}")]
