from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import TenantModel
from signals_app.models.sources import SignalSource


class Signal(TenantModel):
    """One instruction in canonical form, stored once per source and external id.

    It changes what followers should hold; it is never an order by itself (DESIGN, "Target and
    delta"). The canonical JSON is described in docs/signals.md.
    """

    class Action(models.TextChoices):
        OPEN = "open", _("open")
        INCREASE = "increase", _("increase")
        REDUCE = "reduce", _("reduce")
        CLOSE = "close", _("close")
        FLIP = "flip", _("flip")
        SET_TARGET = "set_target", _("set target")
        CANCEL = "cancel", _("order cancelled")
        LEVERAGE = "leverage", _("leverage changed")
        MARGIN = "margin", _("margin changed")
        STOPS = "stops", _("stops changed")
        TRANSFER = "transfer", _("transfer")

    class Side(models.TextChoices):
        LONG = "long", _("long")
        SHORT = "short", _("short")

    class OrderType(models.TextChoices):
        MARKET = "market", _("market")
        LIMIT = "limit", _("limit")

    class SizeBasis(models.TextChoices):
        BASE = "base", _("coins")
        CONTRACTS = "contracts", _("contracts")
        QUOTE = "quote", _("quote currency")
        EQUITY_FRACTION = "equity_fraction", _("fraction of the leader's equity")
        POSITION_FRACTION = "position_fraction", _("fraction of the position")

    class MarginMode(models.TextChoices):
        CROSS = "cross", _("cross")
        ISOLATED = "isolated", _("isolated")

    class Status(models.TextChoices):
        RECEIVED = "received", _("received")
        PLANNING = "planning", _("planning")
        DISPATCHED = "dispatched", _("sent out")
        DONE = "done", _("done")

    source = models.ForeignKey(
        SignalSource,
        on_delete=models.PROTECT,
        related_name="signals",
        verbose_name=_("source"),
        db_index=False,  # `signal_sequence` begins with it
    )
    external_id = models.CharField(_("external id"), max_length=128)
    external_id_hash = models.CharField(
        max_length=64, editable=False, verbose_name=_("fingerprint of the external id")
    )
    body_hash = models.CharField(
        max_length=64, editable=False, blank=True, verbose_name=_("fingerprint of the body")
    )
    action = models.CharField(_("action"), max_length=12, choices=Action.choices)
    symbol = models.CharField(_("symbol"), max_length=48, blank=True)
    side = models.CharField(_("side"), max_length=8, choices=Side.choices, blank=True)
    order_type = models.CharField(
        _("order type"), max_length=8, choices=OrderType.choices, default=OrderType.MARKET
    )
    price = AmountField(_("price"), null=True, blank=True)
    worst_price = AmountField(
        _("worst price"),
        null=True,
        blank=True,
        help_text=_("Followers enter at once and no worse than this, or not at all."),
    )
    size = AmountField(_("size"), null=True, blank=True)
    size_basis = models.CharField(
        _("size basis"), max_length=20, choices=SizeBasis.choices, blank=True
    )
    leader_equity = AmountField(_("leader's equity"), null=True, blank=True)
    leverage = AmountField(_("leverage"), null=True, blank=True)
    stop_loss = AmountField(_("stop loss"), null=True, blank=True)
    take_profit = AmountField(_("take profit"), null=True, blank=True)
    entry_low = AmountField(_("entry from"), null=True, blank=True)
    entry_high = AmountField(_("entry up to"), null=True, blank=True)
    targets = models.JSONField(_("targets"), default=list, blank=True)
    sequence = models.PositiveBigIntegerField(_("sequence number"), null=True, blank=True)
    margin_mode = models.CharField(
        _("margin mode"), max_length=8, choices=MarginMode.choices, blank=True
    )
    leader_position_before = AmountField(_("leader's position before"), null=True, blank=True)
    leader_position_after = AmountField(_("leader's position after"), null=True, blank=True)
    amends = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="amended_by",
        verbose_name=_("amends"),
        help_text=_("The signal whose resting orders this one replaces or cancels."),
    )
    skip_code = models.CharField(
        _("not followed"),
        max_length=48,
        blank=True,
        help_text=_("Why nobody follows it: it is only shown."),
    )
    skip_params = models.JSONField(_("its numbers"), default=dict, blank=True)
    addressed_to = models.CharField(
        max_length=26,
        blank=True,
        editable=False,
        help_text="The one copy that it is for; empty: all that follow the source.",
        verbose_name=_("for one copy only"),
    )
    emitted_at = models.DateTimeField(_("emitted at"))
    received_at = models.DateTimeField(_("received at"))
    expires_at = models.DateTimeField(_("expires at"))
    raw_payload = models.TextField(_("raw payload"), blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.RECEIVED
    )
    claimed_until = models.DateTimeField(null=True, blank=True, verbose_name=_("claimed until"))
    followers = models.PositiveIntegerField(_("followers"), default=0)
    planned_at = models.DateTimeField(_("planned at"), null=True, blank=True)
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id_hash"], name="signal_once"),
        ]
        indexes = [
            models.Index(fields=["status", "received_at"], name="signal_due"),
            models.Index(fields=["tenant", "received_at"], name="signal_recent"),
            models.Index(fields=["source", "symbol", "emitted_at"], name="signal_sequence"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.symbol} · {self.id[-8:]}"

    @property
    def is_chase(self) -> bool:
        """The leader's resting order was filled: what followers lack of it is entered at once."""
        return (
            self.amends_id is not None
            and self.action != self.Action.CANCEL
            and self.order_type == self.OrderType.MARKET
        )
