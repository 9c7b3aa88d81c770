from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField, IdField
from customers.models import Customer, ExchangeAccount, TenantModel
from strategies.models import Subscription


class CopiedPosition(TenantModel):
    """The sub-ledger: what one subscription holds, and should hold, in one symbol.

    Signed quantities in the venue's unit: long positive, short negative. `target` may carry a
    residual below the lot.
    """

    customer_path = "customer_id"

    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        related_name="copied_positions",
        verbose_name=_("copy"),
    )
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.PROTECT,
        related_name="copied_positions",
        verbose_name=_("account"),
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", verbose_name=_("customer")
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    leader_symbol = models.CharField(
        _("leader's symbol"),
        max_length=48,
        blank=True,
        help_text=_("Whose signals it follows; empty: those of its own symbol."),
    )
    price_ratio = AmountField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of its price to that in the leader's symbol, when its last entry was planned.",
    )
    target = AmountField(_("target"), default=Decimal(0))
    filled = AmountField(_("held"), default=Decimal(0))
    average_entry_price = AmountField(_("average entry price"), null=True, blank=True)
    realised_pnl = AmountField(_("realised PnL"), default=Decimal(0))
    fees = AmountField(_("fees"), default=Decimal(0))
    leverage = AmountField(_("leverage"), null=True, blank=True)
    margin_mode = models.CharField(
        _("margin mode"),
        max_length=12,
        blank=True,
        help_text=_("Of the last entry; exits go in it, too. Empty: the account's."),
    )
    opened_at = models.DateTimeField(_("opened at"), null=True, blank=True)
    entered_quantity = AmountField(
        default=Decimal(0),
        help_text="Entry quantity of the current round trip, unsigned.",
        verbose_name=_("entered quantity"),
    )
    entered_value = AmountField(
        default=Decimal(0),
        help_text="Sum of entry quantity × price.",
        verbose_name=_("entered value"),
    )
    exited_quantity = AmountField(default=Decimal(0), verbose_name=_("exited quantity"))
    exited_value = AmountField(default=Decimal(0), verbose_name=_("exited value"))
    round_trip_pnl = AmountField(default=Decimal(0), verbose_name=_("PnL of the round trip"))
    round_trip_fees = AmountField(default=Decimal(0), verbose_name=_("fees of the round trip"))
    version = models.PositiveIntegerField(default=0, help_text="Compare-and-set counter.")
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("copied position")
        verbose_name_plural = _("copied positions")
        constraints = [
            models.UniqueConstraint(fields=["subscription", "symbol"], name="copied_once"),
        ]
        indexes = [models.Index(fields=["account", "symbol"], name="copied_account")]

    def __str__(self) -> str:
        return f"{self.filled} {self.symbol}"

    @property
    def followed_symbol(self) -> str:
        """The leader's."""
        return self.leader_symbol or self.symbol

    @property
    def exit_margin_mode(self) -> str:
        """An exit in another one finds nothing to close."""
        return self.margin_mode or self.account.margin_mode


class Trade(TenantModel):
    """A round trip of a copied position, from flat to flat."""

    customer_path = "customer_id"

    copied_position = models.ForeignKey(
        CopiedPosition,
        on_delete=models.PROTECT,
        related_name="trades",
        verbose_name=_("copied position"),
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="trades", verbose_name=_("copy")
    )
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="trades", verbose_name=_("account")
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", verbose_name=_("customer")
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    direction = models.CharField(_("direction"), max_length=8)
    quantity = AmountField(_("quantity"))
    entry_price = AmountField(_("entry price"))
    exit_price = AmountField(_("exit price"))
    realised_pnl = AmountField(_("realised PnL"), help_text=_("Before fees."))
    fees = AmountField(_("fees"))
    opened_at = models.DateTimeField(_("opened at"))
    closed_at = models.DateTimeField(_("closed at"))

    class Meta:
        verbose_name = _("trade")
        verbose_name_plural = _("trades")
        indexes = [models.Index(fields=["tenant", "closed_at"], name="trade_recent")]

    def __str__(self) -> str:
        return f"{self.direction} {self.symbol} {self.realised_pnl}"


class Position(TenantModel):
    """What the exchange says the account holds in one symbol and side. Signed quantity."""

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="positions",
        verbose_name=_("account"),
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    position_side = models.CharField(_("position side"), max_length=8, default="net")
    quantity = AmountField(_("quantity"))
    average_price = AmountField(_("average price"), null=True, blank=True)
    mark_price = AmountField(_("mark price"), null=True, blank=True)
    unrealised_pnl = AmountField(_("unrealised PnL"), null=True, blank=True)
    leverage = AmountField(_("leverage"), null=True, blank=True)
    margin_mode = models.CharField(_("margin mode"), max_length=12, blank=True)
    liquidation_price = AmountField(_("liquidation price"), null=True, blank=True)
    maintenance_margin = AmountField(_("maintenance margin"), null=True, blank=True)
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("exchange position")
        verbose_name_plural = _("exchange positions")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "position_side"], name="position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol}"


class Balance(TenantModel):
    """What the exchange says the account owns in one currency."""

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="balances",
        verbose_name=_("account"),
    )
    currency = models.CharField(_("currency"), max_length=16)
    equity = AmountField(_("equity"))
    available = AmountField(_("available"))
    equity_usd = AmountField(_("value in dollars"), null=True, blank=True)
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        constraints = [
            models.UniqueConstraint(fields=["account", "currency"], name="balance_once"),
        ]

    def __str__(self) -> str:
        return f"{self.equity} {self.currency}"


class TradedInstrument(models.Model):
    """An instrument as it was when somebody traded it last; it outlives its listing.

    Orders in what is not listed any more are still looked up, and their fills reckoned, by this.
    No tenant's: what a venue says of its market is the same for all.
    """

    id = IdField()
    venue = models.CharField(_("venue"), max_length=40)
    symbol = models.CharField(_("symbol"), max_length=48)
    facts = models.JSONField(_("facts"))
    noted_at = models.DateTimeField(_("noted at"))

    class Meta:
        verbose_name = _("traded instrument")
        verbose_name_plural = _("traded instruments")
        constraints = [
            models.UniqueConstraint(fields=["venue", "symbol"], name="traded_instrument_once"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} ({self.venue})"


class InstrumentSetting(TenantModel):
    """The leverage that the venue confirmed for an account, symbol and margin mode."""

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    margin_mode = models.CharField(_("margin mode"), max_length=12)
    leverage = AmountField(_("leverage"))
    confirmed_at = models.DateTimeField(_("confirmed at"))

    class Meta:
        verbose_name = _("instrument setting")
        verbose_name_plural = _("instrument settings")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "margin_mode"], name="instrument_setting_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.leverage}×"


class LeverageRefusal(TenantModel):
    """A leverage that the venue refused to set: it is not asked again until something changed that
    may have been the reason."""

    customer_path = "account__customer_id"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="+")
    symbol = models.CharField(_("symbol"), max_length=48)
    margin_mode = models.CharField(_("margin mode"), max_length=12)
    leverage = AmountField(_("leverage"))
    held = models.CharField(max_length=200, blank=True)
    """What the venue showed of the symbol on each side."""
    available = AmountField(null=True, blank=True)
    """Of the currency that it settles in, when it was refused."""
    in_the_way = models.PositiveIntegerField(null=True, blank=True)
    """Orders and stops in the symbol, the client's own as well, at the first reading after that."""
    code = models.CharField(_("code"), max_length=32)
    message = models.CharField(_("message"), max_length=200, blank=True)
    refused_at = models.DateTimeField(_("refused at"))

    class Meta:
        verbose_name = _("refused leverage")
        verbose_name_plural = _("refused leverages")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "margin_mode", "leverage"],
                name="leverage_refusal_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.leverage}×: {self.code}"
