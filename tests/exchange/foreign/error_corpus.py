"""What exchanges say when something fails, word for word, and what each saying proves.

One row: exchange, request, HTTP status, body, the class of ours, and a piece of the message.
Source: the exchanges' error pages, and the client library's own notes beside its maps of codes.
"""

from dataclasses import dataclass

from engine.exchange.foreign.proof.errors import RequestKind
from engine.model.errors import (
    DuplicateOrder,
    GridwrightError,
    OrderNotFound,
    OutcomeUnknown,
    PostOnlyRejected,
    Rejected,
    SettingsInvalid,
    Transient,
)

PLACE, CANCEL, LOOKUP, READ = RequestKind.PLACE, RequestKind.CANCEL, RequestKind.LOOKUP, RequestKind.READ


@dataclass(frozen=True, slots=True)
class Row:
    """``says`` is a piece of our message; ``rel`` the row of the failure modes that it proves."""

    exchange: str
    kind: RequestKind
    status: int
    body: str
    ours: type[GridwrightError]
    says: str = ""
    rel: str = ""

    @property
    def name(self) -> str:
        code = "".join(letter for letter in self.body if letter.isalnum() or letter in "-:")[:40]
        return f"{self.rel or 'rel'}-{self.exchange}-{self.kind}-{self.status}-{code}-{self.ours.__name__}"


def _binance(code: int, message: str) -> str:
    return f'{{"code":{code},"msg":"{message}"}}'


def _bybit(code: int, message: str) -> str:
    return f'{{"retCode":{code},"retMsg":"{message}","result":{{}},"retExtInfo":{{}},"time":1672211918471}}'


def _okx_order(code: int, message: str) -> str:
    order = f'{{"clOrdId":"gabc01e00200003z","ordId":"","sCode":"{code}","sMsg":"{message}","tag":""}}'
    return f'{{"code":"1","data":[{order}],"inTime":"1695190491421339","msg":"All operations failed"}}'


def _okx(code: int, message: str) -> str:
    return f'{{"code":"{code}","data":[],"msg":"{message}"}}'


def _kraken(message: str) -> str:
    return f'{{"error":["{message}"]}}'


def _futures(status: str, action: str = "sendStatus") -> str:
    return f'{{"result":"success","serverTime":"2026-11-21T12:00:00.000Z","{action}":{{"status":"{status}"}}}}'


def _kucoin(code: int, message: str) -> str:
    return f'{{"code":"{code}","msg":"{message}"}}'


def _gate(label: str, message: str) -> str:
    return f'{{"label":"{label}","message":"{message}"}}'


def _coinbase(error: str, preview: str = "", message: str = "") -> str:
    return (
        f'{{"success":false,"failure_reason":"UNKNOWN_FAILURE_REASON","order_id":"","error_response":{{'
        f'"error":"{error}","message":"{message}","error_details":"","preview_failure_reason":"{preview}"}}}}'
    )


def _bitget(code: int, message: str) -> str:
    return f'{{"code":"{code}","msg":"{message}","requestTime":1700000000000,"data":null}}'


def _mexc(code: int, message: str) -> str:
    return f'{{"code":{code},"msg":"{message}"}}'


def _htx(code: str, message: str) -> str:
    return f'{{"status":"error","err-code":"{code}","err-msg":"{message}","data":null}}'


def _hyperliquid(message: str) -> str:
    return f'{{"status":"ok","response":{{"type":"order","data":{{"statuses":[{{"error":"{message}"}}]}}}}}}'


# fmt: off
CORPUS = [
    # --- Binance ---
    Row("binance", PLACE, 400, _binance(-2010, "Account has insufficient balance for requested action."), Rejected,
        "insufficient balance", "rel-19"),
    Row("binance", PLACE, 400, _binance(-2010, "Order would immediately match and take."), PostOnlyRejected,
        "immediately match", "rel-17"),
    Row("binance", PLACE, 400, _binance(-2010, "Duplicate order sent."), DuplicateOrder, "Duplicate order", "rel-01"),
    Row("binance", PLACE, 400, _binance(-2010, "Market is closed."), Rejected, "Market is closed", "rel-48"),
    Row("binance", PLACE, 400, _binance(-2010, "This symbol is not permitted for this account."), Rejected, "symbol"),
    Row("binance", PLACE, 400, _binance(-2010, "Filter failure: NOTIONAL"), Rejected, "-2010"),
    Row("binance", PLACE, 400, _binance(-1013, "Filter failure: LOT_SIZE"), Rejected, "-1013"),
    Row("binance", PLACE, 400, _binance(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"), Rejected, "PERCENT_PRICE"),
    Row("binance", PLACE, 400, _binance(-1111, "Precision is over the maximum defined for this asset."), Rejected),
    Row("binance", PLACE, 400, _binance(-1121, "Invalid symbol."), Rejected, "check the symbol", "rel-48"),
    Row("binance", PLACE, 400, _binance(-1021, "Timestamp for this request is outside of the recvWindow."), Transient,
        "clock", "rel-30"),
    Row("binance", PLACE, 401, _binance(-2015, "Invalid API-key, IP, or permissions for action."), Rejected, "API key"),
    Row("binance", READ, 401, _binance(-2015, "Invalid API-key, IP, or permissions for action."), SettingsInvalid,
        "check the API key"),
    Row("binance", READ, 401, _binance(-2014, "API-key format invalid."), SettingsInvalid, "check the API key"),
    Row("binance", READ, 400, _binance(-1022, "Signature for this request is not valid."), SettingsInvalid, "secret"),
    Row("binance", LOOKUP, 401, _binance(-2015, "Invalid API-key, IP, or permissions for action."), OutcomeUnknown),
    Row("binance", READ, 400, _binance(-1121, "Invalid symbol."), SettingsInvalid, "check the symbol", "rel-48"),
    Row("binance", PLACE, 429, _binance(-1003, "Too many requests; current limit is 6000 request weight per 1 MINUTE."),
        Transient, "Too many requests", "rel-26"),
    Row("binance", PLACE, 429, _binance(-1015, "Too many new orders; current limit is 50 orders per 10 SECOND."),
        Transient, "Too many new orders", "rel-26"),
    Row("binance", PLACE, 418, _binance(-1003, "Way too much request weight used; IP banned until 1795306000000."),
        Transient, "banned", "rel-27"),
    Row("binance", PLACE, 500, _binance(-1000, "An unknown error occurred while processing the request."),
        OutcomeUnknown, "-1000", "rel-02"),
    Row("binance", PLACE, 504, _binance(-1007, "Timeout waiting for response from backend server. Send status unknown;"
        " execution status unknown."), OutcomeUnknown, "-1007", "rel-02"),
    Row("binance", PLACE, 503, _binance(-1006, "An unexpected response was received from the message bus."),
        OutcomeUnknown, "-1006", "rel-02"),
    Row("binance", PLACE, 503, "<html><body>503 Service Unavailable</body></html>", OutcomeUnknown, "", "rel-02"),
    Row("binance", PLACE, 502, "<html><body>502 Bad Gateway</body></html>", OutcomeUnknown, "", "rel-02"),
    Row("binance", PLACE, 400, _binance(-1010, "ERROR_MSG_RECEIVED"), OutcomeUnknown, "-1010"),
    Row("binance", PLACE, 400, _binance(-9999, "Something new."), OutcomeUnknown, "-9999", "rel-04"),
    Row("binance", CANCEL, 400, _binance(-2011, "Unknown order sent."), OrderNotFound, "Unknown order", "rel-15"),
    Row("binance", CANCEL, 504, _binance(-1007, "Timeout waiting for response from backend server."), OutcomeUnknown,
        "-1007", "rel-02"),
    Row("binance", LOOKUP, 400, _binance(-2013, "Order does not exist."), OrderNotFound, "-2013"),
    Row("binance", LOOKUP, 500, _binance(-1000, "An unknown error occurred."), Transient, "-1000"),
    Row("binance", READ, 451, "<html>Service unavailable from a restricted location</html>", SettingsInvalid, "place"),
    # --- Binance USD-M ---
    Row("binanceusdm", PLACE, 400, _binance(-4116, "ClientOrderId is duplicated."), DuplicateOrder, "", "rel-01"),
    Row("binanceusdm", PLACE, 400, _binance(-5022, "Due to the order could not be executed as maker, the Post Only"
        " order will be rejected."), PostOnlyRejected, "maker", "rel-17"),
    Row("binanceusdm", PLACE, 400, _binance(-2019, "Margin is insufficient."), Rejected, "-2019", "rel-19"),
    Row("binanceusdm", PLACE, 400, _binance(-2022, "ReduceOnly Order is rejected."), Rejected, "-2022"),
    Row("binanceusdm", PLACE, 400, _binance(-4164, "Order's notional must be no smaller than 100."), Rejected, "-4164"),
    Row("binanceusdm", PLACE, 503, _binance(-1008, "Request throttled by system-level protection."), Transient,
        "-1008", "rel-02"),
    Row("binanceusdm", PLACE, 408, _binance(-1007, "Timeout waiting for response from backend server."),
        OutcomeUnknown, "-1007", "rel-02"),
    # --- Bybit ---
    Row("bybit", PLACE, 200, _bybit(170131, "Insufficient balance."), Rejected, "170131", "rel-19"),
    Row("bybit", PLACE, 200, _bybit(110007, "ab not enough for new order"), Rejected, "110007", "rel-19"),
    Row("bybit", PLACE, 200, _bybit(170141, "Duplicate clientOrderId"), DuplicateOrder, "170141", "rel-01"),
    Row("bybit", PLACE, 200, _bybit(110072, "OrderLinkedID is duplicate"), DuplicateOrder, "110072", "rel-01"),
    Row("bybit", PLACE, 200, _bybit(12141, "Duplicate clientOrderId"), DuplicateOrder, "12141", "rel-01"),
    Row("bybit", PLACE, 200, _bybit(170218, "The LIMIT-MAKER order is rejected due to invalid price."),
        PostOnlyRejected, "170218", "rel-17"),
    Row("bybit", PLACE, 200, _bybit(170140, "Order value exceeded lower limit."), Rejected, "170140"),
    Row("bybit", PLACE, 200, _bybit(170134, "Order price has too many decimals."), Rejected, "170134"),
    Row("bybit", PLACE, 200, _bybit(10001, "params error: Qty invalid"), Rejected, "Qty invalid"),
    Row("bybit", PLACE, 200, _bybit(170121, "Invalid symbol."), Rejected, "check the symbol", "rel-48"),
    Row("bybit", PLACE, 200, _bybit(10002, "invalid request, please check your server timestamp or recv_window param."),
        Transient, "clock", "rel-30"),
    Row("bybit", PLACE, 200, _bybit(10006, "Too many visits. Exceeded the API Rate Limit."), Transient, "", "rel-26"),
    Row("bybit", PLACE, 200, _bybit(10016, "Internal System Error."), OutcomeUnknown, "10016", "rel-02"),
    Row("bybit", PLACE, 200, _bybit(170007, "Timeout waiting for response from backend server."), OutcomeUnknown,
        "170007", "rel-02"),
    Row("bybit", PLACE, 200, _bybit(170146, "Order creation timeout"), OutcomeUnknown, "170146", "rel-02"),
    Row("bybit", READ, 200, _bybit(10003, "API key is invalid."), SettingsInvalid, "check the API key"),
    Row("bybit", READ, 200, _bybit(10004, "error sign! please check your signature generation algorithm."),
        SettingsInvalid, "secret"),
    Row("bybit", READ, 200, _bybit(10005, "Permission denied, please check your API key permissions."),
        SettingsInvalid, "allow the API key"),
    Row("bybit", READ, 200, _bybit(10010, "Unmatched IP, please check your API key's bound IP addresses."),
        SettingsInvalid, "address"),
    Row("bybit", CANCEL, 200, _bybit(170213, "Order does not exist."), OrderNotFound, "170213", "rel-15"),
    Row("bybit", CANCEL, 200, _bybit(110001, "order not exists or too late to cancel"), OrderNotFound, "", "rel-15"),
    Row("bybit", CANCEL, 200, _bybit(170147, "Order cancellation timeout"), OutcomeUnknown, "170147"),
    # --- OKX ---
    Row("okx", PLACE, 200, _okx_order(51008, "Order failed. Insufficient USDT balance in account."), Rejected,
        "Insufficient USDT balance", "rel-19"),
    Row("okx", PLACE, 200, _okx_order(51016, "Client order ID already exists."), DuplicateOrder, "51016", "rel-01"),
    Row("okx", PLACE, 200, _okx_order(51020, "Your order should meet or exceed the minimum order amount."), Rejected),
    Row("okx", PLACE, 200, _okx_order(51121, "Order quantity must be a multiple of the lot size."), Rejected, "lot"),
    Row("okx", PLACE, 200, _okx_order(51001, "Instrument ID does not exist."), Rejected, "check the symbol", "rel-48"),
    Row("okx", PLACE, 401, _okx(50102, "Timestamp request expired"), Transient, "clock", "rel-30"),
    Row("okx", PLACE, 429, _okx(50011, "Too Many Requests"), Transient, "Too Many Requests", "rel-26"),
    Row("okx", PLACE, 400, _okx(50004, "API endpoint request timeout"), OutcomeUnknown, "50004", "rel-02"),
    Row("okx", PLACE, 503, _okx(50001, "Service temporarily unavailable. Try again later"), OutcomeUnknown, "",
        "rel-02"),
    Row("okx", PLACE, 200, _okx_order(51149, "Order timed out. Please try again later."), OutcomeUnknown, "", "rel-02"),
    Row("okx", READ, 401, _okx(50111, "Invalid OK-ACCESS-KEY"), SettingsInvalid, "check the API key"),
    Row("okx", READ, 401, _okx(50110, "Your IP 192.0.2.1 is not included in your API key's IP whitelist."),
        SettingsInvalid, "address"),
    Row("okx", READ, 401, _okx(50120, "This API key doesn't have permission to use this function"), SettingsInvalid,
        "allow the API key"),
    Row("okx", READ, 503, _okx(50001, "Service temporarily unavailable. Try again later"), Transient, "", "rel-32"),
    Row("okx", CANCEL, 200, _okx_order(51400, "Cancellation failed as the order has been filled, canceled or does not"
        " exist."), OrderNotFound, "51400", "rel-15"),
    Row("okx", LOOKUP, 200, _okx(51603, "Order does not exist"), OrderNotFound, "51603"),
    # --- Kraken ---
    Row("kraken", PLACE, 200, _kraken("EOrder:Insufficient funds"), Rejected, "Insufficient funds", "rel-19"),
    Row("kraken", PLACE, 200, _kraken("EOrder:Order minimum not met"), Rejected, "minimum not met"),
    Row("kraken", PLACE, 200, _kraken("EGeneral:Invalid arguments:volume minimum not met"), Rejected, "volume"),
    Row("kraken", PLACE, 200, _kraken("EOrder:Tick size check failed"), Rejected, "Tick size"),
    Row("kraken", PLACE, 200, _kraken("EQuery:Unknown asset pair"), Rejected, "check the symbol", "rel-48"),
    Row("kraken", PLACE, 200, _kraken("EOrder:Rate limit exceeded"), Transient, "Rate limit", "rel-26"),
    Row("kraken", PLACE, 200, _kraken("EAPI:Invalid nonce"), Transient, "nonce", "rel-30"),
    Row("kraken", PLACE, 200, _kraken("EService:Market in cancel_only mode"), Transient, "cancel_only", "rel-32"),
    Row("kraken", PLACE, 200, _kraken("EService:Timeout"), OutcomeUnknown, "Timeout", "rel-02"),
    Row("kraken", PLACE, 200, _kraken("EService:Unavailable"), OutcomeUnknown, "Unavailable", "rel-02"),
    Row("kraken", PLACE, 520, "<html>520: Web server is returning an unknown error</html>", OutcomeUnknown, "",
        "rel-02"),
    Row("kraken", READ, 200, _kraken("EAPI:Invalid key"), SettingsInvalid, "check the API key"),
    Row("kraken", READ, 200, _kraken("EGeneral:Permission denied"), SettingsInvalid, "allow the API key"),
    Row("kraken", CANCEL, 200, _kraken("EOrder:Unknown order"), OrderNotFound, "Unknown order", "rel-15"),
    # --- Kraken Futures ---
    Row("krakenfutures", PLACE, 200, _futures("insufficientAvailableFunds"), Rejected, "", "rel-19"),
    Row("krakenfutures", PLACE, 200, _futures("postWouldExecute"), PostOnlyRejected, "postWouldExecute", "rel-17"),
    Row("krakenfutures", PLACE, 200, _futures("clientOrderIdAlreadyExist"), DuplicateOrder, "", "rel-01"),
    Row("krakenfutures", PLACE, 200, _futures("marketSuspended"), Rejected, "check the symbol", "rel-48"),
    Row("krakenfutures", PLACE, 200, _futures("selfFill"), OutcomeUnknown, "selfFill"),
    Row("krakenfutures", CANCEL, 200, _futures("filled", "cancelStatus"), OrderNotFound, "filled", "rel-15"),
    Row("krakenfutures", READ, 200, '{"result":"error","error":"authenticationError"}', SettingsInvalid, "API key"),
    Row("krakenfutures", PLACE, 200, '{"result":"error","error":"apiLimitExceeded"}', Transient, "", "rel-26"),
    # --- KuCoin ---
    Row("kucoin", PLACE, 200, _kucoin(200004, "Balance insufficient!"), Rejected, "Balance insufficient", "rel-19"),
    Row("kucoin", PLACE, 200, _kucoin(400100, "Order size increment invalid."), Rejected, "increment"),
    Row("kucoin", PLACE, 200, _kucoin(400100, "Duplicate clientOid"), DuplicateOrder, "Duplicate", "rel-01"),
    Row("kucoin", PLACE, 200, _kucoin(126044, "clientOid is repeated"), DuplicateOrder, "126044", "rel-01"),
    Row("kucoin", PLACE, 429, _kucoin(429000, "Too Many Requests"), Transient, "Too Many Requests", "rel-26"),
    Row("kucoin", PLACE, 200, _kucoin(400002, "KC-API-TIMESTAMP Invalid"), Transient, "clock", "rel-30"),
    Row("kucoin", PLACE, 200, _kucoin(500000, "Internal Server Error"), OutcomeUnknown, "500000", "rel-02"),
    Row("kucoin", READ, 200, _kucoin(400003, "KC-API-KEY not exists"), SettingsInvalid, "check the API key"),
    Row("kucoin", READ, 200, _kucoin(400006, "The requested ip address is not in the api whitelist"), SettingsInvalid,
        "address"),
    Row("kucoin", CANCEL, 200, _kucoin(400100, "order_not_exist_or_not_allow_to_cancel"), OrderNotFound, "", "rel-15"),
    # --- Gate ---
    Row("gate", PLACE, 400, _gate("BALANCE_NOT_ENOUGH", "Not enough balance"), Rejected, "Not enough", "rel-19"),
    Row("gate", PLACE, 400, _gate("POC_FILL_IMMEDIATELY", "Order would be filled immediately"), PostOnlyRejected, "",
        "rel-17"),
    Row("gate", PLACE, 400, _gate("INVALID_PARAM_VALUE", "Your order size 0.4 USDT is too small"), Rejected, "size"),
    Row("gate", PLACE, 400, _gate("INVALID_CURRENCY_PAIR", "Invalid currency pair"), Rejected, "symbol", "rel-48"),
    Row("gate", PLACE, 429, _gate("TOO_MANY_REQUESTS", "Request Rate limit Exceeded"), Transient, "", "rel-26"),
    Row("gate", PLACE, 403, _gate("REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60"),
        Transient, "clock", "rel-30"),
    Row("gate", PLACE, 500, _gate("SERVER_ERROR", "Internal server error"), OutcomeUnknown, "SERVER_ERROR", "rel-02"),
    Row("gate", READ, 401, _gate("INVALID_KEY", "Invalid key provided"), SettingsInvalid, "check the API key"),
    Row("gate", READ, 403, _gate("FORBIDDEN", "IP not in whitelist"), SettingsInvalid, "allow the API key"),
    Row("gate", CANCEL, 404, _gate("ORDER_NOT_FOUND", "Order not found"), OrderNotFound, "", "rel-15"),
    # --- Coinbase ---
    Row("coinbase", PLACE, 200, _coinbase("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"), Rejected, "", "rel-19"),
    Row("coinbase", PLACE, 200, _coinbase("INVALID_LIMIT_PRICE_POST_ONLY", "",
        "Post only not allowed with limit price"),
        PostOnlyRejected, "Post only", "rel-17"),
    Row("coinbase", PLACE, 200, _coinbase("UNKNOWN_FAILURE_REASON"), OutcomeUnknown, "UNKNOWN_FAILURE"),
    Row("coinbase", PLACE, 429, '{"error":"rate_limit_exceeded","message":"Too many requests"}', Transient, "",
        "rel-26"),
    Row("coinbase", READ, 403, '{"error":"PERMISSION_DENIED","error_details":"Missing required scopes"}',
        SettingsInvalid, "allow the API key"),
    Row("coinbase", CANCEL, 200, '{"results":[{"success":false,"failure_reason":"UNKNOWN_CANCEL_ORDER"}]}',
        OrderNotFound, "", "rel-15"),
    # --- Bitget ---
    Row("bitget", PLACE, 400, _bitget(43012, "Insufficient balance"), Rejected, "43012", "rel-19"),
    Row("bitget", PLACE, 400, _bitget(40786, "Duplicate clientOid"), DuplicateOrder, "40786", "rel-01"),
    Row("bitget", PLACE, 400, _bitget(45110, "less than the minimum amount 5 USDT"), Rejected, "45110"),
    Row("bitget", PLACE, 400, _bitget(40010, "Request timed out"), OutcomeUnknown, "40010", "rel-02"),
    Row("bitget", PLACE, 400, _bitget(40200, "Server upgrade, please try again later"), Transient, "", "rel-32"),
    Row("bitget", READ, 400, _bitget(40018, "Invalid IP"), SettingsInvalid, "address"),
    Row("bitget", CANCEL, 400, _bitget(43001, "The order does not exist"), OrderNotFound, "43001", "rel-15"),
    # --- MEXC ---
    Row("mexc", PLACE, 400, _mexc(30004, "Insufficient position"), Rejected, "30004", "rel-19"),
    Row("mexc", PLACE, 400, _mexc(30002, "The minimum transaction volume cannot be less than: 1USDT"), Rejected),
    Row("mexc", PLACE, 400, _mexc(10007, "bad symbol"), Rejected, "check the symbol", "rel-48"),
    Row("mexc", PLACE, 400, _mexc(700003, "Timestamp for this request is outside of the recvWindow."), Transient,
        "clock", "rel-30"),
    Row("mexc", READ, 400, _mexc(700006, "IP [192.0.2.1] not in the ip white list"), SettingsInvalid, "address"),
    Row("mexc", CANCEL, 400, _mexc(-2011, "Unknown order sent."), OrderNotFound, "-2011", "rel-15"),
    # --- HTX ---
    Row("htx", PLACE, 200, _htx("account-frozen-balance-insufficient-error", "trade account balance is not enough"),
        Rejected, "balance is not enough", "rel-19"),
    Row("htx", PLACE, 200, _htx("invalid-client-order-id", "client-order-id is duplicated"), DuplicateOrder, "",
        "rel-01"),
    Row("htx", PLACE, 200, _htx("base-symbol-trade-disabled", "trade not open"), Rejected, "symbol", "rel-48"),
    Row("htx", PLACE, 200, _htx("gateway-internal-error", "Service unavailable"), OutcomeUnknown, "", "rel-02"),
    Row("htx", PLACE, 200, _htx("system-maintenance", "System is in maintenance"), Transient, "", "rel-32"),
    Row("htx", READ, 200, _htx("api-signature-not-valid", "Verification failure"), SettingsInvalid, "secret"),
    Row("htx", CANCEL, 200, _htx("order-orderstate-error", "the order state is error"), OrderNotFound, "", "rel-15"),
    # --- Hyperliquid ---
    Row("hyperliquid", PLACE, 200, _hyperliquid("Post only order would have immediately matched, bbo was 1@2. asset=0"),
        PostOnlyRejected, "immediately matched", "rel-17"),
    Row("hyperliquid", PLACE, 200, _hyperliquid("Insufficient margin to place order. asset=0"), Rejected, "", "rel-19"),
    Row("hyperliquid", PLACE, 200, _hyperliquid("Order must have minimum value of $10. asset=0"), Rejected, "minimum"),
    Row("hyperliquid", PLACE, 200, _hyperliquid("Something new"), OutcomeUnknown, "Something new"),
    Row("hyperliquid", CANCEL, 200, _hyperliquid("Order was never placed, already canceled, or filled. asset=0"),
        OrderNotFound, "never placed", "rel-15"),
    Row("hyperliquid", LOOKUP, 200, '{"status":"unknownOid"}', OrderNotFound, "unknownOid"),
    Row("hyperliquid", READ, 200, '{"status":"err","response":"User or API Wallet 0xab does not exist."}',
        SettingsInvalid, "check the API key"),
]
# fmt: on
