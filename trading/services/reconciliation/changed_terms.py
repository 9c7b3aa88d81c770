"""Leverage, margin mode and position mode, changed at the exchange by others than us."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount
from trading.domain.order_states import LIVE_STATES
from trading.domain.reconciliation import FindingKind, copies_of_side
from trading.models import CopiedPosition, Finding, FollowedChange, InstrumentSetting, Order
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.readings import AccountReading
from venues.domain.types import LeverageSnapshot, PositionSide, PositionSnapshot

ZERO = Decimal(0)
LASTS = timedelta(hours=1)
"""What was not seen for so long has happened anew."""


def terms_compare(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Each change is found once. In the tenant's scope; a fixed number of queries while there is
    nothing to find."""
    _leverages(tenant_id, readings)


def _margin_mode_compare(
    reading: AccountReading, position: PositionSnapshot, ours: InstrumentSetting
) -> None:
    """What copies hold, or a part of it, is in a margin mode in which we never traded this symbol:
    found once while it lasts."""
    account, now = reading.account, timezone.now()
    if ours.confirmed_at >= reading.asked_at or _is_working(reading, position.symbol):
        return
    copies = CopiedPosition.objects.for_tenant(account.tenant_id).filter(
        account_id=account.pk, symbol=position.symbol
    )
    quantities = [(copy.pk, copy.filled) for copy in copies]
    copied = copies_of_side(quantities, position.position_side)
    in_our_mode = [
        row.quantity
        for row in reading.positions
        if (row.symbol, row.position_side) == (position.symbol, position.position_side)
        and row.margin_mode == ours.margin_mode
    ]
    if abs(sum(copied.values(), ZERO)) <= abs(sum(in_our_mode, ZERO)):
        return  # what the client opened beside them is named so
    params = {"before": ours.margin_mode, "after": position.margin_mode}
    known = Finding.objects.for_tenant(account.tenant_id).filter(
        account_id=account.pk,
        kind=FindingKind.MARGIN_MODE_CHANGED,
        symbol=position.symbol,
        position_side=position.position_side,
        params=params,
        last_seen_at__gt=now - LASTS,
    )
    if not known.update(last_seen_at=now):
        key = (position.symbol, position.position_side)
        with transaction.atomic():
            findings_note(account, [Found(FindingKind.MARGIN_MODE_CHANGED, key, params)], now)


def _leverages(tenant_id: str, readings: Sequence[AccountReading]) -> None:
    shown = [(reading, row) for reading in readings for row in reading.positions]
    asked = {reading.account.pk for reading in readings if reading.leverages}
    if not shown and not asked:
        return
    rows = InstrumentSetting.objects.for_tenant(tenant_id).filter(
        account_id__in={reading.account.pk for reading, _ in shown} | asked
    )
    settings = {(row.account_id, row.symbol, row.margin_mode): row for row in rows}
    latest: dict[tuple[str, str], InstrumentSetting] = {}
    for row in sorted(settings.values(), key=lambda row: row.confirmed_at):
        latest[row.account_id, row.symbol] = row
    for reading, position in shown:
        setting = settings.get((reading.account.pk, position.symbol, position.margin_mode))
        ours = latest.get((reading.account.pk, position.symbol))
        if setting is None and ours is not None and position.quantity:
            _margin_mode_compare(reading, position, ours)
        if setting is None or position.leverage in (None, setting.leverage):
            continue
        # What we confirmed since says nothing of what was shown before.
        if setting.confirmed_at < reading.asked_at and not _is_working(reading, position.symbol):
            side = position.position_side
            _leverage_note(reading.account, setting, position.leverage, side)
    for reading in readings:
        _flat_leverages(reading, settings)


def _flat_leverages(
    reading: AccountReading, settings: Mapping[tuple[str, str, str], InstrumentSetting]
) -> None:
    """Of what is not held: the next entry would go out by what the client set meanwhile."""
    held = {(row.symbol, row.margin_mode) for row in reading.positions}
    told: dict[tuple[str, str], list[LeverageSnapshot]] = defaultdict(list)
    for row in reading.leverages or ():
        told[row.symbol, row.margin_mode].append(row)
    for key in told.keys() - held:
        setting = settings.get((reading.account.pk, *key))
        others = [row for row in told[key] if setting and row.leverage != setting.leverage]
        if setting is None or not others or setting.confirmed_at >= reading.asked_at:
            continue
        if not _is_working(reading, key[0]):
            other = others[0]
            sides_agree = len({row.leverage for row in told[key]}) == 1
            _leverage_note(
                reading.account, setting, other.leverage, other.position_side, keeps=sides_agree
            )


def _is_working(reading: AccountReading, symbol: str) -> bool:
    """An order of ours may be setting it right now, or a leader's change that is followed."""
    mine = {"account_id": reading.account.pk, "symbol": symbol}
    following = FollowedChange.objects.for_tenant(reading.account.tenant_id).filter(
        **mine, state=FollowedChange.State.SENDING
    )
    if following.exists():
        return True
    rows = Order.objects.for_tenant(reading.account.tenant_id).filter(
        **mine,
        state__in=[str(state) for state in LIVE_STATES],
    )
    return rows.exists()


def _leverage_note(
    account: ExchangeAccount,
    setting: InstrumentSetting,
    leverage: Decimal,
    position_side: PositionSide,
    *,
    keeps: bool = True,
) -> None:
    """The setting follows, so that the next entry sets it as it needs it; it is forgotten when
    both sides have another one each, for it can say but one."""
    now = timezone.now()
    params = {"before": f"{setting.leverage:f}", "after": f"{leverage:f}"}
    with transaction.atomic():
        same = InstrumentSetting.objects.for_tenant(account.tenant_id).filter(
            pk=setting.pk, leverage=setting.leverage
        )
        values = {"leverage": leverage, "confirmed_at": now}
        if same.update(**values) if keeps else same.delete()[0]:
            key = (setting.symbol, position_side)
            findings_note(account, [Found(FindingKind.LEVERAGE_CHANGED, key, params)], now)


def position_mode_note(account: ExchangeAccount, after: str) -> None:
    """The account's position mode is another one than we knew; the account follows it already."""
    params = {"before": account.position_mode, "after": after}
    found = Found(FindingKind.POSITION_MODE_CHANGED, ("", "net"), params)
    with transaction.atomic():
        findings_note(account, [found], timezone.now())
