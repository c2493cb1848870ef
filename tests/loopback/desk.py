"""How one HTTP request is answered: admitted, executed on the venue, and struck by at most one fault on its way."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from tests.loopback.faults import Fault
from tests.loopback.venue import Refusal
from tests.loopback.views import Books, with_hostile, without
from tests.loopback.wire import Answer, Call, Logged

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer


class Desk:
    """Answers requests for a server."""

    def __init__(self, server: "LoopbackServer") -> None:
        """The server owns the venue, the faults and the protocol."""
        self._server = server

    async def serve(self, request: web.Request, call: Call, line: Logged) -> web.StreamResponse:
        """The whole life of one request."""
        lasting = self._lasting()
        if lasting is not None:
            line.fault = lasting
            return self._send(self._server.protocol.failure(lasting, call), call, line)
        line.fault = self._server.faults.for_request(call.name)
        match line.fault:
            case None:
                return self._send(self._execute(call, line), call, line)
            case Fault.LOST_REQUEST:
                return _hang_up(request)
            case Fault.LATE_REQUEST:
                self._server.later(self._server.faults.late_seconds, lambda: self._run_late(call, line))
                return _hang_up(request)
            case Fault.LOST_ANSWER:
                self._execute(call, line)
                return _hang_up(request)
            case Fault.TORN_JSON | Fault.CUT_BODY:
                return await self._torn(request, call, line)
            case Fault.LATE_ANSWER | Fault.FILL_BEFORE_ACK:
                return await self._late(call, line)
            case Fault.ERROR_AFTER | Fault.CANCEL_NOT_FOUND:
                done = self._execute(call, line)
                return self._send(
                    done if done.is_refusal else self._server.protocol.failure(line.fault, call), call, line
                )
            case Fault.MISSING_IDS | Fault.HOSTILE_TEXT:
                return self._send(self._spoilt(self._execute(call, line), line.fault), call, line)
            case Fault.BAN:
                self._server.faults.banned_until_ms = self._server.now_ms() + self._server.faults.ban_seconds * 1000
                return self._send(self._server.protocol.failure(line.fault, call), call, line)
            case Fault.ERROR_BEFORE | Fault.MAINTENANCE | Fault.RATE_LIMIT | Fault.STALE_TIMESTAMP:
                return self._send(self._server.protocol.failure(line.fault, call), call, line)
            case (
                Fault.STALE_LIST
                | Fault.HIDDEN_ORDERS
                | Fault.EMPTY_BALANCES
                | Fault.DROP_REPORT
                | Fault.DOUBLE_REPORT
                | Fault.SWAP_REPORT
                | Fault.DELAY_REPORT
            ):
                raise AssertionError(f"{line.fault} strikes no request")

    def _execute(self, call: Call, line: Logged) -> Answer:
        protocol = self._server.protocol
        refusal = protocol.admit(call)
        if refusal is not None:
            return refusal
        seen = self._server.faults.for_list(call.name)
        line.fault = line.fault or seen
        books = Books(self._server.venue, self._server.faults, seen)
        try:
            answer = protocol.execute(call, books)
        except Refusal as refused:
            return replace(protocol.refused(refused, call), is_refusal=True)
        line.executed = not answer.is_refusal
        return answer

    def _lasting(self) -> Fault | None:
        now, faults = self._server.now_ms(), self._server.faults
        if now < faults.banned_until_ms:
            faults.count("banned")
            return Fault.BAN
        if now < faults.maintenance_until_ms:
            faults.count("closed_for_maintenance")
            return Fault.MAINTENANCE
        return None

    def _run_late(self, call: Call, line: Logged) -> None:
        line.status = self._execute(call, line).status

    async def _late(self, call: Call, line: Logged) -> web.StreamResponse:
        answer = self._execute(call, line)
        if line.fault is Fault.LATE_ANSWER:
            await anyio.sleep(self._server.faults.late_seconds)
            return self._send(answer, call, line)
        if line.executed:
            self._fill_newest()
        await anyio.sleep(self._server.faults.delay_seconds)
        return self._send(answer, call, line)

    def _fill_newest(self) -> None:
        """The market comes to the order that was just placed, if no other order of its side stands in the way."""
        venue = self._server.venue
        newest = venue.orders()[-1]
        if not newest.is_open or newest.price is None:
            return
        rivals = [order.price for order in venue.open_orders(newest.market) if order.side is newest.side]
        if not any(price is not None and (price - newest.price) * newest.side.sign > 0 for price in rivals):
            venue.print_trade(newest.market, newest.price)

    async def _torn(self, request: web.Request, call: Call, line: Logged) -> web.StreamResponse:
        answer = self._execute(call, line)
        body = json.dumps(answer.body).encode()
        half = body[: max(1, len(body) // 2)]
        line.status = answer.status
        headers = {**self._server.protocol.headers(call), **answer.headers}
        if line.fault is Fault.TORN_JSON:
            return web.Response(body=half, status=answer.status, headers=headers, content_type="application/json")
        response = web.StreamResponse(status=answer.status, headers={**headers, "Content-Type": "application/json"})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(half)
        if request.transport is not None:
            request.transport.close()
        return response

    def _spoilt(self, answer: Answer, fault: Fault) -> Answer:
        if fault is Fault.MISSING_IDS:
            return replace(answer, body=without(answer.body, self._server.protocol.id_fields))
        return replace(answer, body=with_hostile(answer.body, self._server.faults))

    def _send(self, answer: Answer, call: Call, line: Logged) -> web.Response:
        line.status = answer.status
        headers = {**self._server.protocol.headers(call), **answer.headers}
        if isinstance(answer.body, str):
            return web.Response(text=answer.body, status=answer.status, headers=headers, content_type="text/html")
        return web.json_response(answer.body, status=answer.status, headers=headers)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
