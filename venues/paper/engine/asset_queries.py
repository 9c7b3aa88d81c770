"""The funding account: currencies, balances, transfers, deposits and withdrawals."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import account_rows
from .account_queries import bad, need
from .amounts import ZERO, decimal_of, given, q, text
from .instruments import COINS
from .placing import spendable
from .trade_queries import first, integer, limit_of
from .types import OkxError, Params, Row

if TYPE_CHECKING:
    from .accounts import Account
    from .core import Core

FUNDING, TRADING = "6", "18"


def currencies(params: Params) -> list[Row]:
    asked = given(params, "ccy")
    names = {"USDT": "Tether", "USDC": "USD Coin"} | {c.ccy: c.name for c in COINS}
    return [
        {
            "burningFeeRate": "", "canDep": True, "canInternal": True, "canWd": True,
            "ccy": ccy, "chain": f"{ccy}-Paper", "ctAddr": "", "depEstOpenTime": "",
            "depQuotaFixed": "", "depQuoteDailyLayer2": "", "fee": "0", "logoLink": "",
            "mainNet": True, "maxFee": "0", "maxFeeForCtAddr": "", "maxWd": "1000000000",
            "minDep": "0.00000001", "minDepArrivalConfirm": "1", "minFee": "0",
            "minFeeForCtAddr": "", "minInternal": "0.00000001", "minWd": "0.00000001",
            "minWdUnlockConfirm": "1", "name": name, "needTag": False,
            "usedDepQuotaFixed": "", "usedWdQuota": "0", "wdEstOpenTime": "", "wdQuota":
            "1000000000", "wdTickSz": "8",
        }
        for ccy, name in names.items() if not asked or ccy in asked.split(",")
    ]  # fmt: skip


def balances(acc: Account, params: Params) -> list[Row]:
    asked = given(params, "ccy")
    return [
        {"availBal": text(v), "bal": text(v), "ccy": c, "frozenBal": "0"}
        for c, v in acc.funding_cash.items() if v and (not asked or c in asked.split(","))
    ]  # fmt: skip


def valuation(core: Core, acc: Account, params: Params) -> list[Row]:
    ccy = given(params, "ccy") or "BTC"
    unit = account_rows.usd_price(core, ccy) or Decimal(1)
    funding = sum((v * account_rows.usd_price(core, c) for c, v in acc.funding_cash.items()), ZERO)
    trading = Decimal(account_rows.account_row(core, acc)["totalEq"])
    return [{
        "details": {"classic": "0", "earn": "0", "funding": text(q(funding / unit)),
                    "trading": text(q(trading / unit))},
        "totalBal": text(q((funding + trading) / unit)), "ts": str(core.now()),
    }]  # fmt: skip


def asset_bills(acc: Account, params: Params) -> list[Row]:
    ccy, kind = given(params, "ccy"), given(params, "type")
    after, before = integer(params, "after", 0), integer(params, "before", 0)
    rows = (
        r for r in reversed(acc.asset_bills)
        if (not ccy or r["ccy"] == ccy) and (not kind or r["type"] == kind)
        and (not after or int(r["ts"]) < after) and (not before or int(r["ts"]) > before)
    )  # fmt: skip
    return first(rows, limit_of(params))


def _history(rows: list[Row], params: Params) -> list[Row]:
    after, before = integer(params, "after", 0), integer(params, "before", 0)
    keys = ("ccy", "depId", "wdId", "txId", "state")
    wanted = {k: v for k in keys if (v := given(params, k))}
    found = (
        r for r in reversed(rows)
        if all(r.get(k) == v for k, v in wanted.items())
        and (not after or int(r["ts"]) < after) and (not before or int(r["ts"]) > before)
    )  # fmt: skip
    return first(found, limit_of(params))


def deposit_history(acc: Account, params: Params) -> list[Row]:
    return _history(acc.deposits, params)


def withdrawal_history(acc: Account, params: Params) -> list[Row]:
    return _history(acc.withdrawals, params)


def deposit_address(acc: Account, params: Params) -> list[Row]:
    ccy = need(params, "ccy")
    return [{"addr": f"paper{acc.uid}{ccy.lower()}", "ccy": ccy, "chain": f"{ccy}-Paper",
             "ctAddr": "", "selected": True, "to": FUNDING, "verifiedName": ""}]  # fmt: skip


# -- transfers -------------------------------------------------------------------------------
def _free(core: Core, acc: Account, wallet: str, ccy: str) -> Decimal:
    if wallet == FUNDING:
        return acc.funding_cash.get(ccy, ZERO)
    return spendable(core, acc, ccy)


def _put(core: Core, acc: Account, wallet: str, ccy: str, change: Decimal, kinds: tuple[str, str],
         notes: Row) -> None:  # fmt: skip
    """`kinds`: the trading account's subType, the funding account's bill type."""
    if wallet == FUNDING:
        acc.funding_cash[ccy] = acc.funding_cash.get(ccy, ZERO) + change
        core.asset_bill(acc, ccy, change, kinds[1])
    else:
        core.post(acc, ccy, change, "1", kinds[0], core.now(), None, notes)
        core.changed(acc).add(ccy)


def transfer(core: Core, acc: Account, params: Params) -> list[Row]:
    """Types 0 (within an account), 1 (master to sub), 2 (sub to master by the master's key),
    3 (sub to master by the sub's key), 4 (sub to sub by a sub's key)."""
    kind = given(params, "type") or "0"
    source = target = acc
    if kind != "0":
        other = need(params, "subAcct")
        peer = _sub_account(core, acc, other)
        source, target = (peer, acc) if kind == "2" else (acc, peer)
    return _transfer(core, acc, source, target, params, kind)


def _sub_account(core: Core, acc: Account, name: str) -> Account:
    for other in core.accounts.values():
        if other.main_uid == acc.main_uid and name in (other.label, other.uid):
            return other
    raise OkxError("58101", f"Sub-account {name} does not exist")


def _transfer(
    core: Core, owner: Account, source: Account, target: Account, params: Params, kind: str
) -> list[Row]:
    ccy = need(params, "ccy")
    wallets = (need(params, "from"), need(params, "to"))
    amount = decimal_of(params.get("amt"))
    if amount is None or amount <= 0:
        raise bad("amt")
    for name, wallet in zip(("from", "to"), wallets, strict=True):
        if wallet not in (FUNDING, TRADING):
            raise bad(name)
    if source is target and wallets[0] == wallets[1]:
        raise bad("to")
    client_id = given(params, "clientId")
    if client_id and any(t["clientId"] == client_id for t in owner.transfers.values()):
        raise OkxError("58129", "clientId already exists")
    if amount > _free(core, source, wallets[0], ccy):
        raise OkxError("58350", "Insufficient balance")
    notes = {"from": wallets[0], "to": wallets[1], "notes": "transfer"}
    _put(core, source, wallets[0], ccy, -amount, ("12", "131"), dict(notes))
    _put(core, target, wallets[1], ccy, amount, ("11", "130"), dict(notes))
    trans_id = str(core.next_id())
    owner.transfers[trans_id] = {
        "amt": text(amount), "ccy": ccy, "clientId": client_id, "from": wallets[0],
        "instId": "", "state": "success", "subAcct": given(params, "subAcct"), "to": wallets[1],
        "toInstId": "", "transId": trans_id, "type": kind,
    }  # fmt: skip
    core.touch("funds", owner)
    return [{"amt": text(amount), "ccy": ccy, "clientId": client_id, "from": wallets[0],
             "to": wallets[1], "transId": trans_id}]  # fmt: skip


def transfer_state(acc: Account, params: Params) -> list[Row]:
    trans_id, client_id = given(params, "transId"), given(params, "clientId")
    if not trans_id and not client_id:
        raise OkxError("51000", "Either parameter transId or clientId is required", 400)
    for row in acc.transfers.values():
        if row["transId"] == trans_id or (client_id and row["clientId"] == client_id):
            return [row]
    raise OkxError("58129", "The transfer does not exist")


def subaccount_list(core: Core, acc: Account) -> list[Row]:
    return [
        {"enable": True, "subAcct": a.label or a.uid, "label": a.label, "mobile": "", "gAuth":
         False, "canTransOut": True, "uid": a.uid, "type": "1", "ts": str(core.started),
         "frozenFunc": [], "ifDma": False, "subAcctLv": "1", "firstLvSubAcct": ""}
        for a in core.accounts.values() if a.main_uid == acc.uid and a is not acc
    ]  # fmt: skip


def subaccount_transfer(core: Core, acc: Account, params: Params) -> list[Row]:
    source = _sub_account(core, acc, need(params, "fromSubAccount"))
    target = _sub_account(core, acc, need(params, "toSubAccount"))
    rows = _transfer(core, acc, source, target, params, "4")
    return [{"transId": rows[0]["transId"]}]
