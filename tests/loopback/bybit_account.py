"""How Bybit v5 writes down a unified account: wallet, positions, key and fee rates.

Source: bybit-exchange.github.io/docs/v5/account/wallet-balance, /position, /user/apikey-info, /account/account-info.
``availableToWithdraw`` is empty for unified accounts since January 2025: what is free must be worked out.
"""

from collections.abc import Collection
from decimal import Decimal

from engine.model.money import floor_quotient, text_from_decimal
from tests.loopback.bybit_codes import JsonObject
from tests.loopback.bybit_orders import category_of, wire_symbol
from tests.loopback.venue import Venue
from tests.loopback.venue_words import ZERO, MarketKind, VenueMarket, VenuePosition

MAINTENANCE_RATE = Decimal("0.005")
_PERMISSIONS: dict[str, list[str]] = {
    "ContractTrade": ["Order", "Position"],
    "Spot": ["SpotTrade"],
    "Wallet": [],
    "Options": [],
    "Derivatives": ["DerivativesTrade"],
    "CopyTrading": [],
    "BlockTrade": [],
    "Exchange": [],
    "NFT": [],
    "Affiliate": [],
    "Earn": [],
}


def wallet_json(venue: Venue, coins: Collection[str] | None = None) -> JsonObject:
    """The unified account; ``coins`` None is all of them."""
    held = [coin for coin in venue.balances() if coins is None or coin in coins]
    return {
        "accountType": "UNIFIED",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "accountLTV": "0",
        "totalEquity": "",
        "totalWalletBalance": "",
        "totalMarginBalance": "",
        "totalAvailableBalance": "",
        "totalPerpUPL": "0",
        "totalInitialMargin": "0",
        "totalMaintenanceMargin": "0",
        "coin": [_coin_json(venue, coin) for coin in held],
    }


def position_json(venue: Venue, market: VenueMarket, position: VenuePosition) -> JsonObject:
    """One position as REST lists it; flat ones have no side and empty prices."""
    mark = venue.last(market.id) or position.entry
    size = abs(position.size)
    value = market.value(position.entry, size)
    margin = floor_quotient(value, position.leverage)
    return {
        "positionIdx": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": wire_symbol(market),
        "side": "" if not size else "Buy" if position.size > 0 else "Sell",
        "size": text_from_decimal(size),
        "avgPrice": text_from_decimal(position.entry),
        "positionValue": text_from_decimal(value) if size else "",
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": text_from_decimal(position.leverage),
        "markPrice": text_from_decimal(mark),
        "liqPrice": _liquidation_price(position) if size else "",
        "bustPrice": "",
        "positionIM": text_from_decimal(margin) if size else "",
        "positionMM": text_from_decimal(value * MAINTENANCE_RATE) if size else "",
        "positionBalance": text_from_decimal(margin),
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": text_from_decimal(market.value(mark - position.entry, position.size)) if size else "",
        "curRealisedPnl": text_from_decimal(position.realized),
        "cumRealisedPnl": text_from_decimal(position.realized),
        "adlRankIndicator": 0,
        "isReduceOnly": False,
        "createdTime": str(position.updated_ms),
        "updatedTime": str(position.updated_ms),
        "seq": position.updated_ms,
    }


def stream_position_json(venue: Venue, market: VenueMarket, position: VenuePosition) -> JsonObject:
    """One position as the ``position`` topic tells it: the entry has another name there."""
    row = position_json(venue, market, position)
    flat = {name: "0" for name, text in row.items() if text == "" and name not in ("side", "bustPrice")}
    return {**row, **flat, "entryPrice": row["avgPrice"], "category": category_of(market)}


def key_json(api_key: str, *, may_withdraw: bool, is_read_only: bool, is_ip_bound: bool) -> JsonObject:
    """What the key may do. Bybit gives ``Withdraw`` in the Wallet list of a key that may send money away."""
    wallet = ["AccountTransfer", "SubMemberTransfer", "Withdraw"] if may_withdraw else []
    return {
        "id": "2208369",
        "note": "loopback",
        "apiKey": api_key,
        "readOnly": int(is_read_only),
        "secret": "",
        "permissions": {**_PERMISSIONS, "Wallet": wallet},
        "ips": ["127.0.0.1"] if is_ip_bound else ["*"],
        "type": 1,
        "deadlineDay": 83,
        "expiredAt": "2035-01-01T00:00:00Z",
        "createdAt": "2025-10-13T03:20:45Z",
        "unified": 0,
        "uta": 1,
        "userID": 1448939,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
    }


def account_json(margin_mode: str, at_ms: int) -> JsonObject:
    """A unified account of the second generation."""
    return {
        "marginMode": margin_mode,
        "updatedTime": str(at_ms),
        "unifiedMarginStatus": 6,
        "dcpStatus": "OFF",
        "timeWindow": 0,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def fee_rate_json(market: VenueMarket) -> JsonObject:
    """The account's fees on one market."""
    return {
        "symbol": wire_symbol(market),
        "takerFeeRate": text_from_decimal(market.taker_fee),
        "makerFeeRate": text_from_decimal(market.maker_fee),
        "baseCoin": "",
    }


def coin_info_json(coin: str) -> JsonObject:
    """One currency as ``coin/query-info`` lists it."""
    chain = {
        "chainType": coin,
        "confirmation": "10",
        "withdrawFee": "0.0005",
        "depositMin": "0",
        "withdrawMin": "0.001",
        "chain": coin,
        "chainDeposit": "1",
        "chainWithdraw": "1",
        "minAccuracy": "8",
    }
    return {"name": coin, "coin": coin, "remainAmount": "150", "chains": [chain]}


def _coin_json(venue: Venue, coin: str) -> JsonObject:
    held = venue.ledger.balance(coin)
    total = held.free + held.locked
    in_orders = _bound_by_spot(venue, coin)
    margin = _position_margin(venue, coin)
    unrealised = sum((_unrealised(venue, position, coin) for position in venue.positions()), ZERO)
    return {
        "coin": coin,
        "equity": text_from_decimal(total + unrealised),
        "usdValue": "",
        "walletBalance": text_from_decimal(total),
        "free": "",
        "locked": text_from_decimal(in_orders),
        "spotHedgingQty": "0",
        "borrowAmount": "0",
        "spotBorrow": "0",
        "accruedInterest": "0",
        "availableToBorrow": "",
        "availableToWithdraw": "",
        "totalOrderIM": text_from_decimal(held.locked - in_orders - margin),
        "totalPositionIM": text_from_decimal(margin),
        "totalPositionMM": text_from_decimal(margin * MAINTENANCE_RATE),
        "unrealisedPnl": text_from_decimal(unrealised),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
    }


def _bound_by_spot(venue: Venue, coin: str) -> Decimal:
    bound = ZERO
    for order in venue.open_orders():
        market = venue.markets[order.market]
        if market.kind is MarketKind.SPOT and order.price is not None:
            currency, amount = venue.ledger.need(market, order, order.price)
            bound += amount if currency == coin else ZERO
    return bound


def _position_margin(venue: Venue, coin: str) -> Decimal:
    margins = (
        floor_quotient(venue.markets[held.market].value(held.entry, abs(held.size)), held.leverage)
        for held in venue.positions()
        if venue.markets[held.market].quote == coin
    )
    return sum(margins, ZERO)


def _unrealised(venue: Venue, position: VenuePosition, coin: str) -> Decimal:
    market = venue.markets[position.market]
    mark = venue.last(market.id)
    if market.quote != coin or mark is None:
        return ZERO
    return market.value(mark - position.entry, position.size)


def _liquidation_price(position: VenuePosition) -> str:
    """What an isolated position of this leverage would end at; close enough for a client that only shows it."""
    sign = 1 if position.size > 0 else -1
    distance = floor_quotient(position.entry, position.leverage) - position.entry * MAINTENANCE_RATE
    return text_from_decimal(max(position.entry - distance * sign, ZERO))
