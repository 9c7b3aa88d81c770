from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel, tenant_key
from trading.models.intents import Intent


class Order(TenantModel):
    """One order on one exchange account. Its id is its client order id.

    Written before it is sent. `state` changes only through OrderEvents, by the table in
    trading.domain.order_states.
    """

    class State(models.TextChoices):
        READY = "ready", _("ready to send")
        CLAIMED = "claimed", _("claimed by a sender")
        SENDING = "sending", _("being sent")
        UNKNOWN = "unknown", _("outcome unknown")
        ACCEPTED = "accepted", _("working")
        PARTIALLY_FILLED = "partially_filled", _("partly filled")
        FILLED = "filled", _("filled")
        CANCELLED = "cancelled", _("cancelled")
        REJECTED = "rejected", _("rejected")
        NOT_PLACED = "not_placed", _("not placed")
        EXPIRED = "expired", _("expired before sending")

    class WithdrawnBy(models.TextChoices):
        CLIENT = "client", _("the client")
        OPERATOR = "operator", _("an operator")
        PARTNER = "partner", _("the partner")
        PAUSE = "pause", _("a pause")

    customer_path = "account__customer_id"

    tenant = tenant_key(db_index=False)  # `order_recent` begins with it
    intent = models.ForeignKey(
        Intent, on_delete=models.PROTECT, related_name="orders", verbose_name=_("intent")
    )
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.PROTECT,
        related_name="orders",
        db_index=False,  # `order_working` begins with it
        verbose_name=_("account"),
    )
    signal_id = models.CharField(max_length=26, blank=True, db_index=True)
    subscription_id = models.CharField(max_length=26, blank=True)
    strategy_id = models.CharField(max_length=26, blank=True)
    customer_id = models.CharField(max_length=26)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    wave = models.PositiveSmallIntegerField(
        _("wave"), default=0, help_text="A later wave is sent after the earlier one is settled."
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    side = models.CharField(_("side"), max_length=4)
    position_side = models.CharField(_("position side"), max_length=8, default="net")
    is_entry = models.BooleanField(_("entry"), default=True)
    reduce_only = models.BooleanField(_("reduce only"), default=False)
    wants_stops = models.BooleanField(
        _("with stops"), default=False, help_text=_("What it fills is to be guarded.")
    )
    placed_by_venue = models.BooleanField(
        _("placed by the exchange"),
        default=False,
        help_text=_("Our stop order became it: it is looked up by the exchange's id."),
    )
    order_type = models.CharField(_("order type"), max_length=12)
    quantity = AmountField(_("quantity"))
    price = AmountField(_("price"), null=True, blank=True)
    rests_until = models.DateTimeField(
        _("rests until"), null=True, blank=True, help_text=_("What did not fill is cancelled then.")
    )
    chase_price = AmountField(
        _("then at once, up to"),
        null=True,
        blank=True,
        help_text=_("What did not fill is entered then, no worse than this."),
    )
    leverage = AmountField(_("leverage"), null=True, blank=True)
    margin_mode = models.CharField(_("margin mode"), max_length=12, default="cross")
    state = models.CharField(_("state"), max_length=18, choices=State.choices, default=State.READY)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("reason numbers"), default=dict, blank=True)
    venue_order_id = models.CharField(_("venue order id"), max_length=64, blank=True)
    filled_quantity = AmountField(_("filled"), default=0)
    average_price = AmountField(_("average price"), null=True, blank=True)
    claimed_by = models.CharField(max_length=80, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(
        _("deadline"), null=True, blank=True, help_text=_("The venue discards it after this.")
    )
    expires_at = models.DateTimeField(
        _("expires at"), null=True, blank=True, help_text=_("An entry is not sent after this.")
    )
    send_at = models.DateTimeField(
        _("not sent before"), null=True, blank=True, help_text=_("Of a later slice of an entry.")
    )
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    seen_at = models.DateTimeField(
        _("last seen at"), null=True, blank=True, help_text=_("A look-up found it at the venue.")
    )
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(
        _("cancel requested at"),
        null=True,
        blank=True,
        help_text=_("Asked for until the venue proves it."),
    )
    withdrawn_for = models.CharField(
        max_length=26,
        blank=True,
        help_text="The signal that replaces it, if that is why it is to be cancelled.",
    )
    withdrawn_by = models.CharField(
        _("withdrawn by"),
        max_length=12,
        blank=True,
        choices=WithdrawnBy.choices,
        help_text=_("Asked to be cancelled, or changed; what it fills until then stays."),
    )
    amended_price = AmountField(
        _("changed to the price"), null=True, blank=True, help_text=_("Of its next order.")
    )
    amended_quantity = AmountField(
        _("changed to the size"),
        null=True,
        blank=True,
        help_text=_("Of the whole entry, with what is filled of it."),
    )
    check_at = models.DateTimeField(
        _("next look-up"), null=True, blank=True, help_text="Null: nothing to look up."
    )
    checks = models.PositiveIntegerField(_("look-ups"), default=0)
    misses = models.PositiveIntegerField(_("look-ups that proved absence"), default=0)
    watch_until = models.DateTimeField(_("watched until"), null=True, blank=True)
    version = models.PositiveIntegerField(default=0, help_text="Compare-and-set counter.")
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = [
            models.Index(fields=["state", "claimed_until"], name="order_unclaimed"),
            models.Index(fields=["check_at"], name="order_check_due"),
            models.Index(fields=["account", "symbol", "state"], name="order_working"),
            models.Index(fields=["subscription_id", "symbol", "state"], name="order_sub_working"),
            models.Index(fields=["tenant", "created_at"], name="order_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol} · {self.id[-8:]}"


class OrderEvent(TenantModel):
    """One thing that happened to an order.

    What nearly every order does has no row of its own: its making, sending and first acceptance
    are times of the order's (`trading/selectors/order_events.py` puts them together).
    """

    customer_path = "order__account__customer_id"

    tenant = tenant_key(db_index=False, db_constraint=False)  # it is read by order
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="events", verbose_name=_("order")
    )
    kind = models.CharField(_("kind"), max_length=24)
    from_state = models.CharField(_("from"), max_length=18)
    to_state = models.CharField(_("to"), max_length=18)
    details = models.JSONField(_("details"), default=dict, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.from_state} → {self.to_state}"


class Fill(TenantModel):
    """One execution, deduplicated by the venue's trade id."""

    class Attribution(models.TextChoices):
        """As trading.domain.reconciliation says."""

        COPY = "copy", _("a copy")
        OPERATOR = "operator", _("operator")
        MANUAL = "manual", _("the client, by hand")
        LIQUIDATION = "liquidation", _("liquidation")
        ADL = "adl", _("auto-deleveraging")
        BEFORE = "before", _("before the books were kept")

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="fills", verbose_name=_("account")
    )
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="fills",
        verbose_name=_("order"),
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    trade_id = models.CharField(_("trade id"), max_length=64)
    venue_order_id = models.CharField(_("venue order id"), max_length=64)
    side = models.CharField(_("side"), max_length=4)
    quantity = AmountField(_("quantity"))
    price = AmountField(_("price"))
    fee = AmountField(_("fee"), help_text=_("Positive is paid, negative received."))
    fee_currency = models.CharField(_("fee currency"), max_length=16)
    is_maker = models.BooleanField(_("maker"), default=False)
    position_side = models.CharField(_("position side"), max_length=8, default="net")
    attribution = models.CharField(
        _("whose"),
        max_length=12,
        blank=True,
        choices=Attribution.choices,
        help_text=_("Empty: not in the books yet."),
    )
    filled_at = models.DateTimeField(_("filled at"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("fill")
        verbose_name_plural = _("fills")
        constraints = [
            models.UniqueConstraint(fields=["account", "symbol", "trade_id"], name="fill_once"),
        ]
        indexes = [
            models.Index(fields=["tenant", "filled_at"], name="fill_recent"),
            models.Index(fields=["account", "attribution"], name="fill_unbooked"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol} @ {self.price}"
