"""What the answers of each exchange prove: error codes, and phrases where an exchange has no codes.

An entry is a code as it stands in the answer, or, with a space or a colon in it, a phrase of the answer.
Everything that is in no list proves nothing.
Source: the error pages of the exchanges, and the codes the client library (4.5.64) maps.
"""

from dataclasses import dataclass

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """One exchange's vocabulary of failure."""

    refusals: frozenset[str] = _NONE
    """Nothing was placed or cancelled, and the same request would be refused again."""
    post_only: frozenset[str] = _NONE
    """Nothing was placed: the order would have taken liquidity."""
    duplicates: frozenset[str] = _NONE
    """An order of this very client order id exists."""
    not_found: frozenset[str] = _NONE
    """The order is not known, or not open any more."""
    rate: frozenset[str] = _NONE
    """Too many requests; this one was not executed."""
    busy: frozenset[str] = _NONE
    """The exchange did not take the request, but will later: overload or maintenance that names itself."""
    clock: frozenset[str] = _NONE
    """The request's time or number was not accepted; it was not executed."""
    wrong_key: frozenset[str] = _NONE
    wrong_ip: frozenset[str] = _NONE
    no_permission: frozenset[str] = _NONE
    bad_symbol: frozenset[str] = _NONE
    """The market does not exist, is not traded (any more), or not for this account."""
    proves_nothing: frozenset[str] = _NONE
    """Codes that the client library maps to a class which would prove a refusal, and that do not."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _phrases(*phrases: str) -> frozenset[str]:
    return frozenset(phrases)


GENERIC = Codes()

BINANCE = Codes(
    refusals=_set(
        "-1013 -1014 -1020 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1111 -1112 -1114 -1115 -1116 -1117 -1118 -1119"
        " -1128 -1130 -1131 -1134 -1135 -1145 -2010 -2018 -2019 -2020 -2021 -2022 -2024 -2025 -2027 -2028"
        " -4001 -4002 -4003 -4004 -4005 -4006 -4013 -4014 -4015 -4016 -4023 -4024 -4028 -4029 -4030 -4061 -4118 -4131"
        " -4164 -4183 -4184 -4400 -4401 -4402 -4403 -5021"
    )
    | _phrases("Filter failure: ", "Account has insufficient balance"),
    post_only=_set("-5022") | _phrases("Order would immediately match and take"),
    duplicates=_set("-4116") | _phrases("Duplicate order sent"),
    not_found=_set("-2011 -2013"),
    rate=_set("-1003 -1015"),
    busy=_set("-1008") | _phrases("System is under maintenance"),
    clock=_set("-1021"),
    wrong_key=_set("-1022 -2008 -2014 -2015 -1002"),
    no_permission=_phrases("You don't have permission", "This account may not place or cancel orders"),
    bad_symbol=_set("-1121 -1151 -4140 -4141 -4144") | _phrases("Market is closed", "This symbol is "),
    proves_nothing=_set("-1000 -1001 -1004 -1006 -1007 -1010"),
)

BYBIT = Codes(
    refusals=_set(
        "10001 110003 110004 110006 110007 110009 110011 110012 110013 110014 110015 110016 110017 110018 110020"
        " 110021 110022 110023 110024 110028 110029 110030 110032 110033 110034 110035 110036 110038 110039 110040"
        " 110041 110042 110043 110044 110045 110046 110047 110048 110049 110051 110052 110053 110054 110055 110056"
        " 110057 110058 110059 110063 110064 110066 110092 110093 110094 130021 170033 170034 170035 170036 170037"
        " 170105 170115 170116 170117 170124 170130 170131 170132 170133 170134 170135 170136 170137 170140 170148"
        " 170159 170190 170191 170192 170193 170194 170195 170196 170197 170198 170199 170202 170203 170204 170206"
        " 170210 170217 170221 170223 170226 170228 170229 170241"
    ),
    post_only=_set("170218") | _phrases("EC_PostOnlyWillTakeLiquidity"),
    duplicates=_set("110072 170141 12141 10014"),
    not_found=_set("110001 110008 110010 170139 170142 170143 170213 20001 30034") | _phrases("unknown orderInfo"),
    rate=_set("10006 10018 10429 170005 170222"),
    clock=_set("10002"),
    wrong_key=_set("10003 10004 10007 10009 33004"),
    wrong_ip=_set("10010"),
    no_permission=_set("10005 10008 10024 10027 10028 10029 110065 110067 110068 110069 170201 170209 170224"),
    bad_symbol=_set("170121 170151 170157 170200 170227") | _phrases("Not supported symbols", "symbol is not exist"),
    proves_nothing=_set("10016 110079 170007 170032 170146 170147 170149 170150 170234"),
)

OKX = Codes(
    refusals=_set(
        "50014 50044 51000 51003 51004 51005 51006 51007 51008 51009 51010 51011 51019 51020 51023 51025 51031 51046"
        " 51047 51101 51102 51103 51104 51105 51106 51107 51108 51109 51111 51112 51115 51116 51117 51118 51119 51120"
        " 51121 51122 51124 51125 51126 51127 51128 51129 51131 51132 51133 51134 51135 51136 51137 51138 51139 51155"
        " 51169 51174 51201 51202 51203 51204 51205 51502 51736 54000 54001"
    ),
    duplicates=_set("51016"),
    not_found=_set("51400 51401 51402 51603"),
    rate=_set("50011 50061 50040 51113"),
    clock=_set("50102 50112 60006"),
    wrong_key=_set("50101 50103 50104 50105 50106 50107 50111 50113 50114 50119"),
    wrong_ip=_set("50110"),
    no_permission=_set("50030 50120 50007 50009 50012 50027"),
    bad_symbol=_set("51001 51002 51012 51014 51015 51021 51022 51026 51027 51028 51029 51030 51130"),
    proves_nothing=_set("50001 50004 50013 50026 51149 51410"),
)

KRAKEN = Codes(
    refusals=_phrases(
        "EOrder:Insufficient",
        "EOrder:Order minimum not met",
        "EOrder:Cost minimum not met",
        "EOrder:Tick size check",
        "EOrder:Invalid price",
        "EGeneral:Invalid arguments",
        "EOrder:Orders limit exceeded",
        "EOrder:Reduce only",
        "EOrder:Positions limit exceeded",
        "EOrder:Trading agreement required",
        "EOrder:Margin ",
    ),
    post_only=_phrases("EOrder:Post only"),
    not_found=_phrases("EOrder:Unknown order"),
    rate=_phrases(
        "EAPI:Rate limit exceeded",
        "EOrder:Rate limit exceeded",
        "EGeneral:Temporary lockout",
        "EGeneral:Too many requests",
    ),
    busy=_phrases("EService:Market in "),
    clock=_phrases("EAPI:Invalid nonce"),
    wrong_key=_phrases("EAPI:Invalid key", "EAPI:Invalid signature", "EAPI:Bad request"),
    no_permission=_phrases("EGeneral:Permission denied", "EAccount:Invalid permissions", "ETrade:User Locked"),
    bad_symbol=_phrases("EQuery:Unknown asset", "EQuery:Invalid asset pair"),
    proves_nothing=_phrases("EService:Timeout", "EService:Deadline elapsed"),
)

KRAKEN_FUTURES = Codes(
    refusals=_set(
        "invalidOrderType invalidSide invalidSize invalidPrice insufficientAvailableFunds tooManySmallOrders"
        " maxPositionViolation clientOrderIdTooLong outsidePriceCollar iocWouldNotExecute wouldNotReducePosition"
        " requiredArgumentMissing invalidArgument insufficientFunds invalidAmount invalidUnit"
    ),
    post_only=_set("postWouldExecute"),
    duplicates=_set("clientOrderIdAlreadyExist"),
    not_found=_set("notFound orderForEditNotFound") | _phrases("failed due to filled"),
    rate=_set("apiLimitExceeded"),
    clock=_set("nonceBelowThreshold nonceDuplicate"),
    wrong_key=_set("authenticationError"),
    bad_symbol=_set("marketSuspended marketInactive marketUnavailable"),
    proves_nothing=_set("selfFill unknownError"),
)

KUCOIN = Codes(
    refusals=_set("200004 210014 230003 300000 300003 400100 400200 400330 400350 400370 600100 600101 900014")
    | _phrases("Order size below the minimum", "Order size increment invalid", "The quantity is below the minimum"),
    duplicates=_set("126044") | _phrases("clientOid is repeated", "clientOid parameter repeated"),
    not_found=_set("100001 126043 130103 order_not_exist order_not_exist_or_not_allow_to_cancel")
    | _phrases("order not exist", "The order does not exist", "Order not exist"),
    rate=_set("429000 1015") | _phrases("Exceeded the access frequency"),
    clock=_set("400002"),
    wrong_key=_set("400001 400003 400004 400005 400401 411100"),
    wrong_ip=_set("400006"),
    no_permission=_set("400007 101030 112010 400303 400500") | _phrases("require more permission"),
    bad_symbol=_set("400600 900001") | _phrases("Unsupported trading pair"),
    proves_nothing=_set("400760 408000 500000"),
)

GATE = Codes(
    refusals=_set(
        "INVALID_PARAM_VALUE INVALID_ARGUMENT INVALID_REQUEST_BODY MISSING_REQUIRED_PARAM BAD_REQUEST INVALID_PRECISION"
        " BALANCE_NOT_ENOUGH QUANTITY_NOT_ENOUGH MARGIN_BALANCE_NOT_ENOUGH FUTURES_BALANCE_NOT_ENOUGH AMOUNT_TOO_LITTLE"
        " AMOUNT_TOO_MUCH TOO_MANY_ORDERS RISK_LIMIT_EXCEEDED INSUFFICIENT_AVAILABLE LIQUIDATE_IMMEDIATELY"
        " POSITION_EMPTY PRICE_TOO_DEVIATED SIZE_TOO_LARGE SIZE_TOO_SMALL PRICE_OVER_LIQUIDATION PRICE_OVER_BANKRUPT"
        " INCREASE_POSITION LEVERAGE_TOO_HIGH LEVERAGE_TOO_LOW PRICE_THRESHOLD_EXCEEDED REDUCE_ONLY_FAIL"
    ),
    post_only=_set("POC_FILL_IMMEDIATELY ORDER_POC_IMMEDIATE"),
    duplicates=_set("REPEATED_CREATION"),
    not_found=_set("ORDER_NOT_FOUND CLIENT_ID_NOT_FOUND ORDER_CLOSED ORDER_CANCELLED ORDER_FINISHED"),
    rate=_set("TOO_MANY_REQUESTS TOO_FAST"),
    clock=_set("REQUEST_EXPIRED"),
    wrong_key=_set("INVALID_KEY INVALID_SIGNATURE INVALID_CREDENTIALS AUTHENTICATION_FAILED MISSING_REQUIRED_HEADER"),
    wrong_ip=_set("IP_FORBIDDEN"),
    no_permission=_set("READ_ONLY FORBIDDEN ACCOUNT_LOCKED SUB_ACCOUNT_LOCKED TRADE_RESTRICTED USER_NOT_FOUND"),
    bad_symbol=_set("INVALID_CURRENCY INVALID_CURRENCY_PAIR CONTRACT_NOT_FOUND CONTRACT_IN_DELISTING"),
    proves_nothing=_set("INTERNAL SERVER_ERROR TOO_BUSY"),
)

COINBASE = Codes(
    refusals=_set(
        "INSUFFICIENT_FUND UNSUPPORTED_ORDER_CONFIGURATION INVALID_SIDE INVALID_SIZE_PRECISION INVALID_PRICE_PRECISION"
        " INVALID_LEDGER_BALANCE INVALID_ARGUMENT INVALID_REQUEST ORDER_ENTRY_DISABLED INELIGIBLE_PAIR"
        " PREVIEW_INSUFFICIENT_FUND PREVIEW_INVALID_BASE_SIZE_TOO_SMALL PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"
        " PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL PREVIEW_INVALID_PRICE_PRECISION PREVIEW_INVALID_SIZE_PRECISION"
        " PREVIEW_INVALID_LIMIT_PRICE PREVIEW_MISSING_LIMIT_PRICE"
    ),
    post_only=_set("INVALID_LIMIT_PRICE_POST_ONLY PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    not_found=_set("UNKNOWN_CANCEL_ORDER NOT_FOUND not_found")
    | _phrases("orderID was not found", "cancelOrders() has failed"),
    rate=_set("rate_limit_exceeded resource_exhausted RESOURCE_EXHAUSTED"),
    clock=_phrases("request timestamp expired"),
    wrong_key=_set("authentication_error unauthorized invalid_token expired_token revoked_token UNAUTHENTICATED"),
    no_permission=_set("PERMISSION_DENIED invalid_scope"),
    bad_symbol=_set("INVALID_PRODUCT_ID PREVIEW_INVALID_PRODUCT_ID"),
)

BITGET = Codes(
    refusals=_set(
        "22002 40017 40019 40020 40034 40711 40712 40754 40762 40774 40808 43005 43006 43007 43008 43009 43010 43012"
        " 45110 45111 45112 45113 45114 45115 45122"
    ),
    duplicates=_set("40786 43118"),
    not_found=_set("40109 40768 43001 43004"),
    rate=_set("429 1001 30007"),
    busy=_set("40200 40308"),
    clock=_set("40004 40005 40008"),
    wrong_key=_set("40001 40002 40003 40006 40009 40011 40012 40037"),
    wrong_ip=_set("40018"),
    no_permission=_set("40014 40016 40024 40031 43111"),
    bad_symbol=_set("40309 50004 41114"),
    proves_nothing=_set("40010 40015 40725 45001"),
)

MEXC = Codes(
    refusals=_set(
        "10101 10102 2009 30001 30002 30003 30004 30005 30010 30014 30025 30026 30027 30028 30029 30032 30041 30087"
        " 700004 700008 -1128"
    ),
    not_found=_set("-2011 -2013") | _phrases("Unknown order id", "Order does not exist"),
    rate=_set("429 510"),
    clock=_set("700003 700005 10073"),
    wrong_key=_set("602 10001 10072 700001 700002"),
    wrong_ip=_set("700006"),
    no_permission=_set("700007 700013 70011 30018 30020"),
    bad_symbol=_set("-1121 10007 30016 30019 30021") | _phrases("Invalid symbol"),
)

HTX = Codes(
    refusals=_set(
        "account-frozen-balance-insufficient-error invalid-amount order-value-min-error order-invalid-price"
        " order-limitorder-amount-min-error order-limitorder-amount-max-error order-limitorder-price-min-error"
        " order-limitorder-price-max-error order-limitorder-price-buy-min-error order-limitorder-price-buy-max-error"
        " order-limitorder-price-sell-min-error order-limitorder-price-sell-max-error order-holding-limit-failed"
        " order-orderprice-precision-error order-orderamount-precision-error order-etp-nav-price-max-error"
        " order-accountbalance-error validation-format-error validation-constraints-required bad-request"
    ),
    duplicates=_set("invalid-client-order-id"),
    not_found=_set("base-record-invalid order-orderstate-error order-queryorder-invalid base-not-found not-found"),
    rate=_set("rate-too-many-requests base-request-exceed-frequency-limit") | _phrases("request limit"),
    busy=_set("system-maintenance"),
    wrong_key=_set("api-signature-check-failed api-signature-not-valid"),
    wrong_ip=_set("invalid-ip api-not-support-ip"),
    no_permission=_set("api-not-support-temp-addr forbidden-trade-for-open-protect") | _phrases("API key has no permi"),
    bad_symbol=_set("base-symbol-trade-disabled base-symbol-error require-symbol")
    | _phrases("invalid symbol", "symbol trade not open now"),
    proves_nothing=_set("timeout gateway-internal-error order-update-error"),
)

HYPERLIQUID = Codes(
    refusals=_phrases(
        "Price must be divisible by tick size",
        "Order must have minimum value",
        "Insufficient margin",
        "Reduce only order would increase",
        "Order could not immediately match",
        "Order has invalid size",
        "Order price cannot be more than",
        "Order has zero size",
        "Order has invalid price",
        "Insufficient spot balance",
    ),
    post_only=_phrases("Post only order would have immediately matched"),
    duplicates=_phrases("same cloid"),
    not_found=_set("unknownOid") | _phrases("never placed, already canceled"),
    rate=_phrases("Too many cumulative requests sent"),
    busy=_phrases("Trading is halted"),
    clock=_phrases("Invalid nonce"),
    wrong_key=_phrases("User or API Wallet "),
)
