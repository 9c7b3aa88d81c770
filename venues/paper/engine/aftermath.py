"""What follows at the end of every call: orphaned closing orders go, attached TP/SL start,
changed positions and balances are told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import account_rows, algos
from .matching import end

if TYPE_CHECKING:
    from .accounts import Account, Position
    from .core import Core


def settle(core: Core) -> None:
    while core.just_closed or core.to_attach:
        closed, core.just_closed = core.just_closed, []
        for pos in closed:
            if not pos.lots:
                _cancel_orphans(core, pos)
        ended, core.to_attach = core.to_attach, []
        for order in ended:
            algos.start_attached(core, order)
    if core._changed:
        announce(core, "filled")


def _cancel_orphans(core: Core, pos: Position) -> None:
    acc, market = pos.account, core.markets[pos.inst.inst_id]
    ts = core.now()
    for order in list(acc.live.get(pos.inst.inst_id, {}).values()):
        if order.closing and (order.td_mode, order.pos_side) == (pos.mgn_mode, pos.pos_side):
            end(core, market, order, "canceled", ts, source="17")
    if acc.algos:
        algos.cancel_for_position(core, pos)


def announce(core: Core, kind: str) -> None:
    for acc, things in core.take_changed().items():
        if core.on_event is None:
            continue
        for pos in things:
            if not isinstance(pos, str):
                core.emit("position", acc, pos.inst.inst_id,
                          lambda pos=pos: account_rows.position_row(core, pos))  # type: ignore[misc]  # fmt: skip
        _tell_account(core, acc, things, kind)


def _tell_account(core: Core, acc: Account, things: set[object], kind: str) -> None:
    currencies = [t for t in things if isinstance(t, str)]
    core.emit("account", acc, "", lambda: account_rows.account_row(core, acc, currencies))
    core.emit("balance", acc, "",
              lambda: account_rows.balance_and_position_row(core, acc, things, kind))  # fmt: skip
