"""Binance's error codes and the words that come with them."""

from tests.loopback.faults import RequestName
from tests.loopback.venue import Refusal, RefusalReason
from tests.loopback.wire import Answer

INVALID_SYMBOL = -1121
BAD_TIMESTAMP = -1021
BAD_SIGNATURE = -1022
BAD_KEY_FORMAT = -2014
BAD_KEY = -2015
TOO_MANY_REQUESTS = -1003
TOO_MANY_ORDERS = -1015
LATE = "Timestamp for this request is outside of the recvWindow."
AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
BAD_KEY_TEXT = "Invalid API-key, IP, or permissions for action."

_WORDS: dict[RefusalReason, tuple[int, str]] = {
    RefusalReason.UNKNOWN_MARKET: (INVALID_SYMBOL, "Invalid symbol."),
    RefusalReason.MARKET_CLOSED: (-1013, "Market is closed."),
    RefusalReason.ORDER_CLOSED: (-2011, "Unknown order sent."),
    RefusalReason.FILTER_PRICE: (-1013, "Filter failure: PRICE_FILTER"),
    RefusalReason.FILTER_BAND: (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    RefusalReason.FILTER_LOT: (-1013, "Filter failure: LOT_SIZE"),
    RefusalReason.FILTER_AMOUNT: (-1013, "Filter failure: LOT_SIZE"),
    RefusalReason.FILTER_NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    RefusalReason.TOO_MANY_ORDERS: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    RefusalReason.CLIENT_ID: (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
    ),
    RefusalReason.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    RefusalReason.POST_ONLY: (-2010, "Order would immediately match and take."),
    RefusalReason.FUNDS: (-2010, "Account has insufficient balance for requested action."),
    RefusalReason.REDUCE_ONLY: (-1106, "Parameter 'reduceOnly' sent when not required."),
    RefusalReason.LEVERAGE: (-1100, "Illegal leverage."),
    RefusalReason.LEVERAGE_SAME: (-1100, "Illegal leverage."),
}


class BadRequest(Exception):
    """The request itself is wrong; answered with this code."""

    def __init__(self, code: int, text: str) -> None:
        """Remember both."""
        super().__init__(text)
        self.code = code
        self.text = text


def refusal_answer(refusal: Refusal, name: RequestName) -> Answer:
    """The code for a refusal of the venue; an unknown order is another code for a cancel than for a lookup."""
    if refusal.reason is RefusalReason.UNKNOWN_ORDER:
        if name is RequestName.ORDER:
            return error(-2013, "Order does not exist.")
        return error(-2011, "Unknown order sent.")
    return error(*_WORDS[refusal.reason])


def error(code: int, text: str, status: int = 400, headers: dict[str, str] | None = None) -> Answer:
    """An error body; nothing was executed."""
    return Answer(body={"code": code, "msg": text}, status=status, headers=headers or {}, is_refusal=True)
