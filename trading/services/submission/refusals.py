"""Leverages that venues refused: nothing is asked twice while the answer cannot be another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from customers.bulk_rows import rows_upsert
from trading.models import Balance, LeverageRefusal, Position
from trading.services.outgoing import OutgoingOrder
from venues.domain.types import VenueError, VenueErrorKind

PASSES_WITHIN = timedelta(hours=1)
"""What is said of the moment (a settlement, say) and not of the account is asked again then."""
MORE_FUNDS = Decimal("1.05")
"""So much more is free than when it was refused: a lower leverage may be had now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a venue is asked to set. `hedged`: in long/short mode."""

    account_id: str
    symbol: str
    margin_mode: str
    leverage: Decimal
    hedged: bool

    @property
    def settle(self) -> str:
        return self.symbol.rpartition(":")[2].partition("-")[0]


def asked_for(order: OutgoingOrder) -> Asked:
    assert order.leverage is not None
    hedged = order.position_side != "net"
    return Asked(order.account_id, order.symbol, order.margin_mode, order.leverage, hedged)


def refusals_note(tenant_id: str, answers: Iterable[tuple[Asked, VenueError]]) -> None:
    """Of the leverage itself: not of a key, a mode, a rate limit, or by a venue out of order."""
    refused = {
        asked: error
        for asked, error in answers
        if error.kind is VenueErrorKind.REFUSED and error.code
    }
    if not refused:
        return
    now = timezone.now()
    held, free = _held(tenant_id, refused), _free(tenant_id, refused)
    rows_upsert(
        LeverageRefusal,
        [
            LeverageRefusal(
                tenant_id=tenant_id,
                account_id=asked.account_id,
                symbol=asked.symbol,
                margin_mode=asked.margin_mode,
                leverage=asked.leverage,
                held=held[asked],
                available=free.get((asked.account_id, asked.settle)),
                in_the_way=None,
                code=error.code,
                message=error.message,
                refused_at=now,
            )
            for asked, error in refused.items()
        ],
        ["account", "symbol", "margin_mode", "leverage"],
        ["held", "available", "in_the_way", "code", "message", "refused_at"],
    )


def refusals_standing(tenant_id: str, wanted: Collection[Asked]) -> dict[Asked, VenueError]:
    """What the venue said to the same before. Of what is to be set."""
    if not wanted:
        return {}
    stored = LeverageRefusal.objects.for_tenant(tenant_id).filter(
        account_id__id_in={asked.account_id for asked in wanted},
        symbol__in={asked.symbol for asked in wanted},
    )
    known = {(row.account_id, row.symbol, row.margin_mode, row.leverage): row for row in stored}
    met = {}
    for asked in wanted:
        key = (asked.account_id, asked.symbol, asked.margin_mode, asked.leverage)
        if key in known:
            met[asked] = known[key]
    held, free = _held(tenant_id, met), _free(tenant_id, met)
    return {
        asked: VenueError(VenueErrorKind.REFUSED, row.code, row.message)
        for asked, row in met.items()
        if row.held == held[asked]
        and not _has_passed(row)
        and not _has_more(row, free.get((asked.account_id, asked.settle)))
    }


def _has_passed(row: LeverageRefusal) -> bool:
    """What is said of the request, or of the account as it is, is said as long as that is so."""
    if row.code.startswith("59") or row.code == "51000":
        return False
    return timezone.now() - row.refused_at > PASSES_WITHIN


def _has_more(row: LeverageRefusal, free: Decimal | None) -> bool:
    return row.available is not None and free is not None and free > row.available * MORE_FUNDS


def refusals_forget(*, tenant_id: str, account_id: str) -> None:
    """Somebody has the account checked: what was in the way may be out of it."""
    LeverageRefusal.objects.for_tenant(tenant_id).filter(account_id=account_id).delete()


def _held(tenant_id: str, wanted: Collection[Asked]) -> dict[Asked, str]:
    """As the venue shows it, with the position mode."""
    if not wanted:
        return {}
    rows = Position.objects.for_tenant(tenant_id).filter(
        account_id__id_in={asked.account_id for asked in wanted},
        symbol__in={asked.symbol for asked in wanted},
    )
    found: defaultdict[tuple[str, str], str] = defaultdict(str)
    for account_id, symbol, side, quantity in rows.order_by("position_side").values_list(
        "account_id", "symbol", "position_side", "quantity"
    ):
        if quantity:
            found[account_id, symbol] += f"{side} {quantity.normalize():f} "
    return {
        asked: ("long and short: " if asked.hedged else "") + found[asked.account_id, asked.symbol]
        for asked in wanted
    }


def _free(tenant_id: str, wanted: Collection[Asked]) -> dict[tuple[str, str], Decimal]:
    """By account and currency."""
    if not wanted:
        return {}
    rows = Balance.objects.for_tenant(tenant_id).filter(
        account_id__id_in={asked.account_id for asked in wanted},
        currency__in={asked.settle for asked in wanted},
    )
    return {
        (account_id, currency): available
        for account_id, currency, available in rows.values_list(
            "account_id", "currency", "available"
        )
    }
