"""One summary per fan-out and channel: how many followers were filled, and why others were not."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.tenancy import tenant_scope
from notifications.models import Delivery, NotificationChannel
from notifications.services.deliveries import Message, deliveries_create
from signals_app.models import Signal
from trading.models import Intent
from trading.reason_texts import reason_text
from trading.selectors.coverage import Coverage, signal_coverage

REASONS_SHOWN = 12
LOOKED_BACK = timedelta(hours=2)


def fanout_dedupe_key(signal_id: str) -> str:
    return f"fanout:{signal_id}"


def fanout_summarise(*, signal_id: str, tenant_id: str) -> int:
    """Make the deliveries of a settled signal, once; how many are new."""
    with tenant_scope(tenant_id):
        channels = list(NotificationChannel.objects.for_tenant(tenant_id).filter(is_active=True))
        if not channels:
            return 0
        signal = Signal.objects.for_tenant(tenant_id).select_related("source").get(pk=signal_id)
        coverage = signal_coverage(signal)
        texts = {
            language: fanout_message(signal, coverage, language=language)
            for language in {channel.language for channel in channels}
        }
        return deliveries_create(
            channels=[(channel, texts[channel.language]) for channel in channels],
            dedupe_key=fanout_dedupe_key(signal_id),
        )


def settled_without_summary() -> list[tuple[str, str]]:
    """(signal, tenant) whose wake-up was lost. Needs the system scope.

    Only signals that settled when the channel was there already: a new channel does not get the
    past.
    """
    since = timezone.now() - LOOKED_BACK
    found: set[tuple[str, str]] = set()
    for channel in NotificationChannel.objects.filter(is_active=True):
        told = Delivery.objects.filter(channel=channel, dedupe_key__startswith="fanout:")
        signals = (
            Signal.objects.for_tenant(channel.tenant_id)
            .filter(status=Signal.Status.DONE, received_at__gte=since)
            .filter(done_at__gte=channel.created_at)
        )
        keys = dict(signals.values_list("pk", "tenant_id"))
        known = set(
            told.filter(dedupe_key__in=[fanout_dedupe_key(pk) for pk in keys]).values_list(
                "dedupe_key", flat=True
            )
        )
        found |= {
            (pk, tenant_id) for pk, tenant_id in keys.items() if fanout_dedupe_key(pk) not in known
        }
    return sorted(found)


def fanout_message(signal: Signal, coverage: Coverage, *, language: str) -> Message:
    with translation.override(language):
        subject = _("Signal %(signal)s: %(counts)s") % {
            "signal": f"{signal.get_action_display()} {signal.symbol} {signal.pk[-8:]}",
            "counts": ", ".join(_counts(coverage)) or _("nobody follows it"),
        }
        lines = [
            subject,
            "",
            *_reasons(signal),
            "",
            _("Source: %(source)s. Received: %(time)s UTC.")
            % {"source": signal.source.name, "time": f"{signal.received_at:%Y-%m-%d %H:%M:%S}"},
        ]
    return Message(subject=subject, body="\n".join(lines).replace("\n\n\n", "\n\n"))


def _counts(coverage: Coverage) -> list[str]:
    missing = max(coverage.followers - coverage.planned, 0)
    pairs = [
        (coverage.filled, _("%(count)d filled")),
        (coverage.partial, _("%(count)d partly filled")),
        (coverage.working, _("%(count)d still working")),
        (coverage.unknown, _("%(count)d unknown")),
        (coverage.skipped, _("%(count)d skipped")),
        (coverage.rejected, _("%(count)d rejected")),
        (coverage.not_placed, _("%(count)d not placed")),
        (coverage.cancelled, _("%(count)d cancelled")),
        (coverage.expired, _("%(count)d expired")),
        (missing, _("%(count)d not planned")),
    ]
    return [text % {"count": count} for count, text in pairs if count]


def _reasons(signal: Signal) -> list[str]:
    """By reason, the most frequent first. Where the numbers differ, the first one's are shown."""
    rows = (
        Intent.objects.for_tenant(signal.tenant_id)
        .filter(signal=signal, leg=0)
        .exclude(reason_code="")
        .order_by("id")
        .values_list("reason_code", "reason_params")
    )
    texts: dict[str, list[str]] = defaultdict(list)
    for code, params in rows:
        texts[code].append(reason_text(code, params))
    groups = sorted(texts.values(), key=len, reverse=True)
    lines = []
    for group in groups[:REASONS_SHOWN]:
        if len(set(group)) == 1:
            lines.append(_("%(count)d × %(reason)s") % {"count": len(group), "reason": group[0]})
        else:
            lines.append(
                _("%(count)d × such as: %(reason)s") % {"count": len(group), "reason": group[0]}
            )
    rest = len(groups) - REASONS_SHOWN
    if rest > 0:
        lines.append(
            ngettext("… and %(count)d other reason", "… and %(count)d other reasons", rest)
            % {"count": rest}
        )
    return lines
