"""A source that sends too much of what cannot be used is paused, until staff resume it.

Only what its own sender sent counts: a stranger who knows the address cannot have it paused.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from signals_app.domain.errors import FormatCode
from signals_app.domain.parsers.problems import ProblemCode
from signals_app.models import RawDelivery, SignalSource, WebhookRejection
from signals_app.services.sources import source_pause

TOO_MANY_PROBLEMS = "too_many_problems"
_REFUSALS = [
    *FormatCode,
    "unknown_symbol",
    "rate_limited",
    "price_off_market",
    "wrong_side_of_market",
    "duplicate_id_different_body",
]
"""Of deliveries whose sender was authentic."""
_NOT_THE_SENDERS = [
    "source_paused",
    "tenant_suspended",
    ProblemCode.MARKETS_UNAVAILABLE,
    ProblemCode.FORMAT_UNUSABLE,
    ProblemCode.VENUE_UNKNOWN,
    ProblemCode.NOT_READ,
]


def source_check_problems(source: SignalSource) -> bool:
    """After a refused or quarantined delivery, in the tenant's scope: pause the source when it is
    one too many. True when this call paused it."""
    limit = source.problems_to_pause
    if not limit or source.status != SignalSource.Status.ACTIVE:
        return False
    since = timezone.now() - timedelta(minutes=source.problem_minutes)
    if source.resumed_at is not None:
        since = max(since, source.resumed_at)
    quarantined = RawDelivery.objects.for_tenant(source.tenant_id).filter(
        source_id=source.pk, state=RawDelivery.State.QUARANTINED, parsed_at__gte=since
    )
    refused = WebhookRejection.objects.filter(
        source_reference=source.pk, code__in=_REFUSALS, received_at__gte=since
    )
    problems = quarantined.exclude(reason_code__in=_NOT_THE_SENDERS).count() + refused.count()
    if problems < limit:
        return False
    params = {"problems": str(problems), "minutes": str(source.problem_minutes)}
    return source_pause(source=source, reason="", actor=None, code=TOO_MANY_PROBLEMS, params=params)
