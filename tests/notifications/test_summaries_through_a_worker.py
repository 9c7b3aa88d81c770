"""A settled fan-out reaches the robot and the mail server through a real worker."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from customers.tenancy import tenant_scope
from notifications.models import Delivery, NotificationChannel
from signals_app.models import Signal
from tests.factories import (
    IntentFactory,
    NotificationChannelFactory,
    SignalFactory,
    StrategyFactory,
    SubscriptionFactory,
)
from tests.notifications.robot import SECRET, Robot
from tests.processes.live import LiveProcesses, wait_for
from trading.models import Intent
from trading.signals import fanout_settled


@pytest.mark.django_db(transaction=True)
def test_staff_are_told_once_in_every_channel(
    live: LiveProcesses, valkey: object, robot: Robot
) -> None:
    origin = robot.url.partition("/robot")[0]
    live.worker("notify", env={"DINGTALK_ORIGINS": origin})
    signal = SignalFactory(status=Signal.Status.DONE, done_at=timezone.now(), followers=1)
    IntentFactory(
        subscription=SubscriptionFactory(strategy=StrategyFactory(source=signal.source)),
        signal=signal,
        status=Intent.Status.FILLED,
    )
    NotificationChannelFactory(tenant=signal.tenant)
    NotificationChannelFactory(
        tenant=signal.tenant,
        kind=NotificationChannel.Kind.DINGTALK,
        webhook_url=robot.url,
        signing_secret=SECRET,
    )

    for _ in range(2):
        with transaction.atomic():
            fanout_settled.send(sender=Signal, trading_signal=signal)

    def sent() -> bool:
        with tenant_scope(signal.tenant_id):
            return Delivery.objects.filter(status=Delivery.Status.SENT).count() == 2

    wait_for(sent, seconds=20, what="both channels were told")
    assert len(robot.texts) == 1
    assert robot.texts[0].splitlines()[0].endswith(": 1 filled")
