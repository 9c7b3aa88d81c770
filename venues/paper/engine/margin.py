"""Margin arithmetic, as formulas. `contracts` is |pos| * ctVal: coins for linear contracts, USD
for inverse ones. Results are in the settle currency (linear: quote, inverse: coin).

Sources: the venue's published trading rules; liquidation prices ignore other positions' moves.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from .amounts import ZERO
from .instruments import Instrument

ONE = Decimal(1)


class Tier(NamedTuple):
    tier: int
    min_sz: Decimal
    max_sz: Decimal
    mmr: Decimal
    imr: Decimal
    max_lever: Decimal


# (quote value up to which a tier reaches at the catalogue's price, mmr, leverage's share)
_TIERS = (
    (2_000_000, "0.004", 1),
    (6_000_000, "0.005", 1),
    (12_000_000, "0.0065", 2),
    (25_000_000, "0.01", 3),
    (50_000_000, "0.015", 4),
    (100_000_000, "0.025", 5),
    (250_000_000, "0.05", 10),
    (1_000_000_000, "0.1", 20),
)


def tiers(inst: Instrument, reference_price: Decimal) -> tuple[Tier, ...]:
    """Fixed sizes in contracts, derived once from the catalogue's price."""
    per_contract = inst.ct_val if inst.inverse else inst.ct_val * reference_price
    out: list[Tier] = []
    lower = ZERO
    for number, (value, mmr, share) in enumerate(_TIERS, 1):
        size = Decimal(int(value / per_contract / 10) * 10 or 10)
        lever = max(ONE, (Decimal(inst.max_lever) / share).quantize(ONE))
        out.append(Tier(number, lower, size, Decimal(mmr), (1 / lever).quantize(
            Decimal("0.0001")), lever))  # fmt: skip
        lower = size
    return tuple(out)


def tier_of(table: tuple[Tier, ...], size: Decimal) -> Tier:
    for tier in table:
        if size <= tier.max_sz:
            return tier
    return table[-1]


def upl(inst: Instrument, lots: int, avg: Decimal, mark: Decimal) -> Decimal:
    """Unrealised profit of a signed position."""
    if not lots:
        return ZERO
    contracts = lots * inst.lot * inst.ct_val
    if inst.inverse:
        return contracts / avg - contracts / mark
    return contracts * (mark - avg)


def value(inst: Instrument, lots: int, px: Decimal) -> Decimal:
    """Notional of |lots| at a price, in the settle currency."""
    contracts = abs(lots) * inst.lot * inst.ct_val
    return contracts / px if inst.inverse else contracts * px


def average(inst: Instrument, lots: int, avg: Decimal, more: int, px: Decimal) -> Decimal:
    """Average entry after `more` lots of the same sign are added (harmonic for inverse)."""
    total = lots + more
    if inst.inverse:
        return total / (lots / avg + more / px) if lots else px
    return (lots * avg + more * px) / total


def liquidation_price(
    inst: Instrument, lots: int, avg: Decimal, cushion: Decimal, rate: Decimal
) -> Decimal | None:
    """Where cushion + upl = notional * rate. `cushion` is the isolated margin, or in cross mode
    the currency's equity without this position's upl and without the other positions'
    requirement. `rate` is mmr + taker fee. None when no positive price does it."""
    contracts = abs(lots) * inst.lot * inst.ct_val
    if not contracts:
        return None
    if inst.inverse:
        if lots > 0:
            px = contracts * (ONE + rate) / (cushion + contracts / avg)
        else:
            rest = contracts / avg - cushion
            if rest <= 0:
                return None
            px = contracts * (ONE - rate) / rest
    elif lots > 0:
        px = (avg * contracts - cushion) / (contracts * (ONE - rate))
    else:
        px = (avg * contracts + cushion) / (contracts * (ONE + rate))
    return px if px > 0 else None
