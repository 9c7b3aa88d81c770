"""Whether a copy of a strategy may begin. Pure; amounts in dollars.

What is asked here is asked when a copy begins and never again: copies that run go on, whatever is
changed afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Visibility(StrEnum):
    """Who may see a strategy and begin to copy it by himself. Staff may for whoever is not kept
    out by an invitation."""

    PUBLIC = "public"
    PRIVATE = "private"
    INVITE = "invite"


class Refused(StrEnum):
    NOT_OFFERED = "not_offered"
    NOT_INVITED = "not_invited"
    NOT_ACTIVE = "strategy_not_active"
    ACCOUNT_CLOSED = "account_closed"
    ALREADY_COPIED = "already_copied"
    FULL = "strategy_full"
    WORTH_UNKNOWN = "worth_unknown"
    BELOW_MINIMUM = "below_minimum_amount"


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Refused
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants to begin. `worth`: all that the account has, as read lately; None: not known."""

    by_staff: bool
    is_invited: bool
    account_is_open: bool
    copies_already: bool
    worth: Decimal | None


@dataclass(frozen=True, slots=True)
class Offer:
    """A strategy's terms of admission. `copiers`: copies that are not over, ending ones as well."""

    visibility: Visibility
    is_active: bool
    max_copiers: int | None
    copiers: int
    min_equity: Decimal | None


def start_refusal(offer: Offer, asked: Asked) -> Refusal | None:
    """The first reason not to begin; None: it may. The minimum exactly is enough."""
    refusal = _by_visibility(offer, asked)
    if refusal is not None:
        return refusal
    if not offer.is_active and not asked.by_staff:
        return Refusal(Refused.NOT_ACTIVE)
    if not asked.account_is_open:
        return Refusal(Refused.ACCOUNT_CLOSED)
    if asked.copies_already:
        return Refusal(Refused.ALREADY_COPIED)
    if offer.max_copiers is not None and offer.copiers >= offer.max_copiers:
        return Refusal(Refused.FULL, {"limit": str(offer.max_copiers)})
    if offer.min_equity is None:
        return None
    minimum = {"minimum": _plain(offer.min_equity)}
    if asked.worth is None:
        return Refusal(Refused.WORTH_UNKNOWN, minimum)
    if asked.worth < offer.min_equity:
        return Refusal(Refused.BELOW_MINIMUM, {**minimum, "worth": f"{asked.worth:.2f}"})
    return None


def _by_visibility(offer: Offer, asked: Asked) -> Refusal | None:
    if offer.visibility is Visibility.PRIVATE and not asked.by_staff:
        return Refusal(Refused.NOT_OFFERED)
    if offer.visibility is Visibility.INVITE and not asked.is_invited:
        # A stranger is not told that there is such a strategy.
        return Refusal(Refused.NOT_INVITED if asked.by_staff else Refused.NOT_OFFERED)
    return None


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
