"""What a private stream tells of our orders is doubted like the answers to look-ups."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.conf import settings
from websockets.sync.client import ClientConnection, connect

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.test_unclear_outcomes import PLACE
from tests.trading.world import SYMBOL, World
from trading.models import Alert, Fill, Order
from trading.services.streams.kind import AccountStreams
from venues.domain.types import Credentials
from venues.okx.stream import OkxDialogue
from venues.streams.dialogue import Said
from venues.streams.registry import Delivery, Subject


class Line:
    """A private line of one account, heard by hand: what is pushed can be spoiled before it is
    delivered."""

    def __init__(self, world: World, follower: Subscription, socket: ClientConnection) -> None:
        self.world, self.follower, self.socket = world, follower, socket
        self.dialogue = OkxDialogue(settings.VENUES["paper"], stops=False)
        keys = world.keys[follower.account_id]
        own = Credentials(keys.api_key, keys.secret_key, keys.passphrase)
        self.socket.send(self.dialogue.login(own, int(time.time() * 1000)), text=True)
        self._until(Said.LOGGED_IN)
        self.socket.send(self.dialogue.subscribe(), text=True)
        self._until(Said.SUBSCRIBED)

    def _hear(self, frame: bytes) -> Any:
        return self.dialogue.hear(frame, int(time.time() * 1000), lambda _: SYMBOL)

    def _until(self, said: Said) -> None:
        while self._hear(str(self.socket.recv(timeout=10)).encode()).said is not said:
            pass

    def pushes(self, count: int) -> list[dict[str, Any]]:
        """The next pushes of orders, one row each."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            frame = orjson.loads(self.socket.recv(timeout=10))
            if "event" not in frame and frame["arg"]["channel"] == "orders":
                found += [{**frame, "data": [row]} for row in frame["data"]]
        return found

    def deliver(self, *frames: dict[str, Any], **spoiled: Any) -> None:
        account = self.follower.account
        subject = Subject(account.pk, self.world.tenant.pk, "paper", 1, "key")
        changes = []
        for frame in frames:
            row = {**frame["data"][0], **spoiled}
            heard = self._hear(orjson.dumps({**frame, "data": [row]}))
            assert heard.said is Said.CHANGES, "it is to be well-formed"
            changes += heard.changes
        with tenant_scope(self.world.tenant.pk):
            AccountStreams().deliver(self.world.tenant.pk, [Delivery(subject, tuple(changes))])


@pytest.fixture
def follower(world: World) -> Subscription:
    return world.follower()


@pytest.fixture
def line(world: World, follower: Subscription) -> Iterator[Line]:
    url = OkxDialogue(settings.VENUES["paper"], stops=False).url
    with connect(url) as socket:
        yield Line(world, follower, socket)


def _fills(world: World) -> list[Fill]:
    with tenant_scope(world.tenant.pk):
        return list(Fill.objects.all())


def _lost_entry(world: World) -> Any:
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(signal := world.entry())
    return signal


def _last(line: Line) -> dict[str, Any]:
    """The push that tells that all is filled."""
    while True:
        (push,) = line.pushes(1)
        if push["data"][0]["state"] == "filled":
            return push


def test_what_is_told_is_taken(world: World, follower: Subscription, line: Line) -> None:
    signal = _lost_entry(world)
    line.deliver(_last(line))
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 10


@pytest.mark.parametrize(
    "spoiled",
    [
        {"side": "sell"},
        {"sz": "1000"},
        {"sz": "1000", "accFillSz": "1000", "fillSz": "1000"},
        {"instId": "BTC-USDT-SWAP", "fillSz": "100"},
        {"fillPx": "9999999"},
        {"fillFee": "-100000"},
        {"fillFeeCcy": "DOGE"},
    ],
)
def test_no_books_are_made_of_a_push_that_cannot_be_right(
    world: World, follower: Subscription, line: Line, spoiled: dict[str, str]
) -> None:
    signal = _lost_entry(world)
    push = _last(line)
    line.deliver(push, **spoiled)
    held = world.held(follower)
    assert (held.filled, held.fees, held.target) == (0, 0, 10)
    assert _fills(world) == []
    with tenant_scope(world.tenant.pk):
        assert Alert.objects.filter(code="answers_unreadable", open_key__isnull=False).exists()
        assert Order.objects.get().check_at is not None

    world.check()
    assert world.intent(signal, follower).status == "filled"
    held = world.held(follower)
    assert (held.filled, held.target) == (10, 10)
    assert len(_fills(world)) == 1


def test_a_fill_that_was_told_as_somebody_elses_is_ours_when_a_look_up_says_so(
    world: World, follower: Subscription, line: Line
) -> None:
    signal = _lost_entry(world)
    line.deliver(_last(line), clOrdId="somebodyelse")
    (fill,) = _fills(world)
    assert fill.order_id is None

    world.check()
    assert world.intent(signal, follower).status == "filled"
    (order,) = world.orders()
    (fill,) = _fills(world)
    assert fill.order_id == order.pk
    assert world.held(follower).filled == 10


def test_pushes_that_come_late_and_twice_change_nothing(
    world: World, follower: Subscription, line: Line
) -> None:
    world.fan_out(signal := world.entry())
    pushes = line.pushes(1)
    while pushes[-1]["data"][0]["state"] != "filled":
        pushes += line.pushes(1)
    world.check()
    assert world.intent(signal, follower).status == "filled"
    for push in (*pushes, *reversed(pushes)):
        line.deliver(push)
    line.deliver(*reversed(pushes))
    assert world.intent(signal, follower).status == "filled"
    held = world.held(follower)
    assert (held.filled, held.target, len(_fills(world))) == (10, 10, 1)
