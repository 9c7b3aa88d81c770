from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import TenantModel, VenueKey
from signals_app.models.signals import Signal
from signals_app.models.sources import SignalSource


class PositionSide(models.TextChoices):
    NET = "net", _("one-way (net)")
    LONG = "long", _("long")
    SHORT = "short", _("short")


class Leader(TenantModel):
    """The account that a source of kind leader or lead trader speaks for, and what is known of it.

    `started_at`: its positions were taken over; what it held before is not followed. `cursor_ms`:
    its trades are known up to this time of the venue's, and `settled_ms`: up to this time they are
    in its positions although they may not be known one by one.
    """

    class Follow(models.TextChoices):
        FILLED = "filled", _("when they are filled")
        WORKING = "working", _("as working orders")

    class AfterFill(models.TextChoices):
        """What becomes of a follower's resting order once the leader's was filled."""

        CHASE = "chase", _("cancelled and followed at the market")
        LEAVE = "leave", _("left resting")
        CANCEL = "cancel", _("cancelled")

    class Health(models.TextChoices):
        UNKNOWN = "unknown", _("not checked yet")
        HEALTHY = "healthy", _("healthy")
        UNHEALTHY = "unhealthy", _("unhealthy")

    source = models.OneToOneField(
        SignalSource, on_delete=models.PROTECT, related_name="leader", verbose_name=_("source")
    )
    lead_trader_code = models.CharField(
        _("lead trader's code"),
        max_length=64,
        blank=True,
        help_text=_("Of a public lead trader, as in the address of its page at the venue."),
    )
    window_ms = models.PositiveIntegerField(
        _("window (ms)"),
        default=100,
        validators=[MaxValueValidator(5_000)],
        help_text=_("Fills that come within it make one signal; nothing waits longer."),
    )
    follow_orders = models.CharField(
        _("limit orders are followed"),
        max_length=8,
        choices=Follow.choices,
        default=Follow.FILLED,
    )
    after_fill = models.CharField(
        _("rest of a follower's order"),
        max_length=8,
        choices=AfterFill.choices,
        default=AfterFill.CHASE,
        help_text=_("Of working orders: what becomes of it once the leader's order was filled."),
    )
    chase_slippage_bps = AmountField(
        _("most slippage of the rest (basis points)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_(
            "Followed at the market, but no worse than the leader's limit by more than this. "
            "Empty: at any price."
        ),
    )
    symbols = models.JSONField(
        _("symbols"), default=list, blank=True, help_text=_("Empty: all that the leader trades.")
    )
    max_slippage_bps = AmountField(
        _("most slippage when catching up (basis points)"),
        default=50,
        validators=[MinValueValidator(0)],
        help_text=_("A missed entry is not followed once the market is worse by more than this."),
    )
    poll_seconds = models.PositiveIntegerField(
        _("read every (s)"),
        default=5,
        validators=[MinValueValidator(1)],
        help_text=_("While there is no stream; of a public lead trader always."),
    )

    venue_uid = models.CharField(_("venue user id"), max_length=64, blank=True)
    position_mode = models.CharField(_("position mode"), max_length=12, blank=True)
    health = models.CharField(
        _("health"), max_length=12, choices=Health.choices, default=Health.UNKNOWN
    )
    health_code = models.CharField(_("health reason"), max_length=48, blank=True)
    health_params = models.JSONField(_("health numbers"), default=dict, blank=True)
    started_at = models.DateTimeField(_("followed since"), null=True, blank=True)
    cursor_ms = models.BigIntegerField(_("trades known until (ms)"), default=0)
    settled_ms = models.BigIntegerField(_("positions known until (ms)"), default=-1)
    equities = models.JSONField(_("equity by currency"), default=dict, blank=True)
    transfers_until = models.CharField(max_length=64, blank=True, editable=False)
    reconciled_at = models.DateTimeField(_("compared with the venue at"), null=True, blank=True)
    tried_at = models.DateTimeField(_("last tried at"), null=True, blank=True)
    checked_at = models.DateTimeField(_("key checked at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("leader")
        verbose_name_plural = _("leaders")
        indexes = [models.Index(fields=["tried_at"], name="leader_read_due")]

    def __str__(self) -> str:
        return str(self.source)


class LeaderCredential(VenueKey):
    """A leader's key. It needs to read only: one that can trade is taken with a warning, one that
    can move money out is refused."""

    leader = models.ForeignKey(
        Leader, on_delete=models.CASCADE, related_name="+", verbose_name=_("leader")
    )

    class Meta:
        verbose_name = _("leader's key")
        verbose_name_plural = _("leaders' keys")
        constraints = [
            models.UniqueConstraint(fields=["leader", "status"], name="leader_key_once"),
        ]
        indexes = [models.Index(fields=["api_key_fingerprint"], name="leader_key_fingerprint")]

    def __str__(self) -> str:
        return f"{self.leader_id}"


class LeaderPosition(TenantModel):
    """What a leader holds in one symbol on one side, kept from its trades and compared with the
    venue. Signed; closed ones stay, with quantity 0."""

    leader = models.ForeignKey(
        Leader, on_delete=models.CASCADE, related_name="positions", verbose_name=_("leader")
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    position_side = models.CharField(
        _("position side"), max_length=5, choices=PositionSide.choices, default=PositionSide.NET
    )
    quantity = AmountField(_("quantity"), default=0)
    average_price = AmountField(_("average price"), null=True, blank=True)
    leverage = AmountField(_("leverage"), null=True, blank=True)
    margin_mode = models.CharField(_("margin mode"), max_length=8, blank=True)
    margin = AmountField(_("margin"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("leader's position")
        verbose_name_plural = _("leaders' positions")
        constraints = [
            models.UniqueConstraint(
                fields=["leader", "symbol", "position_side"], name="leader_position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.position_side}"


class LeaderTrade(TenantModel):
    """One execution of a leader's, counted once. `outcome` empty: it is in `signal`, or cancelled
    out with others of its moment."""

    class Outcome(models.TextChoices):
        NONE = "", _("followed")
        BEFORE_START = "before_start", _("before the leader was followed")
        SYMBOL = "symbol_not_followed", _("symbol not followed")
        SPOT = "spot_not_followed", _("spot is not followed")
        WORKING = "working_order", _("followed as a working order")
        REFUSED = "refused", _("the source took no signal")

    leader = models.ForeignKey(
        Leader, on_delete=models.CASCADE, related_name="trades", verbose_name=_("leader")
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    trade_id = models.CharField(_("trade id"), max_length=64)
    venue_order_id = models.CharField(_("order id at the venue"), max_length=64)
    side = models.CharField(_("side"), max_length=4)
    position_side = models.CharField(
        _("position side"), max_length=5, choices=PositionSide.choices, default=PositionSide.NET
    )
    quantity = AmountField(_("quantity"))
    price = AmountField(_("price"))
    filled_at = models.DateTimeField(_("filled at"))
    outcome = models.CharField(
        _("outcome"), max_length=24, choices=Outcome.choices, default=Outcome.NONE, blank=True
    )
    signal = models.ForeignKey(
        Signal,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="leader_trades",
        verbose_name=_("signal"),
    )
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        verbose_name = _("leader's trade")
        verbose_name_plural = _("leaders' trades")
        constraints = [
            models.UniqueConstraint(
                fields=["leader", "symbol", "trade_id"], name="leader_trade_once"
            ),
        ]
        indexes = [models.Index(fields=["leader", "filled_at"], name="leader_trade_recent")]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol}"


class LeaderOrder(TenantModel):
    """A resting order of a leader's as followers were told of it last.

    Without `signal` it is not followed while it rests, but when it is filled. `exposure_before`:
    signed, when it was placed.
    """

    leader = models.ForeignKey(
        Leader, on_delete=models.CASCADE, related_name="orders", verbose_name=_("leader")
    )
    venue_order_id = models.CharField(_("order id at the venue"), max_length=64)
    symbol = models.CharField(_("symbol"), max_length=48)
    side = models.CharField(_("side"), max_length=4)
    price = AmountField(_("price"))
    quantity = AmountField(_("quantity"))
    exposure_before = AmountField(_("position before"))
    signal = models.ForeignKey(
        Signal,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="leader_orders",
        verbose_name=_("signal"),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("leader's order")
        verbose_name_plural = _("leaders' orders")
        constraints = [
            models.UniqueConstraint(fields=["leader", "venue_order_id"], name="leader_order_once"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol}"


class LeaderStop(TenantModel):
    """A stop loss or take profit that a leader has set, as the venue shows it."""

    leader = models.ForeignKey(
        Leader, on_delete=models.CASCADE, related_name="stops", verbose_name=_("leader")
    )
    venue_stop_id = models.CharField(_("id at the venue"), max_length=64)
    symbol = models.CharField(_("symbol"), max_length=48)
    position_side = models.CharField(
        _("position side"), max_length=5, choices=PositionSide.choices, default=PositionSide.NET
    )
    stop_loss = AmountField(_("stop loss"), null=True, blank=True)
    take_profit = AmountField(_("take profit"), null=True, blank=True)
    quantity = AmountField(_("quantity"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("leader's stop")
        verbose_name_plural = _("leaders' stops")
        constraints = [
            models.UniqueConstraint(fields=["leader", "venue_stop_id"], name="leader_stop_once"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.venue_stop_id}"
