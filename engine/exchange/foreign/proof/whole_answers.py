"""An answer that was cut off on the way is an error, not an empty answer.

The client library hands a JSON text that it cannot parse to its readers as it is, and they find nothing in it:
a torn list of open orders becomes an empty list, and on Kraken and Bybit a torn order becomes "not found". An
order would be taken for gone, and placed again.
"""

import json
from typing import Any

from engine.exchange.foreign.client import ForeignClient


class TornAnswer(Exception):
    """An answer that promised success is no JSON; it proves nothing of the request."""


def guard_answers(client: ForeignClient) -> None:
    """From now on a successful answer of this client that is no whole JSON raises ``TornAnswer``.

    Pages of proxies and error pages keep their way: they come with a status of their own.
    """
    guard = _Guard(client)
    # both are the library's own hooks, called one after the other for every answer
    client.on_rest_response = guard.on_rest_response  # type: ignore[attr-defined]
    client.parse_json = guard.parse_json  # type: ignore[attr-defined]


class _Guard:
    def __init__(self, client: Any) -> None:
        self._hear = client.on_rest_response
        self._parse = client.parse_json
        self._status: int | None = None

    def on_rest_response(self, code: int, *more: Any) -> Any:
        """Remember the status: no other answer can come between this call and the next."""
        self._status = code
        return self._hear(code, *more)

    def parse_json(self, text: Any) -> Any:
        """The answer; None for text that is JSON but neither an object nor a list, as the library has it."""
        status, self._status = self._status, None
        answer = self._parse(text)
        if answer is None and status is not None and 200 <= status < 300 and status != 204 and not _is_json(text):
            raise TornAnswer(f"the answer was cut off or is no JSON: {len(text)} characters with status {status}")
        return answer


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
