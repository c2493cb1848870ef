"""A server on this machine needs no patience: what only waits for far ones is short here, and nothing else differs."""

import ccxt.pro
import pytest

from engine.exchange.foreign.streams import private_watch


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Private streams are taken to be there soon, and the library closes without a pause."""
    monkeypatch.setattr(private_watch, "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(ccxt.pro.Exchange, "timeout_on_exit", 1)
