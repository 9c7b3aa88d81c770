"""Accounts and positions: what each key owns."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .amounts import ZERO, decimal_of
from .types import Row

if TYPE_CHECKING:
    from .algo_order import Algo
    from .instruments import Instrument
    from .orders import Bill, Fill, Order

DEFAULT_LEVERAGE = "3"
# (spot maker, spot taker, swap maker, swap taker) of the first fee level.
LEVEL_ONE_FEES = (Decimal("0.0008"), Decimal("0.001"), Decimal("0.0002"), Decimal("0.0005"))


class Position:
    """`lots` is signed: shorts are negative, also in long/short mode. Kept after the close, as
    the venue shows closed positions for a while and gives them the same posId again."""

    __slots__ = (
        "account", "avg_px", "c_time", "close_cost", "closed_lots", "fee", "funding", "inst",
        "lever", "liq_penalty", "lots", "margin", "max_lots", "mgn_mode", "open_avg",
        "opened_long", "opened_lots", "pos_id", "pos_side", "realized", "trade_id", "u_time",
    )  # fmt: skip

    def __init__(self, account: Account, inst: Instrument, mgn_mode: str, pos_side: str,
                 pos_id: int, lever: str) -> None:  # fmt: skip
        self.account = account
        self.inst = inst
        self.mgn_mode = mgn_mode
        self.pos_side = pos_side
        self.pos_id = pos_id
        self.lots = 0
        self.avg_px = ZERO
        self.lever = lever
        self.margin = ZERO  # isolated only
        self.trade_id = ""
        self.c_time = self.u_time = 0
        self.reset()

    def reset(self) -> None:
        """Start a new round trip."""
        self.realized = ZERO  # closing profit, without fees and funding
        self.fee = self.funding = self.liq_penalty = ZERO
        self.max_lots = 0
        self.opened_long = True
        self.opened_lots = self.closed_lots = 0
        self.open_avg = self.close_cost = ZERO

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.inst.inst_id, self.mgn_mode, self.pos_side)


def _permissions(spec: dict[str, Any]) -> tuple[str, ...]:
    names = {"read": "read_only"}
    return tuple(names.get(p, p) for p in spec.get("permissions") or ["read", "trade"])


class Key:
    """One more API key of an account, with rights and addresses of its own."""

    __slots__ = (
        "account", "api_key", "ips", "label", "passphrase", "permissions", "secret_key",
        "simulated", "uid",
    )  # fmt: skip

    def __init__(self, account: Account, spec: dict[str, Any]) -> None:
        self.account = account
        self.api_key = str(spec["apiKey"])
        self.secret_key = str(spec["secretKey"])
        self.passphrase = str(spec["passphrase"])
        self.permissions = _permissions(spec)
        self.ips = tuple(spec.get("ips") or ())
        self.label = str(spec.get("label") or "")
        self.simulated = account.simulated
        self.uid = account.uid


class Account:
    """A user's account, under its first API key."""

    __slots__ = (
        "acct_lv", "algo_done", "algos", "api_key", "asset_bills", "auto_cancel_at", "bills",
        "by_cl_ord_id", "cash", "cross_cache", "deposits", "fees", "fill_list", "frozen",
        "funding_cash", "further_keys",
        "index", "ips", "label", "leverage", "live", "live_cl_ord_ids", "main_uid", "open",
        "order_list", "orders", "passphrase", "pending_acks", "permissions", "pos_mode",
        "position_log", "positions", "secret_key", "simulated", "spec", "transfers", "uid",
        "withdrawals",
    )  # fmt: skip

    def __init__(self, index: int, spec: dict[str, Any]) -> None:
        self.index = index
        self.api_key = str(spec["apiKey"])
        self.uid = str(spec.get("uid") or 44_000_000_000 + index)
        self.main_uid = str(spec.get("mainUid") or self.uid)
        self.configure(spec)
        self.cash: dict[str, Decimal] = {}
        self.frozen: dict[str, Decimal] = {}  # by live orders
        self.cross_cache: dict[str, tuple[int, Any]] = {}  # see Core.cross_state
        self.funding_cash: dict[str, Decimal] = {}
        self.orders: dict[int, Order] = {}
        self.order_list: list[Order] = []  # by ordId, which grows
        self.live: dict[str, dict[int, Order]] = {}  # instId -> live orders
        self.live_cl_ord_ids: dict[str, Order] = {}
        self.by_cl_ord_id: dict[str, Order] = {}  # the newest of each
        self.fill_list: list[Fill] = []
        self.bills: list[Bill] = []
        self.asset_bills: list[Row] = []
        self.transfers: dict[str, Row] = {}
        self.deposits: list[Row] = []
        self.withdrawals: list[Row] = []
        self.positions: dict[tuple[str, str, str], Position] = {}
        self.open: dict[tuple[str, str, str], Position] = {}
        self.position_log: deque[Row] = deque(maxlen=10_000)
        self.leverage: dict[tuple[str, str, str], str] = {}
        self.algos: dict[int, Algo] = {}
        self.algo_done: list[Algo] = []
        self.auto_cancel_at = 0
        self.pending_acks: list[tuple[Any, ...]] = []

    def configure(self, spec: dict[str, Any]) -> None:
        self.spec = {k: v for k, v in spec.items() if k not in ("balances", "fundingBalances")}
        self.secret_key = str(spec.get("secretKey") or "")
        self.passphrase = str(spec.get("passphrase") or "")
        self.permissions = _permissions(spec)
        self.ips = tuple(spec.get("ips") or ())
        self.simulated = spec.get("simulated")
        self.acct_lv = str(spec.get("acctLv") or "2")
        self.pos_mode = str(spec.get("posMode") or "net_mode")
        self.label = str(spec.get("label") or "")
        self.further_keys = tuple(Key(self, key) for key in spec.get("keys") or ())
        rates = spec.get("fees") or {}
        names_of_fees = ("spotMaker", "spotTaker", "swapMaker", "swapTaker")
        self.fees = tuple(
            decimal_of(rates[n]) if n in rates else level
            for n, level in zip(names_of_fees, LEVEL_ONE_FEES, strict=True)
        )

    @property
    def account(self) -> Account:
        """As of a key: the account is also its own first key."""
        return self

    def lever_of(self, inst_id: str, mgn_mode: str, pos_side: str) -> str:
        side = pos_side if mgn_mode == "isolated" and pos_side in ("long", "short") else ""
        return self.leverage.get((inst_id, mgn_mode, side), DEFAULT_LEVERAGE)


def check_spec(spec: dict[str, Any]) -> None:
    """ValueError with the reason if an account cannot be made from it."""
    keys = [spec, *(spec.get("keys") or ())]
    for key in keys:
        for name in ("apiKey", "secretKey", "passphrase"):
            if not isinstance(key.get(name), str) or not key[name]:
                raise ValueError(f"{name} is missing")
    if str(spec.get("posMode") or "net_mode") not in ("net_mode", "long_short_mode"):
        raise ValueError(f"posMode {spec['posMode']!r} is not known")
    if str(spec.get("acctLv") or "2") not in ("1", "2", "3", "4"):
        raise ValueError(f"acctLv {spec['acctLv']!r} is not known")
    known = {"read", "read_only", "trade", "withdraw"}
    if not {name for key in keys for name in key.get("permissions") or ()} <= known:
        raise ValueError(f"permissions must be of {sorted(known)}")
    for key in ("balances", "fundingBalances"):
        for ccy, amount in (spec.get(key) or {}).items():
            value = decimal_of(amount)
            if value is None or value < 0:
                raise ValueError(f"{key}: {ccy} {amount!r} is not an amount")
    for name, rate in (spec.get("fees") or {}).items():
        if decimal_of(rate) is None:
            raise ValueError(f"fees: {name} {rate!r} is not a rate")
