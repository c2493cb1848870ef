"""The habits of single exchanges, as data: how our client order id travels, and what an answer proves.

One frozen ``Dialect`` per exchange id, and a generic one that trusts nothing for all others. The client
library renames ids on some calls and drops them on others, so most ids go out under the raw name.
Source: ccxt 4.5.64 as it goes over the wire (``tests/exchange/foreign/test_wire.py``), the exchanges' pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from engine.exchange.foreign.habits import dialect_codes as codes
from engine.exchange.foreign.habits.dialect_codes import Codes
from engine.exchange.foreign.habits.paging import DAY_MS, Nonces, Pages, Paging, TradePages
from engine.model.market import FeeCurrency, MarketKind

RECV_WINDOW_MS = 5000
"""For how long an exchange that honours it lets a signed request in. A wider one only lets late requests in."""
_BOTH = frozenset(MarketKind)
_SPOT = frozenset((MarketKind.SPOT,))
_SWAP = frozenset((MarketKind.SWAP,))
_WHOLE, _FIFTY, _TRADES = Pages(), Pages(limit=50), TradePages()
_ID_RULE = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_ALPHANUMERIC_32 = re.compile(r"[a-zA-Z0-9]{1,32}")


class IdShape(StrEnum):
    """What our client order id looks like on the wire."""

    PLAIN = "plain"
    T_PREFIX = "t-prefix"
    """``t-`` before it: Gate takes no other custom text."""
    HEX_128 = "hex-128"
    """``0x`` and the 32 hex digits of its 16 bytes: Hyperliquid's 128 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one exchange is spoken to.

    Invariant: an order that ``place_params`` names can be found again, by ``lookup_params`` where
    ``can_fetch_by_client_id``, else in the lists of orders, narrowed by ``list_params``.
    """

    id: str
    is_tried: bool
    """It has a table of its own, tested on the wire; what it says it cannot do is not merely unknown."""
    market_kinds: frozenset[MarketKind] = _BOTH
    """Where the library carries our id and exact amounts; other kinds of market are refused."""
    id_rule: re.Pattern[str] = _ID_RULE
    """What a client order id must match in full."""
    id_shape: IdShape = IdShape.PLAIN
    fee_currency: FeeCurrency = FeeCurrency.RECEIVED
    """In which currency spot fees are taken by default; each execution names its own."""
    request_life_seconds: float = 60.0
    """For how long after signing a request may still be executed."""
    codes: Codes = codes.GENERIC

    can_fetch_by_client_id: bool = True
    """``fetch_order(None, symbol, lookup_params(id))`` finds it; otherwise it is in the lists, or has a known id."""
    can_cancel_by_client_id: bool = True
    """``cancel_order(None, symbol, cancel_params(id))`` works; otherwise the exchange's own id is needed."""
    client_id_life_seconds: float | None = None
    """For how long after its end an order is still known by our id; afterwards look by its own id. None: always."""

    create_name: str = "clientOrderId"
    fetch_name: str = "clientOrderId"
    cancel_name: str = "clientOrderId"
    open_orders: Pages = _WHOLE
    """How the list of open orders is read whole."""
    closed_orders: Pages = _FIFTY
    """How the lists of ended orders are read on; no exchange refuses to tell fifty."""
    swap_orders: Pages | None = None
    """How both are read on swap markets, where they differ from spot."""
    closed_window_ms: int | None = None
    """The span of one answer about ended orders; None: as many as there are."""
    trades: TradePages = _TRADES
    countdown_seconds: tuple[int, int] | None = None
    """The shortest and the longest time of its dead man's switch; None: it has none that counts down."""
    nonces: Nonces = Nonces.FREE
    order_rate: frozenset[str] = frozenset()
    """Codes or words for: too many new orders. Everything else may go on."""
    list_name: str | None = None
    """The field by which lists of orders are narrowed to one, where the exchange can."""
    create_extra: Mapping[str, object] = field(default_factory=dict)
    fetch_extra: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    spot_options: Mapping[str, object] = field(default_factory=dict)
    swap_options: Mapping[str, object] = field(default_factory=dict)

    @property
    def has_countdown(self) -> bool:
        """A dead man's switch that cancels unless it is told again, and that can be told to let go."""
        return self.countdown_seconds is not None

    def place_params(self, client_order_id: str, *, post_only: bool, reduce_only: bool) -> dict[str, object]:
        """What ``create_order`` takes beside side, amount and price.

        Raises:
            ValueError: the id breaks this exchange's rule; never sent, it could be cut or refused.
        """
        if self.id_rule.fullmatch(client_order_id) is None:
            raise ValueError(f"expected a client order id of {self.id_rule.pattern}, found {client_order_id!r}")
        params = {**self.create_extra, self.create_name: self.wire_id(client_order_id)}
        if post_only:
            params["postOnly"] = True
        if reduce_only:
            params["reduceOnly"] = True
        return params

    def lookup_params(self, client_order_id: str, *, order_id: str | None = None) -> dict[str, object]:
        """What ``fetch_order`` takes; the exchange's own ``order_id``, where known, is given to it as the id."""
        if order_id is not None or not self.can_fetch_by_client_id:
            return dict(self.fetch_extra)
        return {**self.fetch_extra, self.fetch_name: self.wire_id(client_order_id)}

    def cancel_params(self, client_order_id: str, *, order_id: str | None = None) -> dict[str, object]:
        """What ``cancel_order`` takes; the exchange's own ``order_id``, where known, is given to it as the id."""
        if order_id is not None or not self.can_cancel_by_client_id:
            return {}
        return {self.cancel_name: self.wire_id(client_order_id)}

    def list_params(self, client_order_id: str) -> dict[str, object]:
        """What narrows ``fetch_open_orders`` and the lists of closed ones to this order; empty: all are told."""
        return {} if self.list_name is None else {self.list_name: self.wire_id(client_order_id)}

    def wire_id(self, client_order_id: str) -> str:
        """Our id as the exchange is told it."""
        match self.id_shape:
            case IdShape.PLAIN:
                return client_order_id
            case IdShape.T_PREFIX:
                return f"t-{client_order_id}"
            case IdShape.HEX_128:
                return "0x" + client_order_id.encode("ascii").hex()

    def market_options(self, market_type: MarketKind) -> dict[str, object]:
        """The library's constructor options for one kind of market."""
        match market_type:
            case MarketKind.SPOT:
                kind: dict[str, object] = {"defaultType": "spot", **self.spot_options}
            case MarketKind.SWAP:
                kind = {"defaultType": "swap", "defaultSubType": "linear", **self.swap_options}
        return {**_OPTIONS, **self.options, **kind}


def dialect_of(exchange_id: str) -> Dialect:
    """The dialect of an exchange of the library; for an unknown one the generic, which takes nothing for proven."""
    return _DIALECTS.get(exchange_id) or Dialect(id=exchange_id, is_tried=False)


_OPTIONS: Mapping[str, object] = MappingProxyType(
    {
        "adjustForTimeDifference": False,  # measured by ourselves, with its error
        "maxRetriesOnFailure": 0,  # a request that is sent again may be executed twice
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        "createMarketBuyOrderRequiresPrice": False,
        "tradesLimit": 10_000,
        "ordersLimit": 10_000,
    }
)
_BINANCE_OPTIONS: Mapping[str, object] = MappingProxyType(
    {"recvWindow": RECV_WINDOW_MS, "fetchCurrencies": False, "fetchMargins": False}
)
_YEAR_MS = 366 * DAY_MS
_BYBIT_PAGES = Pages(paging=Paging.CURSOR, limit=50, name="cursor", told_in="nextPageCursor")
_BYBIT_TRADES = Pages(paging=Paging.CURSOR, limit=100, name="cursor", told_in="nextPageCursor")
_COINBASE_PAGES = Pages(paging=Paging.CURSOR, limit=100, name="cursor", told_in="cursor")
_KRAKEN_TRADES = Pages(paging=Paging.OFFSET, limit=50, name="ofs")

_TABLE = (
    Dialect(
        id="binance",
        is_tried=True,
        codes=codes.BINANCE,
        request_life_seconds=RECV_WINDOW_MS / 1000,
        options=_BINANCE_OPTIONS,
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        swap_options={"fetchMarkets": {"types": ["linear"]}},
        trades=TradePages(limit=1000, of_order="orderId"),
        order_rate=frozenset(("-1015",)),
    ),
    Dialect(
        id="binanceusdm",
        is_tried=True,
        market_kinds=_SWAP,
        codes=codes.BINANCE,
        request_life_seconds=RECV_WINDOW_MS / 1000,
        options=_BINANCE_OPTIONS,
        swap_options={"fetchMarkets": {"types": ["linear"]}},
        trades=TradePages(limit=1000, of_order="orderId"),
        order_rate=frozenset(("-1015",)),
    ),
    Dialect(
        id="bybit",
        is_tried=True,
        codes=codes.BYBIT,
        request_life_seconds=RECV_WINDOW_MS / 1000,
        # fetch_order sends ``orderId=None`` where only our id is known, which finds nothing: the lists can be narrowed
        can_fetch_by_client_id=False,
        create_name="orderLinkId",
        cancel_name="orderLinkId",
        list_name="orderLinkId",
        open_orders=_BYBIT_PAGES,
        closed_window_ms=7 * DAY_MS,
        trades=TradePages(limit=100, window_ms=7 * DAY_MS - 10_000, of_order="orderId", crowd=_BYBIT_TRADES),
        fetch_extra={"acknowledged": True},
        # without these the library asks for the kind of account before the first order; all new accounts are unified
        options={
            "recvWindow": RECV_WINDOW_MS,
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
        },
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        swap_options={"fetchMarkets": {"types": ["linear"]}},
    ),
    Dialect(
        id="okx",
        is_tried=True,
        codes=codes.OKX,
        request_life_seconds=30.0,
        id_rule=_ALPHANUMERIC_32,
        create_name="clOrdId",
        fetch_name="clOrdId",
        cancel_name="clOrdId",
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        swap_options={"fetchMarkets": {"types": ["swap"]}},
        open_orders=Pages(paging=Paging.BEFORE_ID, limit=100, name="after"),
        trades=TradePages(limit=100, of_order="ordId"),
        countdown_seconds=(10, 120),
        order_rate=frozenset(("50061",)),
    ),
    Dialect(
        id="kraken",
        is_tried=True,
        market_kinds=_SPOT,
        codes=codes.KRAKEN,
        id_rule=re.compile(r"[a-zA-Z0-9_-]{1,18}"),
        # fetch_order sends our id as ``userref``, and looks for the answer under the exchange's own id only
        can_fetch_by_client_id=False,
        create_name="cl_ord_id",
        cancel_name="cl_ord_id",
        list_name="cl_ord_id",
        # Kraken takes the fee of a buy in quote and of a sell in base unless told; this is quote for both
        create_extra={"oflags": "fciq"},
        fee_currency=FeeCurrency.QUOTE,
        # the page of 50 is cut off before one market's executions are picked out of it
        trades=TradePages(window_ms=_YEAR_MS, grain_ms=1000, are_of_all_symbols=True, crowd=_KRAKEN_TRADES),
        countdown_seconds=(10, 86_400),
        nonces=Nonces.RISING,
        order_rate=frozenset(("EOrder:Rate limit exceeded",)),
    ),
    Dialect(
        id="krakenfutures",
        is_tried=True,
        market_kinds=_SWAP,
        codes=codes.KRAKEN_FUTURES,
        can_fetch_by_client_id=False,
        can_cancel_by_client_id=False,
        create_name="cliOrdId",
        closed_orders=Pages(limit=100),
        trades=TradePages(limit=100, are_of_all_symbols=True, before_name="lastFillTime"),
        countdown_seconds=(10, 86_400),
    ),
    Dialect(
        id="kucoin",
        is_tried=True,
        market_kinds=_SPOT,
        codes=codes.KUCOIN,
        request_life_seconds=5.0,
        create_name="clientOid",
        fetch_name="clientOid",
        cancel_name="clientOid",
        fee_currency=FeeCurrency.QUOTE,
        options={"uta": False, "hf": True},
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        trades=TradePages(limit=100, of_order="orderId"),
    ),
    Dialect(
        id="gate",
        is_tried=True,
        codes=codes.GATE,
        id_rule=re.compile(r"[0-9A-Za-z_.-]{1,28}"),
        id_shape=IdShape.T_PREFIX,
        create_name="text",
        fetch_name="text",
        # cancel_order puts the id into the path and knows no other: the path's own field is overridden
        cancel_name="order_id",
        client_id_life_seconds=3600.0,
        options={"unifiedAccount": False},
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        swap_options={"fetchMarkets": {"types": ["swap"]}},
        open_orders=Pages(paging=Paging.NUMBER, limit=100, name="page"),
        closed_orders=Pages(paging=Paging.NUMBER, limit=100, name="page"),
        swap_orders=Pages(paging=Paging.OFFSET, limit=100, name="offset"),
        trades=TradePages(limit=100, grain_ms=1000, of_order="order_id"),
    ),
    Dialect(
        id="coinbase",
        is_tried=True,
        market_kinds=_SPOT,
        codes=codes.COINBASE,
        request_life_seconds=120.0,
        # create_order drops ``clientOrderId``; the raw name overwrites the library's own
        create_name="client_order_id",
        can_fetch_by_client_id=False,
        can_cancel_by_client_id=False,
        fee_currency=FeeCurrency.QUOTE,
        open_orders=_COINBASE_PAGES,
        closed_orders=_COINBASE_PAGES,
        trades=TradePages(limit=100, crowd=_COINBASE_PAGES),
    ),
    Dialect(
        id="bitget",
        is_tried=True,
        codes=codes.BITGET,
        request_life_seconds=30.0,
        create_name="clientOid",
        fetch_name="clientOid",
        cancel_name="clientOid",
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        swap_options={"fetchMarkets": {"types": ["swap"]}},
        open_orders=Pages(paging=Paging.BEFORE_ID, limit=100, name="idLessThan"),
        trades=TradePages(limit=100, of_order="orderId"),
    ),
    Dialect(
        id="mexc",
        is_tried=True,
        market_kinds=_SPOT,  # swap orders go out as floats, and are cancelled by the exchange's own id only
        codes=codes.MEXC,
        request_life_seconds=RECV_WINDOW_MS / 1000,
        id_rule=re.compile(r"[a-zA-Z0-9_-]{1,32}"),
        fee_currency=FeeCurrency.QUOTE,
        options={"recvWindow": RECV_WINDOW_MS},
        spot_options={"fetchMarkets": {"types": {"spot": True, "swap": {"linear": False, "inverse": False}}}},
        trades=TradePages(limit=100, of_order="orderId"),
    ),
    Dialect(
        id="htx",
        is_tried=True,
        market_kinds=_SPOT,  # for swaps the library drops a client order id that is no number
        codes=codes.HTX,
        request_life_seconds=300.0,
        id_rule=re.compile(r"[a-zA-Z0-9_-]{1,64}"),
        create_name="client-order-id",
        cancel_name="client-order-id",
        client_id_life_seconds=7200.0,
        spot_options={"fetchMarkets": {"types": {"spot": True, "linear": False, "inverse": False}}},
        open_orders=Pages(paging=Paging.BEFORE_ID, limit=100, name="from", extra={"direct": "next"}),
        closed_orders=Pages(paging=Paging.BEFORE_ID, limit=100, name="from", extra={"direct": "next"}),
        closed_window_ms=2 * DAY_MS,
        trades=TradePages(limit=100),
        countdown_seconds=(10, 3600),
    ),
    Dialect(
        id="hyperliquid",
        is_tried=True,
        codes=codes.HYPERLIQUID,
        id_rule=re.compile(r"[a-zA-Z0-9_-]{16}"),
        id_shape=IdShape.HEX_128,
        # before the first order the library approves a fee for itself and names a referrer; a builder that is no
        # address stops the first before anything is sent, and so no order carries the fee either
        options={"builderFee": False, "builder": "none", "refSet": True},
        spot_options={"fetchMarkets": {"types": ["spot"]}},
        swap_options={"fetchMarkets": {"types": ["swap"]}},
        # its dead man's switch cannot be told to let go through the library
        trades=TradePages(limit=2000, are_of_all_symbols=True),
        nonces=Nonces.UNIQUE,
    ),
)
_DIALECTS: Mapping[str, Dialect] = MappingProxyType({dialect.id: dialect for dialect in _TABLE})
