"""The state file: an append-only journal of what changed, one line per flush.

A line holds all that one flush saw, so a line cut off by a crash takes nothing half. Opening
restores the state and starts a fresh, compacted file.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from .accounts import Account, Position
from .algo_order import Algo
from .amounts import ZERO
from .matching import own_side
from .orders import Bill, Fill, Order

if TYPE_CHECKING:
    from .core import Core

BATCH = 2_000


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"$": str(value)}
    raise TypeError(f"{type(value)} cannot be kept")


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and "$" in value:
            return Decimal(value["$"])
        return {k: _revive(v) for k, v in value.items()}
    return [_revive(v) for v in value] if isinstance(value, list) else value


def _slots(thing: Any) -> dict[str, Any]:
    """An object's fields with references to other objects as their ids."""
    out = {}
    for name in type(thing).__slots__:
        value = getattr(thing, name)
        if name == "account":
            value = value.api_key
        elif name == "inst":
            value = value.inst_id
        elif name == "order":
            value = [value.account.api_key, value.ord_id] if value else None
        out[name] = value
    return out


def _account(acc: Account) -> dict[str, Any]:
    leverage = [[*key, value] for key, value in acc.leverage.items()]
    return {"spec": acc.spec, "index": acc.index, "acct_lv": acc.acct_lv,
            "pos_mode": acc.pos_mode, "leverage": leverage}  # fmt: skip


def _funds(acc: Account) -> dict[str, Any]:
    return {
        "key": acc.api_key, "funding_cash": acc.funding_cash, "asset_bills": acc.asset_bills,
        "transfers": acc.transfers, "deposits": acc.deposits, "withdrawals": acc.withdrawals,
    }  # fmt: skip


class Journal:
    def __init__(self, core: Core, path: str) -> None:
        self._core = core
        self._path = Path(path)
        if self._path.exists():
            _restore(core, self._path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        self._file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        everything = _everything(core)
        for start in range(0, len(everything), BATCH):
            self._write(everything[start : start + BATCH])
        os.fsync(self._file)
        fresh.replace(self._path)
        core.dirty = {}

    def _write(self, records: list[Any]) -> None:
        line = orjson.dumps(records, default=_plain) + b"\n"
        view = memoryview(line)
        while view:
            view = view[os.write(self._file, view) :]

    def flush(self) -> None:
        dirty = self._core.dirty
        if dirty:
            self._core.dirty = {}
            self._write([_record(kind, thing) for (kind, _), thing in dirty.items()])

    def close(self) -> None:
        self.flush()
        os.close(self._file)


def _record(kind: str, thing: Any) -> list[Any]:
    if kind == "account":
        return [kind, _account(thing)]
    if kind == "funds":
        return [kind, _funds(thing)]
    if kind in ("price", "position_log"):
        return [kind, thing]
    if kind == "market":
        return [kind, {
            "id": thing.inst.inst_id, "seq": thing.trade_seq, "state": thing.inst.state,
            "next_funding": thing.next_funding, "override": thing.funding_override,
        }]  # fmt: skip
    return [kind, _slots(thing)]


def _everything(core: Core) -> list[Any]:
    records: list[Any] = []
    for market in core.markets.values():
        records.append(_record("market", market))
        for ms, ratio in market.candles.ratios[1:]:
            records.append(["price", [market.inst.inst_id, ms, ratio]])
    for acc in core.accounts.values():
        records.append(_record("account", acc))
        records.append(_record("funds", acc))
        records.extend(_record("order", o) for o in acc.order_list)
        records.extend(_record("fill", f) for f in acc.fill_list)
        records.extend(_record("bill", b) for b in acc.bills)
        records.extend(_record("position", p) for p in acc.positions.values())
        records.extend(["position_log", row] for row in acc.position_log)
        records.extend(_record("algo", a) for a in [*acc.algos.values(), *acc.algo_done])
    return records


def _restore(core: Core, path: Path) -> None:
    latest: dict[Any, Any] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break  # the process died while it wrote this one
            try:
                records = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not a journal ({error})") from error
            for kind, data in records:
                latest[_key(kind, data)] = (kind, data)
    groups: dict[str, list[Any]] = {}
    for kind, data in latest.values():
        groups.setdefault(kind, []).append(_revive(data))
    used = {d["inst"] for k in ("order", "position", "algo") for d in groups.get(k, [])}
    if missing := used - set(core.markets):
        raise ValueError(f"{path} holds orders of instruments that are left out: {missing}")
    _restore_markets(core, groups)
    for data in groups.get("account", []):
        _restore_account(core, data)
    for data in groups.get("funds", []):
        acc = core.accounts[data.pop("key")]
        for name, value in data.items():
            setattr(acc, name, value)
    _restore_trading(core, groups)


def _key(kind: str, data: Any) -> Any:
    if kind == "account":
        return kind, data["spec"]["apiKey"]
    if kind == "position_log":
        return kind, data["posId"], data["uTime"], data["closeTotalPos"], data["fee"]
    if kind == "price":
        return kind, data[0], data[1]
    names = {"order": "ord_id", "fill": "bill_id", "bill": "bill_id", "position": "pos_id",
             "algo": "algo_id", "market": "id", "funds": "key"}  # fmt: skip
    return kind, data[names[kind]]


def _restore_markets(core: Core, groups: dict[str, list[Any]]) -> None:
    now = core.now()
    for inst_id, ms, ratio in sorted(groups.get("price", []), key=lambda p: p[1]):
        if inst_id in core.markets:
            core.markets[inst_id].candles.restore_ratio(ms, ratio)
    for data in groups.get("market", []):
        market = core.markets.get(data["id"])
        if market is None:
            continue
        market.trade_seq = max(market.trade_seq, data["seq"] + 1)
        market.inst.state = data["state"]
        market.funding_override = data["override"]
        # A funding time that passed while the exchange was down is settled by the first tick.
        market.next_funding = min(market.next_funding, data["next_funding"])
    for market in core.markets.values():
        market.px_ticks = market.candles.ticks_at(now)
        market.book.recentre(market.px_ticks, shuffle=False)


def _restore_account(core: Core, data: dict[str, Any]) -> None:
    acc = Account(data["index"], data["spec"])
    acc.acct_lv, acc.pos_mode = data["acct_lv"], data["pos_mode"]
    for inst_id, mode, side, lever in data["leverage"]:
        acc.leverage[(inst_id, mode, side)] = lever
    core.accounts[acc.api_key] = acc
    core.by_uid[acc.uid] = acc
    core.learn_keys(acc)


def _fill_slots(thing: Any, data: dict[str, Any], skip: tuple[str, ...]) -> None:
    for name in type(thing).__slots__:
        if name not in skip and name in data:  # older files know fewer
            setattr(thing, name, data[name])


def _restore_trading(core: Core, groups: dict[str, list[Any]]) -> None:
    markets = core.markets
    for kind, name in (("order", "ord_id"), ("bill", "bill_id"), ("position", "pos_id"),
                       ("algo", "algo_id")):  # fmt: skip
        core.last_id = max([core.last_id, *(data[name] for data in groups.get(kind, []))])
    for data in sorted(groups.get("order", []), key=lambda d: d["ord_id"]):
        acc, market = core.accounts[data["account"]], markets[data["inst"]]
        order = Order(acc, market.inst, data["ord_id"], 0)
        _fill_slots(order, data, ("account", "inst"))
        acc.orders[order.ord_id] = order
        acc.order_list.append(order)
        if order.cl_ord_id:
            acc.by_cl_ord_id[order.cl_ord_id] = order
        if order.is_live:
            acc.live.setdefault(market.inst.inst_id, {})[order.ord_id] = order
            if order.cl_ord_id:
                acc.live_cl_ord_ids[order.cl_ord_id] = order
            if order.frozen:
                held = acc.frozen.get(order.frozen_ccy, ZERO)
                acc.frozen[order.frozen_ccy] = held + order.frozen
            if order.px_ticks and order.avail_fill_lots != 0:
                own_side(market, order).add(order)
    for data in sorted(groups.get("fill", []), key=lambda d: d["bill_id"]):
        key, ord_id = data["order"]
        order = core.accounts[key].orders[ord_id]
        fill = Fill.__new__(Fill)
        _fill_slots(fill, data, ("order", "inst"))
        fill.order, fill.inst = order, order.inst
        # A trade id is never given twice; the last market record may be older than the last trade.
        traded = markets[order.inst.inst_id]
        traded.trade_seq = max(traded.trade_seq, int(fill.trade_id) + 1)
        order.account.fill_list.append(fill)
    for data in sorted(groups.get("bill", []), key=lambda d: d["bill_id"]):
        acc = core.accounts[data["owner"]]
        bill = Bill.__new__(Bill)
        _fill_slots(bill, data, ("order",))
        bill.order = acc.orders[data["order"][1]] if data["order"] else None
        acc.bills.append(bill)
        acc.cash[bill.ccy] = bill.bal
    for data in groups.get("position", []):
        acc, market = core.accounts[data["account"]], markets[data["inst"]]
        pos = Position(acc, market.inst, data["mgn_mode"], data["pos_side"], 0, "")
        _fill_slots(pos, data, ("account", "inst"))
        acc.positions[pos.key] = pos
        if pos.lots:
            acc.open[pos.key] = pos
    owners = {str(p.pos_id): a for a in core.accounts.values() for p in a.positions.values()}
    for row in sorted(groups.get("position_log", []), key=lambda r: int(r["uTime"])):
        owners[row["posId"]].position_log.append(row)
    for data in sorted(groups.get("algo", []), key=lambda d: d["algo_id"]):
        acc, market = core.accounts[data["account"]], markets[data["inst"]]
        algo = Algo(acc, market, data["algo_id"], 0)
        _fill_slots(algo, data, ("account", "inst"))
        if algo.state == "live":
            acc.algos[algo.algo_id] = market.algos[algo.algo_id] = algo
        else:
            acc.algo_done.append(algo)
