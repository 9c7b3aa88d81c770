from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel
from strategies.models import Subscription
from trading.models.holdings import CopiedPosition


class PositionStops(TenantModel):
    """What guards one copied position: what was agreed, how far it came, whether all is in line."""

    customer_path = "copied_position__customer_id"

    copied_position = models.OneToOneField(
        CopiedPosition, on_delete=models.CASCADE, related_name="stops"
    )
    terms = models.JSONField(_("terms"), default=dict)
    """As trading.domain.stops.terms writes them."""
    opened_at = models.DateTimeField(null=True, blank=True)
    """Of the position that the terms are of: they do not outlive it."""
    done = models.JSONField(_("targets reached"), default=list, blank=True)
    target_reached = models.BooleanField(_("a target was reached"), default=False)
    best_price = AmountField(_("best price"), null=True, blank=True)
    is_watched = models.BooleanField(
        _("prices are watched"),
        default=False,
        help_text=_("Trailing, or the exchange cannot hold these stops."),
    )
    due_at = models.DateTimeField(null=True, blank=True)
    """When they are to be brought in line; empty while they are."""
    open_since = models.DateTimeField(_("not in line since"), null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("reason numbers"), default=dict, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("stops of a position")
        verbose_name_plural = _("stops of positions")
        indexes = [
            models.Index(fields=["due_at"], name="position_stops_due"),
            models.Index(fields=["open_since"], name="position_stops_open"),
            models.Index(fields=["is_watched"], name="position_stops_watched"),
        ]

    def __str__(self) -> str:
        return f"{self.copied_position_id[-8:]}"


class StopOrder(TenantModel):
    """One stop order at the exchange. Its id is its client id there.

    Written before it is sent. `state` changes only through StopEvents, by the table in
    trading.domain.stops.states. When it goes off it becomes an Order with the same id.
    """

    class State(models.TextChoices):
        SENDING = "sending", _("being sent")
        UNKNOWN = "unknown", _("outcome unknown")
        WAITING = "waiting", _("waiting")
        TRIGGERED = "triggered", _("gone off")
        CANCELLED = "cancelled", _("cancelled")
        REJECTED = "rejected", _("rejected")
        FAILED = "failed", _("failed when it went off")
        NOT_PLACED = "not_placed", _("not placed")

    customer_path = "account__customer_id"

    copied_position = models.ForeignKey(
        CopiedPosition,
        on_delete=models.PROTECT,
        related_name="stop_orders",
        verbose_name=_("copied position"),
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="stop_orders", verbose_name=_("copy")
    )
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.PROTECT,
        related_name="stop_orders",
        verbose_name=_("account"),
    )
    opened_at = models.DateTimeField(null=True, blank=True)
    """Of the position that it guards: when it is closed and opened again, that is another one."""
    symbol = models.CharField(_("symbol"), max_length=48)
    slot = models.PositiveSmallIntegerField(_("slot"))
    side = models.CharField(_("side"), max_length=4)
    position_side = models.CharField(_("position side"), max_length=8, default="net")
    margin_mode = models.CharField(_("margin mode"), max_length=12, default="cross")
    quantity = AmountField(_("quantity"))
    stop_loss = AmountField(_("stop loss"), null=True, blank=True)
    take_profit = AmountField(_("take profit"), null=True, blank=True)
    amending = models.JSONField(null=True, blank=True)
    """What it was asked to become, while that is not known to be so."""
    state = models.CharField(_("state"), max_length=12, choices=State.choices)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("reason numbers"), default=dict, blank=True)
    venue_stop_id = models.CharField(_("stop id at the venue"), max_length=64, blank=True)
    triggered_by = models.CharField(_("went off by"), max_length=2, blank=True)
    rest_closed = models.BooleanField(default=False)
    """What it left unfilled when it went off was seen to."""
    sent_at = models.DateTimeField(_("sent at"))
    deadline_at = models.DateTimeField(_("deadline"))
    """The venue takes it no more after this."""
    cancel_requested_at = models.DateTimeField(_("cancel requested at"), null=True, blank=True)
    seen_at = models.DateTimeField(_("last seen at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    check_at = models.DateTimeField(_("next look-up"), null=True, blank=True)
    checks = models.PositiveIntegerField(_("look-ups"), default=0)
    misses = models.PositiveIntegerField(_("look-ups that proved absence"), default=0)
    watch_until = models.DateTimeField(_("watched until"), null=True, blank=True)
    version = models.PositiveIntegerField(default=0, help_text="Compare-and-set counter.")
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("stop order")
        verbose_name_plural = _("stop orders")
        indexes = [
            models.Index(fields=["copied_position", "state"], name="stop_of_position"),
            models.Index(fields=["account", "symbol", "state"], name="stop_of_account"),
            models.Index(fields=["check_at"], name="stop_check_due"),
            models.Index(fields=["tenant", "created_at"], name="stop_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol} · {self.id[-8:]}"


class StopEvent(TenantModel):
    """One thing that happened to a stop order: the only way its state changes."""

    customer_path = "stop__account__customer_id"

    stop = models.ForeignKey(StopOrder, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(_("kind"), max_length=24)
    from_state = models.CharField(_("from"), max_length=12)
    to_state = models.CharField(_("to"), max_length=12)
    details = models.JSONField(_("details"), default=dict, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))

    class Meta:
        verbose_name = _("stop order's event")
        verbose_name_plural = _("stop orders' events")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.from_state} → {self.to_state}"
