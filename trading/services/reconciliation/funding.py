"""Whose a funding fee is: shared out by what each copy held when it was due."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from customers.models import ExchangeAccount
from trading.domain.cash import funding_shares
from trading.models import AccountBill, CopiedPosition, Fill, FundingShare, UnattributedPosition

NOBODY = ""
"""What no copy accounts for."""
_Held = dict[str, Decimal]
"""Signed, by subscription or NOBODY."""


def funding_share_out(
    account: ExchangeAccount, bill: AccountBill, size: Decimal | None
) -> list[FundingShare]:
    """In the transaction that stores the bill. `size`: of the position, unsigned, as billed.

    A fee of what nobody is known to have held is nobody's, as a whole.
    """
    held, bill.position_side = _held_then(account, bill, size)
    if bill.position_side:
        bill.save(update_fields=["position_side"])
    shares = funding_shares(bill.amount, held) or {NOBODY: bill.amount}
    rows = [
        FundingShare(
            tenant_id=account.tenant_id,
            bill=bill,
            subscription_id=subscription_id or None,
            quantity=held.get(subscription_id, Decimal(0)),
            amount=amount,
        )
        for subscription_id, amount in sorted(shares.items())
    ]
    return FundingShare.objects.bulk_create(rows)


def _held_then(
    account: ExchangeAccount, bill: AccountBill, size: Decimal | None
) -> tuple[_Held, str]:
    """What each held, and on which side. A bill names no side: of a hedged account it is the one
    whose size it has; when both have it or neither, nobody knows."""
    if account.position_mode == ExchangeAccount.PositionMode.NET:
        return _held_on_sides(account, bill, one_side=True)["net"], "net"
    sides = _held_on_sides(account, bill, one_side=False)
    fitting = [side for side, held in sides.items() if abs(sum(held.values())) == size]
    if len(fitting) != 1:
        return {}, ""
    return sides[fitting[0]], fitting[0]


def _held_on_sides(
    account: ExchangeAccount, bill: AccountBill, *, one_side: bool
) -> dict[str, _Held]:
    """What is held now, without what was traded since."""
    mine = {"account_id": account.pk, "symbol": bill.symbol}
    moved: dict[str, _Held] = {"net": defaultdict(Decimal)}
    if not one_side:
        moved = {"long": defaultdict(Decimal), "short": defaultdict(Decimal)}
    copies = CopiedPosition.objects.for_tenant(account.tenant_id).filter(**mine)
    now_held: dict[str, Decimal] = dict(copies.values_list("subscription_id", "filled"))
    later = Fill.objects.for_tenant(account.tenant_id).filter(
        filled_at__gt=bill.occurred_at, **mine
    )
    since: _Held = defaultdict(Decimal)
    columns = ("order__subscription_id", "side", "quantity", "position_side", "attribution")
    rests: list[tuple[str, Decimal]] = []
    for subscription_id, side, quantity, position_side, attribution in later.values_list(*columns):
        signed = quantity if side == "buy" else -quantity
        if subscription_id:
            since[subscription_id] += signed
        elif attribution:  # else it is in no book yet
            rests.append((position_side, -signed))
    for subscription_id in now_held.keys() | since.keys():
        held = now_held.get(subscription_id, Decimal(0)) - since[subscription_id]
        moved[_side("", held, one_side)][subscription_id] += held
    unattributed = UnattributedPosition.objects.for_tenant(account.tenant_id).filter(**mine)
    rests += unattributed.values_list("position_side", "quantity")
    for position_side, quantity in rests:
        moved[_side(position_side, quantity, one_side)][NOBODY] += quantity
    return moved


def _side(position_side: str, held: Decimal, one_side: bool) -> str:
    if one_side:
        return "net"
    if position_side in ("long", "short"):
        return position_side
    return "long" if held >= 0 else "short"
