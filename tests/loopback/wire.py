"""What passes between the loopback server and the protocol that it speaks: calls, answers, and the protocol itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.loopback.faults import Fault, RequestName
from tests.loopback.venue_words import Refusal, VenueEvent

if TYPE_CHECKING:
    from tests.loopback.streams import StreamSocket
    from tests.loopback.views import Books

Json = Any
"""What ``json.loads`` makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as it came.

    ``params`` are those of the query, of a form body and of a JSON object body together, values as text;
    ``query`` and ``body`` are as on the wire, since signatures are made over them. Header names are lower case.
    """

    name: RequestName
    method: str
    path: str
    params: Mapping[str, str]
    query: str
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back; ``is_refusal`` when nothing was executed."""

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_refusal: bool = False


@dataclass(slots=True, kw_only=True)
class Logged:
    """One line of the request log, completed when the request ends."""

    name: RequestName
    method: str
    path: str
    params: Mapping[str, str]
    at_ms: int
    executed: bool = False
    """Whether it reached the venue and was not refused."""
    fault: Fault | None = None
    status: int | None = None
    """Of the answer, None where none was sent. A late request gets one when it was executed or refused."""
    weight: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(slots=True, kw_only=True)
class Permissions:
    """What the API key may do. Plain switches, read at every request."""

    may_read: bool = True
    may_trade: bool = True
    may_withdraw: bool = False
    is_ip_bound: bool = True


class WireProtocol(Protocol):
    """One exchange's language. Plain calls on the server's own loop; the server adds every fault by itself."""

    @property
    def name(self) -> str:
        """``binance`` or ``bybit``."""

    @property
    def id_fields(self) -> frozenset[str]:
        """The names under which answers carry order ids and client order ids."""

    def request_name(self, method: str, path: str, params: Mapping[str, str]) -> RequestName:
        """The kind of a request; ``OTHER`` for what is not known."""

    def weight(self, call: Call) -> int:
        """What the request costs of the rate limit."""

    def admit(self, call: Call) -> Answer | None:
        """Key, signature, time window and rate limit; None admits. Asked again before a late request executes."""

    def execute(self, call: Call, books: "Books") -> Answer:
        """Do it on the venue; lists and lookups are read from ``books``. Raises ``Refusal``."""

    def refused(self, refusal: Refusal, call: Call) -> Answer:
        """The protocol's words for a refusal of the venue."""

    def failure(self, fault: Fault, call: Call) -> Answer:
        """The protocol's words for an outage, a limit, a ban, a bad time, or a cancel that found nothing."""

    def headers(self, call: Call) -> Mapping[str, str]:
        """What every answer carries, such as the used weight."""

    def ccxt_options(self, http: str, ws: str) -> dict[str, Any]:
        """What the constructor of the ccxt client must be given, keys apart. The bases end without a slash."""

    def heard(self, socket: "StreamSocket", message: Json) -> None:
        """A client said this on a stream."""

    def told(self, event: VenueEvent) -> None:
        """The venue changed; tell the sockets that want to know."""
