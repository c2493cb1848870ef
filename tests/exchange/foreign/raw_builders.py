"""Small builders of what ccxt answers: each has a plain default, a test names only what it is about."""

from decimal import Decimal
from typing import Any

from engine.model.market import FeeCurrency, Market, SwapRules
from tests.builders import a_market

Raw = dict[str, Any]


def a_raw_market(**changes: object) -> Raw:
    """BTC/USDT as ccxt reads it from Binance, numbers as floats."""
    return {
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": None,
        "type": "spot",
        "spot": True,
        "swap": False,
        "future": False,
        "option": False,
        "active": True,
        "maker": 0.001,
        "taker": 0.001,
        "precision": {"price": 0.01, "amount": 1e-05},
        "limits": {
            "amount": {"min": 1e-05, "max": 9000.0},
            "cost": {"min": 5.0, "max": None},
            "price": {"min": 0.01, "max": 1000000.0},
            "leverage": {"min": None, "max": None},
        },
        "info": {},
        **changes,
    }


def a_raw_swap(**changes: object) -> Raw:
    """BTC/USDT:USDT as ccxt reads it from OKX: contracts of 0.01 BTC, in steps of 0.01 contracts."""
    return a_raw_market(
        **{
            "symbol": "BTC/USDT:USDT",
            "settle": "USDT",
            "type": "swap",
            "spot": False,
            "swap": True,
            "linear": True,
            "inverse": False,
            "contractSize": 0.01,
            "maker": 0.0002,
            "taker": 0.0005,
            "precision": {"price": 0.1, "amount": 0.01},
            "limits": {
                "amount": {"min": 0.01, "max": None},
                "cost": {"min": None, "max": None},
                "price": {"min": None, "max": None},
                "leverage": {"min": 1.0, "max": 100.0},
            },
            **changes,
        }
    )


def a_swap_market(**changes: object) -> Market:
    """BTC/USDT:USDT in our words: contracts of 0.01 BTC."""
    rules = SwapRules(contract_size=Decimal("0.01"), leverage_max=Decimal(100), maintenance_rate=Decimal("0.005"))
    told: dict[str, object] = {
        "symbol": "BTC/USDT:USDT",
        "tick_size": Decimal("0.1"),
        "lot_size": Decimal("0.0001"),
        "amount_min": Decimal("0.0001"),
        "fee_currency": FeeCurrency.QUOTE,
        "swap": rules,
    }
    return a_market(**{**told, **changes})


def a_raw_order(**changes: object) -> Raw:
    """An open order to buy 2 at 100."""
    return {
        "id": "77",
        "clientOrderId": "gabc00e00000000x",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "price": 100.0,
        "amount": 2.0,
        "filled": 0.0,
        "remaining": 2.0,
        "average": None,
        "status": "open",
        "timestamp": 1000,
        "lastUpdateTimestamp": None,
        "lastTradeTimestamp": None,
        "trades": [],
        "info": {},
        **changes,
    }


def a_raw_trade(**changes: object) -> Raw:
    """A maker's buy of 0.5 at 100 for a fee in base."""
    return {
        "id": "9001",
        "order": "77",
        "symbol": "BTC/USDT",
        "side": "buy",
        "takerOrMaker": "maker",
        "price": 100.0,
        "amount": 0.5,
        "timestamp": 2000,
        "fee": {"cost": 0.0005, "currency": "BTC"},
        "fees": [{"cost": 0.0005, "currency": "BTC"}],
        "info": {},
        **changes,
    }


def a_raw_position(**changes: object) -> Raw:
    """Long 300 contracts of 0.01 BTC from 50,000."""
    return {
        "symbol": "BTC/USDT:USDT",
        "contracts": 300.0,
        "side": "long",
        "hedged": False,
        "entryPrice": 50000.0,
        "collateral": 15000.5,
        "initialMargin": 15000.0,
        "notional": 150000.0,
        "liquidationPrice": 45250.5,
        "leverage": 10.0,
        "marginMode": "isolated",
        "info": {},
        **changes,
    }
