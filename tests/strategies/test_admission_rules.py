"""Whether a copy may begin, by hand-made offers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.admission import Asked, Offer, Visibility, start_refusal

OPEN = Offer(Visibility.PUBLIC, is_active=True, max_copiers=None, copiers=7, min_equity=None)
CLIENT = Asked(
    by_staff=False, is_invited=False, account_is_open=True, copies_already=False, worth=Decimal(500)
)
STAFF = replace(CLIENT, by_staff=True)


@pytest.mark.parametrize(
    ("offer", "asked", "code"),
    [
        ({}, CLIENT, None),
        ({"visibility": Visibility.PRIVATE}, CLIENT, "not_offered"),
        ({"visibility": Visibility.PRIVATE}, replace(CLIENT, is_invited=True), "not_offered"),
        ({"visibility": Visibility.PRIVATE}, STAFF, None),
        ({"visibility": Visibility.INVITE}, CLIENT, "not_offered"),
        ({"visibility": Visibility.INVITE}, STAFF, "not_invited"),
        ({"visibility": Visibility.INVITE}, replace(CLIENT, is_invited=True), None),
        ({"is_active": False}, CLIENT, "strategy_not_active"),
        ({"is_active": False}, STAFF, None),
        ({}, replace(CLIENT, account_is_open=False), "account_closed"),
        ({}, replace(CLIENT, copies_already=True), "already_copied"),
        ({"max_copiers": 8}, CLIENT, None),
        ({"max_copiers": 7}, CLIENT, "strategy_full"),
        ({"max_copiers": 3}, STAFF, "strategy_full"),  # lowered: those that run go on
        ({"min_equity": Decimal(500)}, CLIENT, None),  # exactly
        ({"min_equity": Decimal("500.01")}, CLIENT, "below_minimum_amount"),
        ({"min_equity": Decimal(1)}, replace(CLIENT, worth=None), "worth_unknown"),
        ({"min_equity": Decimal(501)}, STAFF, "below_minimum_amount"),
    ],
)
def test_the_first_reason_not_to_begin(offer: dict[str, Any], asked: Asked, code: Any) -> None:
    refusal = start_refusal(replace(OPEN, **offer), asked)
    assert (None if refusal is None else refusal.code) == code
