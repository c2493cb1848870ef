"""What really leaves the server for each fate of a private report."""

from collections import deque
from collections.abc import Callable

import anyio

from tests.loopback.faults import Fault, Faults
from tests.loopback.streams import StreamSocket, Told


class Desk:
    """A socket whose clock and timers a test moves."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.faults = Faults()
        self.timers: list[Callable[[], None]] = []
        self.log: deque[Told] = deque()
        self.socket = StreamSocket(
            socket_id=1,
            path="/",
            faults=self.faults,
            now_ms=lambda: self.now_ms,
            later=lambda seconds, do: self.timers.append(do),
            log=self.log,
        )

    def report(self, number: int, kind: str = "order") -> None:
        """Send one."""
        self.socket.send_report({"n": number}, kind=kind)

    def ring(self) -> None:
        """All timers end."""
        for do in self.timers:
            do()
        self.timers.clear()

    def sent(self) -> list[str]:
        """What left, and nothing after it."""
        left = []
        while True:
            try:
                left.append(self.socket.outgoing.receive_nowait())
            except anyio.WouldBlock:
                self.socket.close()
                return left


async def test_reports_leave_once_and_in_order_where_nothing_strikes() -> None:
    desk = Desk()
    desk.report(1)
    desk.report(2)
    assert desk.sent() == ['{"n": 1}', '{"n": 2}']
    assert [line.fate for line in desk.log] == [None, None]


async def test_a_dropped_report_does_not_leave_and_a_doubled_one_leaves_twice() -> None:
    desk = Desk()
    desk.faults.script("report", Fault.DROP_REPORT)
    desk.faults.script("report", Fault.DOUBLE_REPORT)
    for number in (1, 2, 3):
        desk.report(number)
    assert desk.sent() == ['{"n": 2}', '{"n": 2}', '{"n": 3}']
    assert [line.fate for line in desk.log] == [Fault.DROP_REPORT, Fault.DOUBLE_REPORT, None]


async def test_a_swapped_report_waits_for_the_next_of_its_kind_and_leaves_once() -> None:
    desk = Desk()
    desk.faults.script("report", Fault.SWAP_REPORT)
    desk.report(1)
    desk.report(2, kind="balance")
    desk.report(3)
    desk.ring()
    assert desk.sent() == ['{"n": 2}', '{"n": 3}', '{"n": 1}']


async def test_a_swapped_report_with_no_follower_leaves_by_its_timer() -> None:
    desk = Desk()
    desk.faults.script("report", Fault.SWAP_REPORT)
    desk.report(1)
    desk.ring()
    assert desk.sent() == ['{"n": 1}']


async def test_a_delayed_report_leaves_by_its_timer() -> None:
    desk = Desk()
    desk.faults.script("report", Fault.DELAY_REPORT)
    desk.report(1)
    desk.report(2)
    desk.ring()
    assert desk.sent() == ['{"n": 2}', '{"n": 1}']


async def test_silence_swallows_data_and_reports_and_no_reply() -> None:
    desk = Desk()
    desk.faults.silent_until_ms = 2_000
    desk.report(1)
    desk.socket.send({"price": 1})
    desk.socket.reply({"pong": 1})
    desk.now_ms = 2_000
    desk.report(2)
    assert desk.sent() == ['{"pong": 1}', '{"n": 2}']
    assert desk.faults.counts == {"silent_stream": 2}


async def test_a_report_after_the_end_of_the_stream_is_counted_and_lost() -> None:
    desk = Desk()
    desk.socket.close()
    desk.report(1)
    assert desk.faults.counts == {"sent_to_closed_stream": 1}
