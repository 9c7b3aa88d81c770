"""What venues answer, counted by venue and strategy, and the breakers that it opens or closes.

A sender counts in memory and writes at most four times a second and when it is done, so that a
fan-out costs one more INSERT for each shard. Only refusals, and breakers that wait for better
answers, cost a look at what all senders counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q, Sum
from django.utils import timezone

from trading.domain.breaker import (
    NOTHING,
    PROBE_ANSWERS,
    Answers,
    BreakerRule,
    besides_the_worst,
    evidence,
)
from trading.models import AnswerCount, Breaker
from trading.services.breaker.switching import breaker_close, breaker_open
from trading.services.control_state import is_watched
from trading.services.outgoing import OutgoingOrder
from venues.domain.types import Placement

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.25
KEPT = timedelta(minutes=10)

_Key = tuple[str, str]
"""Venue and strategy."""


class AnswerTally:
    """One sender's count of what its venues answered."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self._counted: dict[_Key, Answers] = {}
        self._words: dict[_Key, tuple[str, str]] = {}
        self._reported_at = time.monotonic()

    def note(self, answers: Iterable[tuple[OutgoingOrder, Placement]]) -> None:
        for order, placement in answers:
            said = evidence(placement)
            if said is NOTHING:
                continue
            key = order.venue, order.strategy_id
            self._counted[key] = self._counted.get(key, NOTHING) + said
            if said.refused:
                self._words[key] = placement.code, placement.message
        if time.monotonic() - self._reported_at > REPORT_SECONDS:
            self.report()

    def report(self) -> None:
        """Write what was counted since the last time, and judge it. Raises nothing of its own:
        a count that cannot be written is kept for the next report."""
        self._reported_at = time.monotonic()
        counted = {key: item for key, item in self._counted.items() if item is not NOTHING}
        if not counted:
            return
        try:
            _store(counted)
            self._counted = {}
            for venue in {key[0] for key in counted}:
                self._judge(venue, {key[1]: counted[key] for key in counted if key[0] == venue})
        except DatabaseError as error:
            logger.error("the answers of venues could not be counted: %s", error)

    def _judge(self, venue: str, fresh: Mapping[str, Answers]) -> None:
        refused = any(item.refused for item in fresh.values())
        if refused or any(is_watched(venue=venue, strategy_id=pk) for pk in fresh):
            words = {pk: self._words.get((venue, pk), ("", "")) for pk in fresh}
            venue_judge(venue=venue, tenant_id=self.tenant_id, strategy_ids=set(fresh), words=words)


def venue_judge(
    *, venue: str, tenant_id: str, strategy_ids: set[str], words: Mapping[str, tuple[str, str]]
) -> None:
    """Open or close the breakers of this tenant's strategies and of their venue.

    `words`: the venue's last code and message for each strategy, if it refused.
    """
    rule: BreakerRule = settings.BREAKER_RULE
    known = {
        (row.level, row.subject_id): row
        for row in Breaker.objects.filter(
            Q(level=Breaker.Level.STRATEGY, subject_id__in=strategy_ids)
            | Q(level=Breaker.Level.VENUE, subject_id=venue)
        )
    }
    window = timezone.now() - rule.window
    counts = {window: _counts_since(venue, window)}

    def counted_for(breaker: Breaker | None) -> dict[str, Answers]:
        since = window
        if breaker is not None and breaker.counts_from is not None:
            since = max(window, breaker.counts_from)
        if since not in counts:
            counts[since] = _counts_since(venue, since)
        return counts[since]

    for pk in sorted(strategy_ids - {""}):
        breaker = known.get((Breaker.Level.STRATEGY, pk))
        answers = counted_for(breaker).get(pk, NOTHING)
        if _trips(answers, breaker):
            _open(Breaker.Level.STRATEGY, pk, tenant_id, answers, words.get(pk, ("", "")))
        elif breaker is not None and breaker.is_open and answers.answers >= rule.min_answers:
            breaker_close(level=Breaker.Level.STRATEGY, subject_id=pk)
    breaker = known.get((Breaker.Level.VENUE, venue))
    by_strategy = counted_for(breaker)
    answers = besides_the_worst(by_strategy)
    if _trips(answers, breaker):
        said = next((found for found in words.values() if found[0]), ("", ""))
        _open(Breaker.Level.VENUE, venue, None, answers, said)
    elif (
        breaker is not None
        and breaker.is_open
        and sum(by_strategy.values(), NOTHING).answers >= rule.min_answers
    ):
        breaker_close(level=Breaker.Level.VENUE, subject_id=venue)


def _trips(answers: Answers, breaker: Breaker | None) -> bool:
    rule: BreakerRule = settings.BREAKER_RULE
    if breaker is None or not breaker.is_open:
        return answers.trips(rule)
    # It is trying again: fewer are enough, for each refusal is an entry that somebody misses.
    return answers.trips(rule, least=min(PROBE_ANSWERS, rule.min_answers))


def _open(
    level: str, subject_id: str, tenant_id: str | None, answers: Answers, words: tuple[str, str]
) -> None:
    rule: BreakerRule = settings.BREAKER_RULE
    params = {
        "answers": str(answers.answers),
        "refused": str(answers.refused),
        "seconds": f"{rule.window.total_seconds():.0f}",
        "code": words[0],
        "message": words[1],
    }
    breaker_open(
        level=level,
        subject_id=subject_id,
        tenant_id=tenant_id,
        cause=Breaker.Cause.REJECT_RATE,
        params=params,
    )


def _store(counted: Mapping[_Key, Answers]) -> None:
    now = timezone.now()
    AnswerCount.objects.bulk_create(
        AnswerCount(
            venue=venue,
            strategy_id=strategy_id,
            answers=item.answers,
            refused=item.refused,
            at=now,
        )
        for (venue, strategy_id), item in counted.items()
    )


def _counts_since(venue: str, since: datetime) -> dict[str, Answers]:
    rows = (
        AnswerCount.objects.filter(venue=venue, at__gte=since)
        .values_list("strategy_id")
        .annotate(answers=Sum("answers"), refused=Sum("refused"))
    )
    return {pk: Answers(answers, refused) for pk, answers, refused in rows}


def answer_counts_purge() -> int:
    """Delete what no breaker looks back to."""
    window: timedelta = settings.BREAKER_RULE.window
    old = AnswerCount.objects.filter(at__lt=timezone.now() - max(KEPT, window * 2))
    return old.delete()[0]
