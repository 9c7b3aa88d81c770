"""What leaves against what entered: a signal places one entry for each follower at most.

An entry that the venue takes only in parts is one entry. Parts are told by what no plan can change:
each is at least half of the venue's largest order, and nothing smaller had to be cut. They are not
in the signal's count; each sender bounds them by follower. An entry that goes on in another order
is one entry, too: only the end of the order before makes it (trading.services.order_updates). Of an
entry in slices the first is counted; of later ones each time of sending has one.

The dispatcher noted how many followers a signal has; the sender counts its entries in the
transaction that marks them SENDING, which each order passes once. So it does not matter which
mistake made the orders, nor in how many processes. A second order of one decision is found even
earlier, in memory. Exits have no such bound: they come in parts and in attempts, and are capped by
what is held; only the same decision twice is held back.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from django.db.models import F

from strategies.models import Subscription
from trading.domain.order_sizes import MOST_PARTS, largest_order
from trading.domain.order_states import OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Breaker, FanoutTally, Order
from trading.services.breaker.switching import breaker_open
from trading.services.instruments import instrument_in_memory
from trading.services.order_updates import OrderUpdate
from trading.services.outgoing import OutgoingOrder
from venues.markets import known_price

logger = logging.getLogger(__name__)

_Fanout = tuple[str, str]
"""Signal and strategy."""


class FanoutExceededError(Exception):
    """More entries of a signal were about to leave than it has followers in a strategy."""

    def __init__(self, fanout: _Fanout, orders: int, followers: int) -> None:
        super().__init__(f"signal {fanout[0]}: {orders} entries for {followers} followers")
        self.fanout = fanout
        self.orders = orders
        self.followers = followers


class Departures:
    """One sender's view of what has left."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self._orders: dict[tuple[str, ...], str] = {}
        self._parts: dict[tuple[str, ...], list[str]] = {}
        self._stopped: dict[_Fanout, Reason] = {}

    def sift(
        self, orders: Sequence[OutgoingOrder]
    ) -> tuple[list[OutgoingOrder], list[OrderUpdate]]:
        """What may leave, each once, and a refusal for each that may not. In memory."""
        once = {order.id: order for order in orders}
        if len(once) != len(orders):
            for order_id, times in Counter(order.id for order in orders).items():
                if times > 1:
                    self._doubled(once[order_id], times)
        second = {order.id for order in once.values() if self._is_second(order)}
        leaving: list[OutgoingOrder] = []
        refused: list[OrderUpdate] = []
        for order in once.values():
            reason = self._stopped.get(_fanout_of(order)) if order.is_entry else None
            if reason is None and order.id in second:
                reason = Reason(ReasonCode.FANOUT_EXCEEDED)
            if reason is None:
                leaving.append(order)
            else:
                refused.append(OrderUpdate(order.id, OrderTrigger.REFUSE, reason=reason))
        return leaving, refused

    def _is_second(self, order: OutgoingOrder) -> bool:
        """Whether another order of the same decision, or entry of the same follower, was here."""
        keys: list[tuple[str, ...]] = [(order.intent_id,)]
        if order.is_entry and order.signal_id:
            part = self._part_of(order)
            if part >= MOST_PARTS:
                self._doubled(order, part + 1)
                return True
            place = f"{part}:{order.attempt}:{order.send_at or ''}"
            keys.append((*_fanout_of(order), order.subscription_id, place))
        if all(self._orders.setdefault(key, order.id) == order.id for key in keys):
            return False
        self._doubled(order, 2)
        return True

    def _part_of(self, order: OutgoingOrder) -> int:
        """Which part of its follower's entry it is: 0 of what could be one order."""
        if not _had_to_be_cut(order):
            return 0
        parts = self._parts.setdefault((*_fanout_of(order), order.subscription_id), [])
        if order.id not in parts:
            parts.append(order.id)
        return parts.index(order.id)

    def _doubled(self, order: OutgoingOrder, times: int) -> None:
        logger.error("order %s leaves a second time, or for a second time", order.id)
        if order.strategy_id:
            self.stop(FanoutExceededError(_fanout_of(order), times, 1))

    def count(self, orders: Iterable[OutgoingOrder]) -> None:
        """Add these to the signal's count, in the caller's transaction; one UPDATE per signal.

        Raises FanoutExceededError, which must undo that they leave.
        """
        leaving = [
            order for order in orders if order.is_entry and order.signal_id and _is_first(order)
        ]
        entries = Counter(_fanout_of(order) for order in leaving if not _had_to_be_cut(order))
        for fanout, number in sorted(entries.items()):
            signal_id, strategy_id = fanout
            tally = FanoutTally.objects.for_tenant(self.tenant_id).filter(
                signal_id=signal_id, strategy_id=strategy_id
            )
            # Added, not subtracted: MariaDB's unsigned numbers know nothing below zero.
            within = tally.filter(followers__gte=F("entries_sent") + number)
            if not within.update(entries_sent=F("entries_sent") + number):
                self._count_again(fanout, number)

    def _count_again(self, fanout: _Fanout, number: int) -> None:
        """The slow way, before anything is stopped: who follows now, what was really sent."""
        signal_id, strategy_id = fanout
        tally = (
            FanoutTally.objects.for_tenant(self.tenant_id)
            .select_for_update()
            .filter(signal_id=signal_id, strategy_id=strategy_id)
            .first()
        )
        followers = (
            Subscription.objects.for_tenant(self.tenant_id)
            .filter(strategy_id=strategy_id)
            .exclude(status=Subscription.Status.STOPPED)
            .count()
        )
        if tally is None:  # its dispatcher did not count yet
            sent = Order.objects.for_tenant(self.tenant_id).filter(
                signal_id=signal_id, strategy_id=strategy_id, is_entry=True, sent_at__isnull=False
            )
            tally = FanoutTally(
                tenant_id=self.tenant_id,
                signal_id=signal_id,
                strategy_id=strategy_id,
                followers=followers,
                entries_sent=sent.count() - number,  # these are marked already
            )
        tally.followers = max(tally.followers, followers)
        tally.entries_sent += number
        if tally.entries_sent > tally.followers:
            raise FanoutExceededError(fanout, tally.entries_sent, tally.followers)
        tally.save()

    def stop(self, exceeded: FanoutExceededError) -> None:
        """No further entry of this signal, and of its strategy until an operator says so."""
        if exceeded.fanout in self._stopped:
            return
        logger.error("%s", exceeded)
        params = {"orders": str(exceeded.orders), "followers": str(exceeded.followers)}
        self._stopped[exceeded.fanout] = Reason(ReasonCode.FANOUT_EXCEEDED, params)
        breaker_open(
            level=Breaker.Level.STRATEGY,
            subject_id=exceeded.fanout[1],
            tenant_id=self.tenant_id,
            cause=Breaker.Cause.FANOUT,
            params={"signal": exceeded.fanout[0], **params},
        )


def _had_to_be_cut(order: OutgoingOrder) -> bool:
    instrument = instrument_in_memory(order.venue, order.symbol)
    if instrument is None:
        return False
    is_limit = order.order_type != "market"
    price = order.price or known_price(order.venue, order.symbol)
    largest = largest_order(instrument, price, is_limit=is_limit)
    return largest is not None and order.quantity * 2 + instrument.lot >= largest


def _is_first(order: OutgoingOrder) -> bool:
    """Of all the orders that one entry may become."""
    return order.attempt == 1 and order.send_at is None


def _fanout_of(order: OutgoingOrder) -> _Fanout:
    return order.signal_id, order.strategy_id
