"""A server on this machine needs no patience: what only waits for far ones is short, and nothing else differs."""

import pytest


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Private streams are taken to be there soon, and the client library closes without a pause."""
    # Imported here: the library takes most of a second.
    import ccxt.pro

    from engine.exchange.foreign.streams import private_watch

    monkeypatch.setattr(private_watch, "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(ccxt.pro.Exchange, "timeout_on_exit", 1)
