"""The requests by which a client of Bybit changes something: orders, the dead-man switch, leverage and modes.

An acknowledgement says no more than that a request was taken; how the order fares is told by lists and streams.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import count

from engine.model.money import floor_to_step
from tests.loopback.bybit_codes import (
    BAD_PARAMETER,
    BybitError,
    JsonObject,
    Reply,
    error_from_order_refusal,
    error_from_refusal,
)
from tests.loopback.bybit_orders import NAMELESS, link_id, order_id_from_wire, wire_order_id
from tests.loopback.bybit_params import (
    Params,
    Request,
    decimal_of,
    is_set,
    kind_of,
    market_of,
    markets_of,
    number_of,
    text_of,
)
from tests.loopback.venue import Venue
from tests.loopback.venue_words import (
    MarketKind,
    NewOrder,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
    VenueMarket,
    VenueOrder,
)

LINK_ID_LENGTH_MAX = 36
DEAD_MAN_SECONDS = (3, 300)
BATCH_MAX = {MarketKind.SPOT: 10, MarketKind.LINEAR: 20}
_PRODUCTS = {"SPOT": MarketKind.SPOT, "DERIVATIVES": MarketKind.LINEAR}
_nameless = count(1)


def create(request: Request) -> Reply:
    """Place one order."""
    return Reply(result=_create(request.venue, request.params))


def cancel(request: Request) -> Reply:
    """Cancel one order."""
    return Reply(result=_cancel(request.venue, request.params))


def create_batch(request: Request) -> Reply:
    """Place several; each succeeds or fails by itself."""
    return _batch(request, _create, {"createAt": str(request.venue.now_ms())})


def cancel_batch(request: Request) -> Reply:
    """Cancel several; each succeeds or fails by itself."""
    return _batch(request, _cancel, {})


def cancel_all(request: Request) -> Reply:
    """Cancel every open order of a symbol, or of a settlement coin."""
    kind = kind_of(request.params)
    if kind is MarketKind.LINEAR and not any(text_of(request.params, name) for name in ("symbol", "settleCoin")):
        raise BybitError(BAD_PARAMETER, "params error: symbol, settleCoin or baseCoin is required")
    gone: list[JsonObject] = []
    for market in markets_of(request.venue, request.params):
        gone += [_ids(market, order) for order in request.venue.cancel_all(market.id)]
    return Reply(result={"list": gone, "success": "1"})


def set_dead_man(request: Request) -> Reply:
    """How long all streams that subscribed to ``dcp`` may be gone before the orders of a product are cancelled."""
    seconds = number_of(request.params, "timeWindow")
    least, most = DEAD_MAN_SECONDS
    if seconds is None or not least <= seconds <= most:
        raise BybitError(BAD_PARAMETER, f"params error: timeWindow must be {least} to {most}")
    kind = _PRODUCTS.get(text_of(request.params, "product"))
    if kind is not None:
        request.state.dead_man_seconds[kind] = seconds
    return Reply()


def set_leverage(request: Request) -> Reply:
    """Leverage of a swap; one-way positions need both sides alike."""
    market = _swap_of(request)
    buy = decimal_of(request.params, "buyLeverage", "buyLeverage invalid")
    if buy != decimal_of(request.params, "sellLeverage", "sellLeverage invalid"):
        raise BybitError(BAD_PARAMETER, "buy leverage not equal sell leverage")
    try:
        request.venue.set_leverage(market.id, buy)
    except Refusal as refusal:
        raise error_from_refusal(refusal, market.kind) from refusal
    return Reply()


def set_margin_mode(request: Request) -> Reply:
    """Cross or isolated, for the whole account."""
    mode = text_of(request.params, "setMarginMode")
    if mode == "PORTFOLIO_MARGIN":
        raise BybitError(3400045, "Set margin mode failed")
    if mode not in ("REGULAR_MARGIN", "ISOLATED_MARGIN"):
        raise BybitError(BAD_PARAMETER, "params error: setMarginMode invalid")
    request.state.margin_mode = mode
    return Reply(result={"reasons": []})


def switch_position_mode(request: Request) -> Reply:
    """One-way is the only mode there is."""
    if text_of(request.params, "mode") != "0":
        raise BybitError(110029, "Hedge mode is not supported for this symbol.")
    raise BybitError(110025, "Position mode is not modified")


def _create(venue: Venue, params: Params) -> JsonObject:
    market = market_of(venue, params)
    new = _new_order(venue, market, params)
    try:
        return _ids(market, venue.place(new))
    except Refusal as refusal:
        raise error_from_order_refusal(refusal, market, new) from refusal


def _new_order(venue: Venue, market: VenueMarket, params: Params) -> NewOrder:
    sides = {"Buy": Side.BUY, "Sell": Side.SELL}
    side = sides.get(text_of(params, "side"))
    if side is None:
        raise BybitError(BAD_PARAMETER, "params error: Side invalid")
    link = text_of(params, "orderLinkId")
    if len(link) > LINK_ID_LENGTH_MAX:
        raise error_from_refusal(Refusal(RefusalReason.CLIENT_ID, link), market.kind)
    time_in_force = text_of(params, "timeInForce") or "GTC"
    if time_in_force not in {*TimeInForce, "PostOnly"}:
        raise BybitError(170115 if market.kind is MarketKind.SPOT else BAD_PARAMETER, "Invalid timeInForce.")
    price = _price(params)
    return NewOrder(
        market=market.id,
        side=side,
        amount=_amount(venue, market, params, price),
        price=price,
        client_id=link or f"{NAMELESS}{next(_nameless)}",
        post_only=time_in_force == "PostOnly",
        reduce_only=is_set(params, "reduceOnly"),
        time_in_force=TimeInForce.GTC if time_in_force == "PostOnly" else TimeInForce(time_in_force),
    )


def _price(params: Params) -> Decimal | None:
    match text_of(params, "orderType"):
        case "Limit":
            return decimal_of(params, "price", "params error: Price invalid")
        case "Market":
            return None
        case other:
            raise BybitError(BAD_PARAMETER, f"params error: OrderType invalid: {other}")


def _amount(venue: Venue, market: VenueMarket, params: Params, price: Decimal | None) -> Decimal:
    """A market buy on spot is a sum of quote unless its ``marketUnit`` says otherwise."""
    amount = decimal_of(params, "qty", "Qty invalid")
    if market.kind is MarketKind.LINEAR or price is not None:
        return amount
    default = "quoteCoin" if text_of(params, "side") == "Buy" else "baseCoin"
    if (text_of(params, "marketUnit") or default) == "baseCoin":
        return amount
    last = venue.last(market.id)
    if last is None:
        raise BybitError(170151, "The trading pair is not open yet")
    return floor_to_step(amount / last, market.lot)


def _cancel(venue: Venue, params: Params) -> JsonObject:
    market = market_of(venue, params)
    order_id, link = text_of(params, "orderId"), text_of(params, "orderLinkId")
    if not order_id and not link:
        raise BybitError(BAD_PARAMETER, "params error: OrderId or orderLinkId is required")
    try:
        if order_id:
            return _ids(market, venue.cancel(market.id, order_id=order_id_from_wire(order_id) or 0))
        return _ids(market, venue.cancel(market.id, client_id=link))
    except Refusal as refusal:
        raise error_from_refusal(refusal, market.kind) from refusal


def _batch(request: Request, do: Callable[[Venue, Params], JsonObject], more: JsonObject) -> Reply:
    kind = kind_of(request.params)
    parts = request.params.get("request")
    if kind is None or not isinstance(parts, list) or not 1 <= len(parts) <= BATCH_MAX[kind]:
        raise BybitError(BAD_PARAMETER, "params error: request size invalid")
    rows: list[JsonObject] = []
    codes: list[JsonObject] = []
    for part in _objects(parts):
        named = {"category": request.params["category"], **part}
        try:
            ids, code, text = do(request.venue, named), 0, "OK"
        except BybitError as error:
            ids, code, text = {"orderId": "", "orderLinkId": text_of(part, "orderLinkId")}, error.code, error.text
        rows.append({"category": named["category"], "symbol": text_of(part, "symbol"), **ids, **more})
        codes.append({"code": code, "msg": text})
    return Reply(result={"list": rows}, extra={"list": codes})


def _objects(parts: Iterable[object]) -> list[JsonObject]:
    objects = [part for part in parts if isinstance(part, dict)]
    if not objects:
        raise BybitError(BAD_PARAMETER, "params error: request invalid")
    return objects


def _swap_of(request: Request) -> VenueMarket:
    if kind_of(request.params) is not MarketKind.LINEAR:
        raise BybitError(181001, "category only support linear or option")
    return market_of(request.venue, request.params)


def _ids(market: VenueMarket, order: VenueOrder) -> JsonObject:
    return {"orderId": wire_order_id(market, order.order_id), "orderLinkId": link_id(order.client_id)}
