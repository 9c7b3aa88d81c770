"""Why one order row is refused: code and text as the venue words its kinds of refusal."""

from __future__ import annotations

from .types import Row


class RejectError(Exception):
    def __init__(self, code: str, msg: str, sub_code: str = "") -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.sub_code = sub_code


def parameter(name: str) -> RejectError:
    return RejectError("51000", f"Parameter {name} error")


def empty(name: str) -> RejectError:
    return RejectError("51000", f"Parameter {name} can not be empty")


NO_INSTRUMENT = ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
DUPLICATE_CLIENT_ID = ("51016", "Client order ID already exists.")
BELOW_MINIMUM = ("51020", "Your order should meet or exceed the minimum order amount.")
NOT_LOT_MULTIPLE = ("51121", "Order quantity must be a multiple of the lot size.")
OVER_MARKET_MAX = ("51202", "The quantity of a market order exceeds the maximum of {}.")
OVER_LIMIT_MAX = ("51203", "The quantity of a limit order exceeds the maximum of {}.")
OVER_MARKET_VALUE = ("51201", "The value of a market order can't exceed {} {}.")
NO_FUNDS = ("51008", "Order failed. Insufficient {} balance in account.")
NO_MARGIN = ("51008", "Order failed. Insufficient {} margin in account.")
NOTHING_TO_REDUCE = (
    "51169",
    "Order failed because you don't have any positions in this direction to reduce or close.",
)
SAME_DIRECTION = (
    "51170",
    "Failed to place a reduce-only order, since it would increase the position.",
)
EXCEEDS_POSITION = ("51112", "The size of the close order exceeds the available position size.")
REDUCE_ONLY_EXCEEDS = ("51205", "Reduce Only is not available: the size exceeds the position.")
REDUCE_ONLY_TP_SL = ("51100", "Unable to place order: take profit or stop loss on reduce-only.")
WRONG_ACCOUNT_MODE = ("51010", "Request unsupported under current account mode.")
SUSPENDED = ("51022", "Instrument suspended: trading is not possible now.")
BUY_TOO_HIGH = ("51137", "Your opening price has triggered the limit price, and the max buy "
                         "price is {}.")  # fmt: skip
SELL_TOO_LOW = ("51138", "Your opening price has triggered the limit price, and the min sell "
                         "price is {}.")  # fmt: skip
OUTSIDE_BAND = ("51006", "Order price is not within the price limit (max buy price: {}, min "
                         "sell price: {}).")  # fmt: skip
OVER_TIER = (
    "51004",
    "Order failed. The position would exceed the maximum of {} contracts under {}x leverage.",
)
TOO_MANY_PENDING = ("51174", "The number of pending orders for {} exceeds the limit of {}.")
CANCEL_GONE = (
    "51400",
    "Cancellation failed as the order has been filled, canceled or does not exist.",
)
AMEND_GONE = ("51503", "Order modification failed as the order does not exist.")
AMEND_NOTHING = ("51500", "Either order price or order quantity must be changed.")
ALGO_GONE = ("51400", "Cancellation failed as the algo order does not exist.")
ALGO_AMEND_GONE = ("51527", "Order modification failed: the algo order does not exist.")


def reject(kind: tuple[str, str], *values: object) -> RejectError:
    return RejectError(kind[0], kind[1].format(*values) if values else kind[1])


def order_row(ord_id: str, cl_ord_id: str, tag: str, ts: int, code: str, msg: str,
              sub_code: str = "") -> Row:  # fmt: skip
    return {"clOrdId": cl_ord_id, "ordId": ord_id, "sCode": code, "sMsg": msg,
            "subCode": sub_code, "tag": tag, "ts": str(ts)}  # fmt: skip
