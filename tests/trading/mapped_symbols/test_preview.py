"""The preview says what the signal then does."""

from __future__ import annotations

from decimal import Decimal as D

from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.trading.mapped_symbols.mapped import (
    ETH,
    mapped,
)
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World
from trading.models import Intent
from trading.selectors.signal_preview import signal_preview


def test_the_preview_says_what_the_signal_then_does(world: World) -> None:
    copy, plain = mapped(world), world.follower()
    draft = Signal(
        tenant=world.tenant,
        source=world.source,
        action="open",
        symbol=BTC,
        side="long",
        size=D("0.1"),
        size_basis="base",
        emitted_at=timezone.now(),
        received_at=timezone.now(),
        expires_at=timezone.now() + timezone.timedelta(minutes=1),
    )
    with tenant_scope(world.tenant.pk):
        preview = signal_preview(draft, timezone.now())
    found = {row.subscription_id: (row.symbol, row.legs[0].quantity) for row in preview.followers}
    assert found == {copy.pk: (ETH, D(20)), plain.pk: ("", D(10))}
    with tenant_scope(world.tenant.pk):
        assert not Intent.objects.exists()
        assert not Subscription.objects.filter(is_mapped=True).exists()
