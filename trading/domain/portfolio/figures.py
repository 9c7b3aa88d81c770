"""What an account is worth, holds and risks at the prices of now. Pure.

Amounts in dollars (the quote currency is taken for dollars), ratios and distances in percent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from trading.domain.equity import DOLLARS, EquityRecord
from trading.domain.portfolio.liquidation import (
    MAINTENANCE_RATE,
    distance_by_cushion,
    distance_to_price,
)
from venues.domain.types import Instrument, InstrumentKind

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
CENT = Decimal("0.01")
"""What is set against an equity takes this for the least: whoever holds something and has nothing
left is beyond every limit."""


@dataclass(frozen=True, slots=True)
class Coins:
    """What the account owns in one currency, open positions' results included, as the venue
    reported it."""

    currency: str
    equity: Decimal
    value: Decimal | None
    """In dollars; None when the venue did not say."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as the venue reported it; coins that copies bought are held, too.

    `quantity` is signed, in the venue's unit. `reported_pnl` and `maintenance` are in the settle
    currency and belong to `reported_price`; `price` is the present one.
    """

    instrument: Instrument
    quantity: Decimal
    average_price: Decimal | None
    price: Decimal | None
    reported_price: Decimal | None = None
    reported_pnl: Decimal | None = None
    margin_mode: str = "cross"
    leverage: Decimal | None = None
    liquidation_price: Decimal | None = None
    maintenance: Decimal | None = None

    @property
    def direction(self) -> int:
        return 1 if self.quantity > 0 else -1

    @property
    def is_margined(self) -> bool:
        return self.instrument.kind is not InstrumentKind.SPOT

    def rate(self, price: Decimal) -> Decimal:
        """Dollars of one unit of the settle currency."""
        return price if self.instrument.kind is InstrumentKind.INVERSE else ONE

    def pnl(self, price: Decimal) -> Decimal | None:
        """In the settle currency; None when what it was bought for is not known."""
        if self.average_price is None:
            return None
        return self.instrument.pnl(self.quantity, self.average_price, price)

    def notional(self, price: Decimal) -> Decimal:
        """In dollars, unsigned."""
        return self.instrument.notional(abs(self.quantity), price)

    def margin_used(self, price: Decimal) -> Decimal:
        """In dollars; all of it where no leverage is told, none for coins, which are paid."""
        if not self.is_margined:
            return ZERO
        leverage = self.leverage
        return self.notional(price) / (leverage if leverage and leverage > 0 else ONE)

    def maintenance_rate(self) -> Decimal:
        """Of notional; the venue's own where it told the margin and the price it goes by."""
        if not self.maintenance or self.maintenance < 0 or self.reported_price is None:
            return MAINTENANCE_RATE
        price = self.reported_price
        return self.maintenance * self.rate(price) / self.notional(price)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The liquidation that the least move brings about."""

    symbol: str
    direction: int
    distance_percent: Decimal
    """How far the price may move against it."""
    price: Decimal
    """Where that is."""


@dataclass(frozen=True, slots=True)
class Figures:
    """None: not known. `nearest` and `margin_ratio_percent` are None as well when there is nothing
    that could be liquidated; `is_complete` tells these apart.

    The margin ratio is equity ÷ maintenance margin, as the venue shows it: liquidation is at 100.
    """

    equity: Decimal | None
    earned_equity: Decimal | None
    """At least what it would be without withdrawals that nobody has counted yet: what acts on
    losses goes by this."""
    kept_equity: Decimal | None
    """At most what it would be without deposits that nobody has counted yet: by those nothing has
    recovered."""
    gross: Decimal
    net: Decimal
    unrealised: Decimal
    maintenance: Decimal
    margin_used: Decimal
    """What positions were opened with at the present price: notional ÷ leverage."""
    margin_ratio_percent: Decimal | None
    nearest: Nearest | None
    day_start: Decimal | None
    peak: Decimal | None
    is_complete: bool
    """Each price and balance that it takes was known."""

    def as_earned(self) -> Figures:
        if self.equity == self.earned_equity:
            return self
        return replace(self, equity=self.earned_equity)

    def as_kept(self) -> Figures:
        if self.equity == self.kept_equity:
            return self
        return replace(self, equity=self.kept_equity)

    @property
    def is_doubtful(self) -> bool:
        """Something came or went that is not told apart yet from a gain or a loss."""
        return self.earned_equity != self.kept_equity

    @property
    def distance_percent(self) -> Decimal | None:
        return None if self.nearest is None else self.nearest.distance_percent

    @property
    def daily_pnl(self) -> Decimal | None:
        if self.equity is None or self.day_start is None:
            return None
        return self.equity - self.day_start

    @property
    def daily_pnl_percent(self) -> Decimal | None:
        if self.daily_pnl is None or not self.day_start or self.day_start <= 0:
            return None
        return self.daily_pnl / self.day_start * HUNDRED

    @property
    def drawdown_percent(self) -> Decimal | None:
        if self.equity is None or self.peak is None or self.peak <= 0:
            return None
        return (self.peak - self.equity) / self.peak * HUNDRED

    @property
    def leverage(self) -> Decimal | None:
        """Gross exposure as a multiple of equity."""
        return None if self.equity is None else self.gross / max(self.equity, CENT)

    @property
    def margin_used_percent(self) -> Decimal | None:
        """Of equity."""
        if self.equity is None:
            return None
        return self.margin_used / max(self.equity, CENT) * HUNDRED


def account_figures(
    *,
    coins: Sequence[Coins],
    holdings: Sequence[Holding],
    record: EquityRecord | None,
    prices: Mapping[str, Decimal],
    compared: Sequence[Coins] = (),
) -> Figures:
    """`record`: as of today. `prices`: dollars of a coin, where the present one is known.

    `compared`: the account's money without open positions' results when its transfers were last
    counted. A balance that is newer may be less because of a withdrawal, which is no loss, or
    because of one, or more because of a deposit, which is no gain, and only the next comparison
    tells.
    """
    priced = [(each, each.price) for each in holdings if each.price is not None]
    equity, owned = account_equity(coins, _changes(priced), prices)
    earned = kept = equity
    if compared and equity is not None:
        by_record, _ = account_equity(compared, _gains(priced), prices)
        if by_record is not None:
            earned, kept = max(equity, by_record), min(equity, by_record)
    margin = _margins(priced, owned)
    gains = [(each, each.pnl(price), price) for each, price in priced]
    complete = len(priced) == len(holdings) and equity is not None
    return Figures(
        equity=equity,
        earned_equity=earned,
        kept_equity=kept,
        gross=sum((each.notional(price) for each, price in priced), ZERO),
        net=sum((each.notional(price) * each.direction for each, price in priced), ZERO),
        unrealised=sum(
            (gain * each.rate(price) for each, gain, price in gains if gain is not None), ZERO
        ),
        maintenance=margin.maintenance,
        margin_used=sum((each.margin_used(price) for each, price in priced), ZERO),
        margin_ratio_percent=margin.ratio_percent,
        nearest=margin.nearest,
        day_start=None if record is None else record.start,
        peak=None if record is None or equity is None else max(record.peak, equity),
        is_complete=complete and margin.is_known and all(gain is not None for _, gain, _ in gains),
    )


def _changes(priced: Iterable[tuple[Holding, Decimal]]) -> dict[str, Decimal]:
    """What positions won since the venue told their results, by settle currency."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for each, price in priced:
        if not each.is_margined:
            continue
        gain = each.pnl(price)
        before = each.reported_pnl
        if before is None and each.reported_price is not None:
            before = each.pnl(each.reported_price)
        if gain is not None and before is not None:
            found[each.instrument.settle] += gain - before
    return found


def _gains(priced: Iterable[tuple[Holding, Decimal]]) -> dict[str, Decimal]:
    """All that positions have won, by settle currency."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for each, price in priced:
        if each.is_margined:
            found[each.instrument.settle] += each.pnl(price) or ZERO
    return found


def account_equity(
    coins: Iterable[Coins], changes: Mapping[str, Decimal], prices: Mapping[str, Decimal]
) -> tuple[Decimal | None, dict[str, Decimal]]:
    """The whole value in dollars (None when a part of it has none), and the amounts by currency.

    A balance is as old as its report: what its positions won since is added, and coins are valued
    at the present price where one is known.
    """
    total: Decimal | None = ZERO
    owned = {}
    rest = dict(changes)
    for each in coins:
        amount = each.equity + rest.pop(each.currency, ZERO)
        owned[each.currency] = amount
        rate = _rate(each, prices)
        if rate is None and amount:
            total = None
        elif total is not None and rate is not None:
            total += amount * rate
    for currency, amount in rest.items():
        owned[currency] = amount
        if amount:
            total = None  # its balance was never told
    return (total if owned else None), owned


def _rate(coins: Coins, prices: Mapping[str, Decimal]) -> Decimal | None:
    if coins.currency not in DOLLARS and coins.currency in prices:
        return prices[coins.currency]
    if coins.equity and coins.value is not None:
        return coins.value / coins.equity
    return ONE if coins.currency in DOLLARS else None


# --- margin --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Margin:
    maintenance: Decimal = ZERO
    ratio_percent: Decimal | None = None
    nearest: Nearest | None = None
    is_known: bool = True

    def add(
        self, group: Sequence[tuple[Holding, Decimal]], cushion: Decimal | None, rate: Decimal
    ) -> None:
        """Positions that stand on one cushion; both it and their margin in the settle currency,
        `rate` dollars for one."""
        values = [each.notional(price) / each.rate(price) for each, price in group]
        rates = [each.maintenance_rate() for each, _ in group]
        needed = sum((a * b for a, b in zip(values, rates, strict=True)), ZERO)
        self.maintenance += needed * rate
        if cushion is None:
            self.is_known = False
        elif needed:
            ratio = cushion / needed * HUNDRED
            self.ratio_percent = (
                ratio if self.ratio_percent is None else min(ratio, self.ratio_percent)
            )
        together = sum(values, ZERO)
        for each, price in group:
            self._add_nearest(each, price, cushion, together, needed)

    def _add_nearest(
        self,
        each: Holding,
        price: Decimal,
        cushion: Decimal | None,
        together: Decimal,
        needed: Decimal,
    ) -> None:
        distance: Decimal | None
        if each.liquidation_price is not None and each.liquidation_price > 0:
            distance = distance_to_price(price, each.liquidation_price, each.direction)
        elif cushion is None or not together:
            return
        else:
            distance = distance_by_cushion(
                each.instrument.kind, each.direction, cushion / together, needed / together
            )
        if distance is None:
            return
        if self.nearest is None or distance < self.nearest.distance_percent:
            at = price * (1 - each.direction * distance / HUNDRED)
            self.nearest = Nearest(each.instrument.symbol, each.direction, distance, at)


def _margins(priced: Sequence[tuple[Holding, Decimal]], owned: Mapping[str, Decimal]) -> _Margin:
    """Isolated positions stand on their own margin, the others on the equity in their currency
    that isolated ones do not have."""
    found = _Margin()
    free = dict(owned)
    shared: dict[str, list[tuple[Holding, Decimal]]] = defaultdict(list)
    for each, price in priced:
        if not each.is_margined:
            continue
        currency = each.instrument.settle
        if each.margin_mode != "isolated":
            shared[currency].append((each, price))
            continue
        cushion = _isolated_cushion(each, price)
        if cushion is not None and currency in free:
            free[currency] -= cushion
        found.add([(each, price)], cushion, each.rate(price))
    for currency, group in shared.items():
        found.add(group, free.get(currency), group[0][0].rate(group[0][1]))
    return found


def _isolated_cushion(each: Holding, price: Decimal) -> Decimal | None:
    """The margin that it was opened with, and its result; margin that was added is not known."""
    gain = each.pnl(price)
    if gain is None or each.average_price is None or not each.leverage:
        return None
    entry = each.average_price
    return each.notional(entry) / each.rate(entry) / each.leverage + gain
