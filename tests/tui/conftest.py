"""Nothing of the developer's terminal may reach a test of the screen."""

import os

import pytest

PLUGIN = "TEXTUAL_SNAPSHOT_TEMPDIR"
"""Where the picture tests keep what differs."""

os.environ["TEXTUAL_ANIMATIONS"] = "none"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour wishes, no Textual settings, no animations, one time zone."""
    for name in [*os.environ]:
        if name in ("NO_COLOR", "COLORTERM") or (name.startswith("TEXTUAL") and name != PLUGIN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
