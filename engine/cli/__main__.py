"""``python -m engine.cli``: the command line on a machine, or in a process, without a screen."""

from engine.cli import main
from engine.model.errors import SettingsInvalid
from engine.settings import Settings, Start


def _no_terminal(settings: Settings, *, start: Start) -> int:  # noqa: ARG001 - as who does run one
    raise SettingsInvalid("expected run --headless: there is no terminal in here")


if __name__ == "__main__":
    raise SystemExit(main(None, run_terminal=_no_terminal))
