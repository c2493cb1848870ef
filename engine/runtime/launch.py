"""An engine in a process of its own, found or started by a terminal that goes on living without it, and it without
the terminal.

Promises: an engine that already runs on the state directory is attached to and never doubled; one that is started
outlives the terminal and the line to it; whatever keeps it from starting is told as the lines that it said
itself. No key and no exchange's library is ever in the terminal's own process.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec

from engine.model.account import AccountPlan
from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import EngineStopped, SettingsInvalid
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot
from engine.model.text import clean_text
from engine.remote.address import socket_path
from engine.remote.client import RemoteClient, connect
from engine.runtime.engine_log import LOG_NAME
from engine.runtime.state_dir import holder_of, open_state_dir
from engine.settings import Settings, Start

TROUBLE_NAME = "engine.err"
"""What the engine's process says when it cannot start, or dies."""
_TROUBLE_BYTES_MAX = 16 * 1024
_LOG_TAIL_BYTES = 2048
_LINE_MAX = 2000
_LOOK_SECONDS = 0.05
_LAST_WORDS_SECONDS = 10.0
_PROGRAM = (sys.executable, "-P", "-m", "engine.cli")
"""``-P``: nothing of the folder that somebody happens to be in is imported."""

T = TypeVar("T")


class LaunchedEngine:
    """An ``engine.api.Client`` of the engine of a state directory, which may have to be started first.

    ``find`` or ``launch`` is called once before anything is asked; questions wait until the engine answers.
    Invariant: ``_client`` once set stays, and ``_failure`` once set stays.
    """

    def __init__(self, settings: Settings, start: Start) -> None:
        self._settings = settings
        self._start = start
        self._folder = settings.engine.state_dir
        self._socket = socket_path(settings.engine.state_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._client: RemoteClient | None = None
        self._failure: SettingsInvalid | None = None
        self._settled = anyio.Event()
        self._unanswered = ""
        self._logged = 0

    @property
    def failure(self) -> SettingsInvalid | None:
        """Why no engine could be started, or what ended the one that was; None while it may still be."""
        return self._failure

    @property
    def process_id(self) -> int | None:
        """Of the process that was started here; None where it ran before."""
        return None if self._process is None else self._process.pid

    async def find(self) -> bool:
        """Attach to the engine that runs on the state directory; False where none does."""
        try:
            self._client = await connect(self._socket)
        except EngineStopped as error:
            self._unanswered = str(error)
            return False
        self._settled.set()
        return True

    async def plan(self) -> AccountPlan:
        """What an engine would find and do on the account: asked by a process that knows the keys and then ends.

        Raises:
            SettingsInvalid: the exchange or the keys cannot be used; with every line that it said.
        """
        words = [*_PROGRAM, "preflight", "--all", "--json", *self._place()]
        words += ["--as-fresh"] if self._start.is_fresh else []
        words += ["--accept-withdrawal-keys"] if self._start.is_withdrawal_accepted else []
        asked = await anyio.run_process(words, stdin=subprocess.DEVNULL, check=False, env=_environment())
        try:
            return msgspec.json.decode(asked.stdout, type=AccountPlan)
        except ValueError:
            said = _lines(asked.stderr.decode(errors="replace")[-_TROUBLE_BYTES_MAX:])
            raise SettingsInvalid(*(said or (f"the exchange could not be asked (code {asked.returncode})",))) from None

    def confirm(self) -> None:
        """A person has agreed that real money is traded."""
        self._start = replace(self._start, is_live_confirmed=True)

    def launch(self) -> None:
        """Start the engine's process, unless another one is just starting here.

        Raises:
            SettingsInvalid: there is no place for what it writes.
        """
        if holder_of(self._folder) is not None:
            return
        with open_state_dir(self._folder) as folder:
            trouble = _own_file(folder / TROUBLE_NAME)
        self._logged = _size(self._folder / LOG_NAME)
        try:
            self._process = subprocess.Popen(
                self._words(),
                stdin=subprocess.DEVNULL,
                stdout=trouble,
                stderr=trouble,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise SettingsInvalid(f"{sys.executable}: expected to start the engine, found: {error}") from error
        finally:
            os.close(trouble)

    async def wait(self) -> None:
        """Wait until the engine answers, or it is known why it never will."""
        while not await self.find():
            process = self._process
            if (process is None or process.poll() is not None) and holder_of(self._folder) is None:
                self.fail(SettingsInvalid(*self._last_words()))
                return
            await anyio.sleep(_LOOK_SECONDS)

    def progress(self) -> str:
        """What the engine last said of itself while it starts, else why it does not answer yet."""
        log = self._folder / LOG_NAME
        lines = _lines(_tail(log, min(_size(log) - self._logged, _LOG_TAIL_BYTES)))
        return lines[-1].split(" ", 2)[-1] if lines else self._unanswered

    def fail(self, failure: SettingsInvalid) -> None:
        """Nothing will be started: whoever waits is told."""
        self._failure = failure
        self._settled.set()

    async def snapshot(self) -> EngineSnapshot:
        return await self._ask(lambda client: client.snapshot())

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        return await self._ask(lambda client: client.events(after, limit))

    async def send(self, command: Command) -> CommandDone:
        return await self._ask(lambda client: client.send(command))

    async def preflight(self, grid: str) -> Preflight:
        return await self._ask(lambda client: client.preflight(grid))

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        return await self._ask(lambda client: client.preview(grid, change))

    async def close(self) -> None:
        """Leave; the engine goes on."""
        if self._client is not None:
            await self._client.close()

    async def _ask(self, question: Callable[[RemoteClient], Coroutine[Any, Any, T]]) -> T:
        await self._settled.wait()
        if self._client is None:
            raise EngineStopped("; ".join(self._failure.problems) if self._failure else "no engine was started")
        try:
            return await question(self._client)
        except EngineStopped as stopped:
            await self._note_end()
            if self._failure is None:
                raise
            raise EngineStopped("; ".join(self._failure.problems)) from stopped

    async def _note_end(self) -> None:
        """An engine answers before its grids are open: what ends it then is what kept it from starting."""
        process = self._process
        if process is None or self._failure is not None:
            return
        with anyio.move_on_after(_LAST_WORDS_SECONDS):
            while process.poll() is None:  # noqa: ASYNC110 - it is another process
                await anyio.sleep(_LOOK_SECONDS)
        if process.returncode:
            self._failure = SettingsInvalid(*self._last_words())

    def _last_words(self) -> tuple[str, ...]:
        process = self._process
        if process is None:
            return (f"state_dir {self._folder}: the engine that was starting there has ended",)
        said = _lines(_tail(self._folder / TROUBLE_NAME, _TROUBLE_BYTES_MAX))
        return said or (f"the engine ended with code {process.returncode}; its log is {self._folder / LOG_NAME}",)

    def _place(self) -> list[str]:
        words = ["--state-dir", str(self._folder)]
        return words if self._settings.file is None else [*words, "--config", str(self._settings.file)]

    def _words(self) -> list[str]:
        start = self._start
        words = [*_PROGRAM, "run", "--headless", *self._place(), "--log-file", str(self._folder / LOG_NAME)]
        for option, is_wished in (
            ("--fresh", start.is_fresh),
            ("--yes-live", start.is_live_confirmed),
            ("--key-renewed", start.is_key_renewed),
            ("--accept-withdrawal-keys", start.is_withdrawal_accepted),
        ):
            words += [option] if is_wished else []
        return words


def _environment() -> dict[str, str]:
    """Ours, in which the very same program is found wherever the process is started."""
    top = str(Path(__file__).resolve().parents[2])
    others = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{top}{os.pathsep}{others}" if others else top}


def _own_file(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsInvalid(f"{path}: expected a place to write, found: {error.strerror}") from error


def _lines(text: str) -> tuple[str, ...]:
    """The lines that are not blank, each safe to show."""
    return tuple(clean_text(line, _LINE_MAX) for line in text.splitlines() if line.strip())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tail(path: Path, bytes_max: int) -> str:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - max(bytes_max, 0), 0))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
