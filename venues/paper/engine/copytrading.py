"""What is published of lead traders: accounts that were made with a `leadTraderCode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import account_rows
from .account_queries import bad, need
from .types import Params, Row

if TYPE_CHECKING:
    from .core import Core

_SHARED = ("instId", "instType", "lever", "margin", "markPx", "mgnMode", "posSide", "upl",
           "uplRatio")  # fmt: skip


def current_subpositions(core: Core, params: Params) -> list[Row]:
    """Open swap positions of a lead trader, one sub-position each.

    The venue splits a position by the orders that opened it; here it is in one part.
    """
    if params.get("instType", "SWAP") != "SWAP":
        raise bad("instType")
    code = need(params, "uniqueCode")
    leads = [acc for acc in core.accounts.values() if acc.spec.get("leadTraderCode") == code]
    if not leads:
        raise bad("uniqueCode")
    rows = []
    for pos in leads[0].open.values():
        if pos.inst.inst_type == "SWAP":
            row = account_rows.position_row(core, pos)
            rows.append(
                {name: row[name] for name in _SHARED}
                | {
                    "ccy": row["ccy"], "openAvgPx": row["avgPx"], "openTime": row["cTime"],
                    "subPos": row["pos"], "subPosId": row["posId"], "uniqueCode": code,
                }
            )  # fmt: skip
    return rows
