"""Binance's streams: market data on ``/stream/ws``, and the account's reports on the WebSocket API.

A report comes wrapped: ``{"subscriptionId": 0, "event": {..}}``. A subscription to the account is signed.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.loopback.binance_gate import Gate
from tests.loopback.binance_json import eight, status_text, type_text
from tests.loopback.binance_private import cancel_id
from tests.loopback.binance_public import INTERVALS, ticker_json
from tests.loopback.streams import StreamSocket
from tests.loopback.venue import (
    BalanceTold,
    OrderStatus,
    OrderTold,
    PositionTold,
    PriceTold,
    PublicTrade,
    Side,
    VenueEvent,
    VenueOrder,
)
from tests.loopback.venue_candles import VenueCandle
from tests.loopback.wire import Answer, Json

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

API_PATH = "/ws-api"
ACCOUNT = "account"
_KINDS = ("trade", "aggTrade", "ticker", "miniTicker", "bookTicker")
_EXECUTIONS = {
    OrderStatus.NEW: "NEW",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "EXPIRED",
}
_TICKER_FIELDS = {
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "x": "prevClosePrice",
    "c": "lastPrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}


class BinanceStreams:
    """What clients say on streams and what they are told."""

    def __init__(self, server: "LoopbackServer", gate: Gate) -> None:
        """Nobody listens yet."""
        self._server = server
        self._gate = gate
        self._candles: dict[tuple[str, int], VenueCandle] = {}

    def heard(self, socket: StreamSocket, message: Json) -> None:
        """A subscription, or a request to the WebSocket API."""
        if socket.path.startswith(API_PATH):
            self._heard_api(socket, message)
            return
        topics = set(message.get("params") or ())
        wrong = [topic for topic in topics if not self._is_known(topic)]
        if message.get("method") not in ("SUBSCRIBE", "UNSUBSCRIBE") or wrong:
            text = "Invalid request: invalid stream" if wrong else "Invalid request: unknown method"
            socket.reply({"error": {"code": 2, "msg": text}, "id": message.get("id")})
            return
        socket.reply({"result": None, "id": message["id"]})
        if message["method"] == "UNSUBSCRIBE":
            socket.topics -= topics
            return
        socket.topics |= topics
        for topic in topics:
            market_id, _, kind = topic.partition("@")
            if kind in ("ticker", "miniTicker", "bookTicker"):
                socket.send(self._ticker(market_id.upper(), kind))

    def told(self, event: VenueEvent) -> None:
        """Tell every socket that wants to know."""
        match event:
            case PriceTold(trade=trade):
                self._tell_price(trade)
            case OrderTold():
                self._report(_execution_report(event, self._server.now_ms()))
            case BalanceTold():
                self._report(_account_position(event))
            case PositionTold():
                raise AssertionError("spot has no positions")

    def end_account_streams(self) -> None:
        """The exchange ends the subscriptions, as it does after 24 hours; the connection stays."""
        event = {"e": "eventStreamTerminated", "E": self._server.now_ms()}
        for socket in self._server.sockets.values():
            if ACCOUNT in socket.accounts:
                socket.accounts.discard(ACCOUNT)
                socket.reply({"subscriptionId": socket.notes.get("subscription", 0), "event": event})

    def _heard_api(self, socket: StreamSocket, message: Json) -> None:
        method = message.get("method")
        if method == "userDataStream.subscribe.signature":
            self._subscribe(socket, message)
        elif method == "userDataStream.unsubscribe":
            socket.accounts.discard(ACCOUNT)
            self._answer(socket, message, None, {})
        elif method in ("ping", "time"):
            self._answer(socket, message, None, {} if method == "ping" else {"serverTime": self._server.now_ms()})
        else:
            text = f"Method {method!r} is not known."
            socket.reply({"id": message.get("id"), "status": 400, "error": {"code": -1000, "msg": text}})

    def _subscribe(self, socket: StreamSocket, message: Json) -> None:
        refusal = self._gate.admit_stream({key: str(value) for key, value in message["params"].items()})
        if refusal is None:
            socket.accounts.add(ACCOUNT)
            socket.notes["subscription"] = 0
        self._answer(socket, message, refusal, {"subscriptionId": 0})

    def _answer(self, socket: StreamSocket, message: Json, refusal: Answer | None, result: Json) -> None:
        if refusal is None:
            socket.reply({"id": message["id"], "status": 200, "result": result, "rateLimits": []})
        else:
            socket.reply({"id": message["id"], "status": refusal.status, "error": refusal.body, "rateLimits": []})

    def _is_known(self, topic: str) -> bool:
        market_id, _, kind = topic.partition("@")
        if market_id.upper() not in self._server.venue.markets:
            return False
        return kind in _KINDS or kind.removeprefix("kline_") in INTERVALS

    def _tell_price(self, trade: PublicTrade) -> None:
        prefix = f"{trade.market.lower()}@"
        wanted = {topic for socket in self._server.sockets.values() for topic in socket.topics}
        for topic in sorted(each for each in wanted if each.startswith(prefix)):
            for message in self._messages(topic.removeprefix(prefix), trade):
                for socket in self._server.sockets.values():
                    if topic in socket.topics:
                        socket.send(message)

    def _messages(self, kind: str, trade: PublicTrade) -> list[Json]:
        if kind == "trade":
            return [_trade(trade)]
        if kind == "aggTrade":
            return [_aggregate(trade)]
        if kind.startswith("kline_"):
            return self._klines(kind.removeprefix("kline_"), trade)
        return [self._ticker(trade.market, kind)]

    def _klines(self, interval: str, trade: PublicTrade) -> list[Json]:
        interval_ms = INTERVALS[interval]
        forming = self._server.venue.candles[trade.market].current(interval_ms)
        assert forming is not None
        before = self._candles.get((trade.market, interval_ms))
        self._candles[trade.market, interval_ms] = forming
        told = [_kline(trade, interval, forming, is_closed=False)]
        if before is not None and before.opened_ms < forming.opened_ms:
            return [_kline(trade, interval, before, is_closed=True), *told]
        return told

    def _ticker(self, market_id: str, kind: str) -> Json:
        told = ticker_json(self._server.venue, market_id)
        if kind == "bookTicker":
            fields = {key: told[_TICKER_FIELDS[key]] for key in "bBaA"}
            return {"u": told["lastId"], "s": market_id, **fields}
        keys = "cohlvq" if kind == "miniTicker" else _TICKER_FIELDS
        event = "24hrMiniTicker" if kind == "miniTicker" else "24hrTicker"
        return {
            "e": event,
            "E": told["closeTime"],
            "s": market_id,
            **{key: told[_TICKER_FIELDS[key]] for key in keys},
        }

    def _report(self, event: Json) -> None:
        for socket in self._server.sockets.values():
            if ACCOUNT in socket.accounts:
                wrapped = {"subscriptionId": socket.notes["subscription"], "event": event}
                socket.send_report(wrapped, kind=event["e"])


def _trade(trade: PublicTrade) -> Json:
    return {
        "e": "trade",
        "E": trade.at_ms,
        "s": trade.market,
        "t": trade.trade_id,
        "p": eight(trade.price),
        "q": eight(trade.amount),
        "T": trade.at_ms,
        "m": trade.taker is Side.SELL,
        "M": True,
    }


def _aggregate(trade: PublicTrade) -> Json:
    plain = _trade(trade)
    del plain["t"]
    return {**plain, "e": "aggTrade", "a": trade.trade_id, "f": trade.trade_id, "l": trade.trade_id}


def _kline(trade: PublicTrade, interval: str, candle: VenueCandle, *, is_closed: bool) -> Json:
    return {
        "e": "kline",
        "E": trade.at_ms,
        "s": trade.market,
        "k": {
            "t": candle.opened_ms,
            "T": candle.opened_ms + INTERVALS[interval] - 1,
            "s": trade.market,
            "i": interval,
            "f": trade.trade_id,
            "L": trade.trade_id,
            "o": eight(candle.open),
            "c": eight(candle.close),
            "h": eight(candle.high),
            "l": eight(candle.low),
            "v": eight(candle.volume),
            "n": candle.count,
            "x": is_closed,
            "q": eight(candle.turnover),
            "V": eight(Decimal(0)),
            "Q": eight(Decimal(0)),
            "B": "0",
        },
    }


def _account_position(event: BalanceTold) -> Json:
    return {
        "e": "outboundAccountPosition",
        "E": event.at_ms,
        "u": event.at_ms,
        "B": [
            {"a": currency, "f": eight(held.free), "l": eight(held.locked)} for currency, held in event.balances.items()
        ],
    }


def _execution_report(event: OrderTold, now_ms: int) -> Json:
    order, fill = event.order, event.fill
    zero = eight(Decimal(0))
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.market,
        **_client_ids(order),
        "S": order.side.value.upper(),
        "o": type_text(order),
        "f": order.time_in_force.value,
        "q": eight(order.amount),
        "p": eight(order.price or Decimal(0)),
        "P": zero,
        "F": zero,
        "g": -1,
        "x": "TRADE" if fill else _EXECUTIONS[order.status],
        "X": status_text(order),
        "r": "NONE",
        "i": order.order_id,
        "l": eight(fill.amount) if fill else zero,
        "z": eight(order.filled),
        "L": eight(fill.price) if fill else zero,
        "n": eight(fill.fee) if fill else "0",
        "N": fill.fee_currency if fill else None,
        "T": order.updated_ms,
        "t": fill.trade_id if fill else -1,
        "I": order.order_id * 2,
        "w": order.is_open,
        "m": fill.is_maker if fill else False,
        "M": fill is not None,
        "O": order.created_ms,
        "Z": eight(order.quote_filled),
        "Y": eight(fill.price * fill.amount) if fill else zero,
        "Q": zero,
        "W": order.created_ms,
        "V": "EXPIRE_MAKER",
    }


def _client_ids(order: VenueOrder) -> dict[str, str]:
    if order.status is OrderStatus.CANCELED:
        return {"c": cancel_id(order.order_id), "C": order.client_id}
    return {"c": order.client_id, "C": ""}
