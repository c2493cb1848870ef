"""The one door to the engine: ``embed()``, ``launch()`` or ``connect()`` gives a client; none can be told apart.

A client is used from the caller's own event loop, whichever thread that runs on. The
engine never waits for a client: snapshots are built when asked for, from immutable parts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.model.account import AccountPlan
from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import SettingsInvalid
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot, HistoryFrame
from engine.settings import Settings, Start

if TYPE_CHECKING:
    from engine.runtime.embedded import EmbeddedEngine


class Client(Protocol):
    """One terminal, script or remote talking to one engine."""

    async def snapshot(self) -> EngineSnapshot:
        """The engine as it is now. Raises ``EngineStopped`` once it has ended."""

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        """The newest events with a number above ``after``, oldest first, at most ``limit``."""

    async def send(self, command: Command) -> CommandDone:
        """Do a command. Raises ``CommandRefused`` or ``EngineStopped``."""

    async def preflight(self, grid: str) -> Preflight:
        """The grid as it would be started now, at the newest price, with the account's fees and limits.

        Raises:
            CommandRefused: there is no such grid, or the engine is not ready.
            EngineStopped: it has ended.
        """

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        """What a live edit would do; nothing happens. Raises as ``preflight`` does."""

    async def close(self) -> None:
        """Leave. An embedded engine is closed in order (``on_exit``); a remote one goes on."""


class Launch(Client, Protocol):
    """A client of an engine in a process of its own; one of ``find`` and ``wait`` is done before it answers."""

    @property
    def failure(self) -> SettingsInvalid | None:
        """Why no engine could be started, or what ended the one that was; None while it may still be."""

    async def find(self) -> bool:
        """Attach to the engine that runs there; False where none does."""

    async def plan(self) -> AccountPlan:
        """The first pre-flight: what an engine would find and do. Raises ``SettingsInvalid``."""

    def confirm(self) -> None:
        """A person has agreed that real money is traded."""

    def launch(self) -> None:
        """Start the engine's process. Raises ``SettingsInvalid``."""

    async def wait(self) -> None:
        """Wait until the engine answers, or it is known why it never will."""

    def progress(self) -> str:
        """What the engine said of itself last while it starts; may be empty."""

    def fail(self, failure: SettingsInvalid) -> None:
        """Nothing will be started: whoever waits is told."""


class History(Protocol):
    """A journal to step back and forth through; it changes nothing."""

    @property
    def last_sequence(self) -> int:
        """The last record; the first is 1, and 0 means that the journal is empty."""

    def frame(self, sequence: int) -> HistoryFrame:
        """The engine right after this record; may read from the disk.

        Raises:
            ValueError: there is no such record.
            JournalFailed: the journal can no longer be read.
        """

    def events(self, sequence: int, limit: int = 200) -> Sequence[EngineEvent]:
        """The records up to this one in words, oldest first, at most ``limit``. Raises as ``frame`` does."""

    def sequence_at(self, at_ms: int) -> int:
        """The last record that is not later than this time; the first where all are. Raises ``ValueError`` if
        the journal is empty."""


def embed(settings: Settings, *, fresh: bool = False) -> "EmbeddedEngine":
    """Start an engine in this process, on its own thread with its own loop; returns once it trades.

    An engine that takes longer than most of a second to start is returned as it is: its
    snapshots say what it waits for.

    Raises:
        SettingsInvalid: what is configured cannot be run.
    """
    # Imported here: a terminal on a running engine needs none of it.
    from engine.runtime.embedded import EmbeddedEngine

    embedded = EmbeddedEngine(settings, fresh=fresh)
    embedded.wait_ready()
    return embedded


def launch(settings: Settings, start: Start) -> Launch:
    """A client of the engine of this state directory in a process of its own, which is yet to be found or started."""
    # Imported here: a simulation needs none of it.
    from engine.runtime.launch import LaunchedEngine

    return LaunchedEngine(settings, start)


async def connect(socket: Path) -> Client:
    """A client of the engine that listens on ``socket``. Raises ``EngineStopped`` if none answers."""
    from engine.remote.client import connect as connect_socket

    return await connect_socket(socket)


def open_history(settings: Settings) -> History:
    """The journal of the configured state directory as it is now, to step through; an engine may be writing it.

    Reads the whole journal, so it takes its time.

    Raises:
        JournalFailed: there is no journal, or it cannot be read.
    """
    # Imported here: a terminal reads a journal only when somebody steps back.
    from engine.runtime.journal_file import JOURNAL_NAME
    from engine.runtime.rewind import JournalHistory

    return JournalHistory.open(settings.engine.state_dir / JOURNAL_NAME, settings)
