"""The server's end of one WebSocket: what it subscribed to, and what becomes of each message on its way out."""

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio

from tests.loopback.faults import Fault, Faults
from tests.loopback.wire import Json

Later = Callable[[float, Callable[[], None]], None]
"""Call something after so many seconds."""
TOLD_MAX = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of the report log: a private message, and what became of it (None: sent once, in order)."""

    at_ms: int
    socket_id: int
    message: Json
    fate: Fault | str | None


class StreamSocket:
    """One open stream.

    ``topics`` are the public subscriptions and ``accounts`` the private ones, in the protocol's own words;
    ``notes`` belongs to the protocol.
    """

    def __init__(
        self, *, socket_id: int, path: str, faults: Faults, now_ms: Callable[[], int], later: Later, log: deque[Told]
    ) -> None:
        """Just opened, nothing subscribed."""
        self.socket_id = socket_id
        self.path = path
        self.topics: set[str] = set()
        self.accounts: set[str] = set()
        self.notes: dict[str, Any] = {}
        self._faults = faults
        self._now_ms = now_ms
        self._later = later
        self._log = log
        self._held: list[tuple[str, str]] = []
        self._send, self.outgoing = anyio.create_memory_object_stream[str](math.inf)

    def reply(self, message: Json) -> None:
        """An answer to something the client said, or a pong: goes out even in silence."""
        self._put(json.dumps(message))

    def send(self, message: Json) -> None:
        """Public data; lost in silence."""
        if not self._is_silent():
            self._put(json.dumps(message))

    def send_report(self, message: Json, kind: str = "") -> None:
        """A private report, with whatever fault strikes it; only reports of one kind change places."""
        text = json.dumps(message)
        if self._is_silent():
            self._note(message, "silent_stream")
            return
        fate = self._faults.for_report()
        self._note(message, fate)
        self._deliver(text, fate, kind)

    def send_torn(self, text: str) -> None:
        """Whatever this is, it is no message of the protocol."""
        self._faults.count("torn_message")
        self._put(text)

    def close(self) -> None:
        """No more comes; what waits is dropped."""
        self._send.close()
        self.outgoing.close()

    def _deliver(self, text: str, fate: Fault | None, kind: str) -> None:
        if fate is Fault.DROP_REPORT:
            return
        if fate is Fault.DELAY_REPORT:
            self._later(self._faults.delay_seconds, lambda: self._put(text))
            return
        if fate is Fault.SWAP_REPORT:
            held = (kind, text)
            self._held.append(held)
            self._later(self._faults.delay_seconds, lambda: self._release([held]))
            return
        self._put(text)
        if fate is Fault.DOUBLE_REPORT:
            self._put(text)
        self._release([held for held in self._held if held[0] == kind])

    def _release(self, released: list[tuple[str, str]]) -> None:
        for held in released:
            if held in self._held:
                self._held.remove(held)
                self._put(held[1])

    def _is_silent(self) -> bool:
        is_silent = self._now_ms() < self._faults.silent_until_ms
        if is_silent:
            self._faults.count("silent_stream")
        return is_silent

    def _note(self, message: Json, fate: Fault | str | None) -> None:
        self._log.append(Told(at_ms=self._now_ms(), socket_id=self.socket_id, message=message, fate=fate))

    def _put(self, text: str) -> None:
        try:
            self._send.send_nowait(text)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._faults.count("sent_to_closed_stream")
