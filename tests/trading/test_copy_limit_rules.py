"""The limits at which a copy ends, by hand-made numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.domain.copy_limits import CopyResult, EquitySince, Limit, limit_reached

D = Decimal


@pytest.mark.parametrize(
    ("realised", "unrealised", "fees", "funding", "limit", "reached"),
    [
        ("0", "-100", "0", "0", "100", True),  # exactly
        ("0", "-99.99", "0", "0", "100", False),
        ("0", "-99.5", "0.5", "0", "100", True),  # fees count
        ("0", "-90", "1", "-9", "100", True),  # funding that was paid counts
        ("0", "-100", "0", "5", "100", False),  # funding that was received counts
        ("50", "-120", "0", "0", "100", False),  # what was won before counts
        ("-60", "-40", "0", "0", "100", True),
        ("-100", "0", "0", "0", "100", True),  # flat by now
        ("500", "0", "0", "0", "100", False),
        ("0", "-5000", "0", "0", None, False),  # nothing stated
        ("-5000", None, "0", "0", "100", False),  # the price is not known
    ],
)
def test_net_loss(
    realised: str, unrealised: str | None, fees: str, funding: str, limit: str | None, reached: bool
) -> None:
    result = CopyResult(
        D(realised), None if unrealised is None else D(unrealised), D(fees), D(funding)
    )
    found = limit_reached(
        loss_limit=None if limit is None else D(limit),
        fall_percent_limit=None,
        result=result,
        equity=None,
        currency="USDT",
    )
    assert (found is not None) is reached
    if found is not None:
        assert found.limit is Limit.LOSS


@pytest.mark.parametrize(
    ("at_start", "moved", "now", "limit", "reached"),
    [
        ("1000", "0", "800", "20", True),
        ("1000", "0", "800.01", "20", False),
        ("1000", "-500", "500", "20", False),  # withdrawn, not lost
        ("1000", "-500", "400", "20", True),
        ("1000", "1000", "1700", "20", False),  # 15 % of 2000
        ("1000", "1000", "1000", "20", True),  # the deposit does not hide the loss
        ("1000", "0", "-5", "100", True),
        ("1000", "-1000", "0", "20", False),  # all is withdrawn: nothing to compare with
        ("0", "0", "0", "20", False),
    ],
)
def test_fall_of_equity(at_start: str, moved: str, now: str, limit: str, reached: bool) -> None:
    found = limit_reached(
        loss_limit=None,
        fall_percent_limit=D(limit),
        result=CopyResult(),
        equity=EquitySince(D(at_start), D(moved), D(now)),
        currency="USDT",
    )
    assert (found is not None) is reached
    if found is not None:
        assert found.limit is Limit.EQUITY_FALL


def test_it_says_what_was_compared() -> None:
    found = limit_reached(
        loss_limit=D("250.00"),
        fall_percent_limit=D(10),
        result=CopyResult(D("-200.129"), D("-60")),
        equity=None,
        currency="USDT",
    )
    assert found is not None
    assert found.params == {"loss": "260.12", "limit": "250", "currency": "USDT"}
