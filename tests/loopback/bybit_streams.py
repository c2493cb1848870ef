"""Bybit's streams: what clients say on them, and what the venue's changes become for whoever subscribed.

Source: bybit-exchange.github.io/docs/v5/ws/connect and the topics' own pages. Private topics need a login; a login is
refused where its ``expires`` has passed by the exchange's clock. Swap tickers come as one snapshot, then as changes.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.loopback.bybit_account import stream_position_json, wallet_json
from tests.loopback.bybit_codes import JsonObject
from tests.loopback.bybit_markets import INTERVALS_MS, edges_json, stream_kline_json, stream_print_json, ticker_json
from tests.loopback.bybit_orders import category_of, stream_execution_json, stream_order_json, wire_symbol
from tests.loopback.bybit_params import State
from tests.loopback.streams import StreamSocket
from tests.loopback.venue_words import (
    BalanceTold,
    MarketKind,
    OrderTold,
    PositionTold,
    PriceTold,
    PublicTrade,
    VenueEvent,
    VenueMarket,
)

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

PRIVATE_PATH = "/v5/private"
PUBLIC_PATHS = {"/v5/public/spot": MarketKind.SPOT, "/v5/public/linear": MarketKind.LINEAR}
DEAD_MAN_TOPICS = {"dcp.spot": MarketKind.SPOT, "dcp.future": MarketKind.LINEAR}
PRIVATE_TOPICS = frozenset(
    {
        *(name + part for name in ("order", "execution") for part in ("", ".spot", ".linear", ".inverse", ".option")),
        *(name + part for name in ("position",) for part in ("", ".linear", ".inverse", ".option")),
        "wallet",
        *DEAD_MAN_TOPICS,
        "dcp.option",
    }
)
_PUBLIC_KINDS = ("publicTrade", "tickers", "kline")


class BybitStreams:
    """Hears clients and tells them. Belongs to one server."""

    def __init__(self, server: "LoopbackServer", state: State) -> None:
        """Nobody listens yet."""
        self._server = server
        self._state = state
        self._messages = 0

    # --- hearing ---------------------------------------------------------------------------------------

    def heard(self, socket: StreamSocket, message: JsonObject) -> None:
        """A client said this."""
        match message.get("op"):
            case "ping":
                socket.reply(self._pong(socket, message))
            case "auth":
                socket.reply(self._login(socket, message))
            case "subscribe":
                self._subscribe(socket, message)
            case "unsubscribe":
                gone = {str(topic) for topic in message.get("args", [])}
                socket.topics -= gone
                socket.accounts -= gone
                socket.reply(self._acknowledged(socket, message, "unsubscribe"))
            case other:
                socket.reply(_refused(socket, message, f"error:invalid op {other}"))

    def _pong(self, socket: StreamSocket, message: JsonObject) -> JsonObject:
        if socket.path == PRIVATE_PATH:
            pong: JsonObject = {"op": "pong", "args": [str(self._server.now_ms())], "conn_id": _connection(socket)}
        else:
            pong = {"success": True, "ret_msg": "pong", "conn_id": _connection(socket), "op": "ping"}
        return {**pong, "req_id": str(message.get("req_id", ""))}

    def _login(self, socket: StreamSocket, message: JsonObject) -> JsonObject:
        arguments = [str(each) for each in message.get("args", [])]
        if len(arguments) != 3 or not arguments[1].isdigit():
            return _refused(socket, message, "Params Error")
        key, expires, signature = arguments
        expected = hmac.new(self._server.secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
        if key != self._server.api_key:
            return _refused(socket, message, "API key is invalid.")
        if int(expires) <= self._server.now_ms():
            return _refused(socket, message, "Params Error: expires has passed")
        if not hmac.compare_digest(signature, expected):
            return _refused(socket, message, "Error sign, please check your signature generation algorithm.")
        socket.notes["is_authenticated"] = True
        return {"success": True, "ret_msg": "", "op": "auth", "conn_id": _connection(socket)}

    def _subscribe(self, socket: StreamSocket, message: JsonObject) -> None:
        topics = [str(topic) for topic in message.get("args", [])]
        if socket.path == PRIVATE_PATH:
            self._subscribe_private(socket, message, topics)
            return
        kind = PUBLIC_PATHS.get(socket.path)
        for topic in topics:
            if kind is None or self._public_market(kind, topic) is None:
                socket.reply(_refused(socket, message, f"error:handler not found,topic:{topic}"))
                return
        socket.topics.update(topics)
        socket.reply(self._acknowledged(socket, message, "subscribe"))
        for topic in topics:
            self._send_first(socket, topic)

    def _subscribe_private(self, socket: StreamSocket, message: JsonObject, topics: Sequence[str]) -> None:
        if not socket.notes.get("is_authenticated"):
            socket.reply(_refused(socket, message, "Request not authorized"))
            return
        unknown = [topic for topic in topics if topic not in PRIVATE_TOPICS]
        if unknown:
            socket.reply(_refused(socket, message, f"error:handler not found,topic:{unknown[0]}"))
            return
        socket.accounts.update(topics)
        socket.reply(self._acknowledged(socket, message, ""))

    def _acknowledged(self, socket: StreamSocket, message: JsonObject, text: str) -> JsonObject:
        return {
            "success": True,
            "ret_msg": text,
            "conn_id": _connection(socket),
            "req_id": str(message.get("req_id", "")),
            "op": message["op"],
        }

    def _public_market(self, kind: MarketKind, topic: str) -> VenueMarket | None:
        name, *parts = topic.split(".")
        if name not in _PUBLIC_KINDS or len(parts) != (2 if name == "kline" else 1):
            return None
        if name == "kline" and parts[0] not in INTERVALS_MS:
            return None
        for market in self._server.venue.markets.values():
            if market.kind is kind and wire_symbol(market) == parts[-1]:
                return market
        return None

    def _send_first(self, socket: StreamSocket, topic: str) -> None:
        """Tickers and candles begin with what is known."""
        market = self._public_market(PUBLIC_PATHS[socket.path], topic)
        if market is None:
            return
        if topic.startswith("tickers."):
            socket.send(self._public(topic, "snapshot", ticker_json(self._server.venue, market)))
        elif topic.startswith("kline."):
            interval = topic.split(".")[1]
            if (candle := self._server.venue.candles[market.id].current(INTERVALS_MS[interval])) is not None:
                told = stream_kline_json(candle, interval, confirm=False, at_ms=self._server.now_ms())
                socket.notes[topic] = candle.opened_ms
                socket.send(self._public(topic, "snapshot", [told]))

    # --- telling ---------------------------------------------------------------------------------------

    def told(self, event: VenueEvent) -> None:
        """The venue changed."""
        match event:
            case PriceTold():
                self._tell_print(event.trade)
            case OrderTold():
                self._tell_order(event)
            case BalanceTold():
                if self._is_wanted("wallet"):
                    self._report("wallet", "wallet", wallet_json(self._server.venue, event.balances))
            case PositionTold():
                market = self._server.venue.markets[event.position.market]
                row = stream_position_json(self._server.venue, market, event.position)
                self._report("position", f"position.{category_of(market)}", row)

    def _tell_order(self, event: OrderTold) -> None:
        """An execution goes out before the order that it changed."""
        market = self._server.venue.markets[event.order.market]
        category = category_of(market)
        if event.fill is not None:
            row = stream_execution_json(market, event.order, event.fill, self._state.busted)
            self._report("execution", f"execution.{category}", row)
        self._report("order", f"order.{category}", stream_order_json(market, event.order))

    def _report(self, topic: str, by_category: str, row: JsonObject) -> None:
        for socket in list(self._server.sockets.values()):
            wanted = topic if topic in socket.accounts else by_category
            if wanted in socket.accounts:
                self._messages += 1
                now_ms = self._server.now_ms()
                envelope = {"id": f"loopback_{self._messages}", "topic": wanted, "creationTime": now_ms}
                socket.send_report({**envelope, "data": [row]})

    def _is_wanted(self, topic: str) -> bool:
        return any(topic in socket.accounts for socket in self._server.sockets.values())

    def _tell_print(self, trade: PublicTrade) -> None:
        market = self._server.venue.markets[trade.market]
        for socket in list(self._server.sockets.values()):
            if PUBLIC_PATHS.get(socket.path) is not market.kind:
                continue
            for topic in sorted(socket.topics):
                if topic.endswith(f".{wire_symbol(market)}"):
                    self._send_print(socket, topic, market, trade)

    def _send_print(self, socket: StreamSocket, topic: str, market: VenueMarket, trade: PublicTrade) -> None:
        match topic.partition(".")[0]:
            case "publicTrade":
                socket.send(self._public(topic, "snapshot", [stream_print_json(market, trade)]))
            case "tickers":
                socket.send(self._ticker(topic, market))
            case "kline":
                socket.send(self._public(topic, "snapshot", self._candles(socket, topic, market)))
            case other:
                raise AssertionError(f"nothing subscribes to {other}")

    def _ticker(self, topic: str, market: VenueMarket) -> JsonObject:
        full = ticker_json(self._server.venue, market)
        if market.kind is MarketKind.SPOT:
            return self._public(topic, "snapshot", full)
        changed = {name: full[name] for name in ("symbol", "lastPrice", "markPrice", "indexPrice")}
        return self._public(topic, "delta", {**changed, **edges_json(self._server.venue, market)})

    def _candles(self, socket: StreamSocket, topic: str, market: VenueMarket) -> list[JsonObject]:
        """The candle that is forming, after the one that just closed if a new one began."""
        now_ms, interval = self._server.now_ms(), topic.split(".")[1]
        newest = self._server.venue.candles[market.id].candles(INTERVALS_MS[interval], limit=2)
        closed = [candle for candle in newest[:-1] if candle.opened_ms == socket.notes.get(topic)]
        socket.notes[topic] = newest[-1].opened_ms
        forming = stream_kline_json(newest[-1], interval, confirm=False, at_ms=now_ms)
        return [*(stream_kline_json(each, interval, confirm=True, at_ms=now_ms) for each in closed), forming]

    def _public(self, topic: str, kind: str, data: object) -> JsonObject:
        return {"topic": topic, "type": kind, "ts": self._server.now_ms(), "data": data}


def _connection(socket: StreamSocket) -> str:
    return f"loopback-{socket.socket_id}"


def _refused(socket: StreamSocket, message: JsonObject, text: str) -> JsonObject:
    return {
        "success": False,
        "ret_msg": text,
        "conn_id": _connection(socket),
        "req_id": str(message.get("req_id", "")),
        "request": {"op": message.get("op"), "args": message.get("args")},
        "op": message.get("op"),
    }
