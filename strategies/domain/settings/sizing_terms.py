"""What of the copy settings sizing uses."""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.settings.fields import CopySettings, StopsMode
from strategies.domain.sizing import FollowerTerms, ScalingFacts


def sizing_terms(
    settings: CopySettings,
    *,
    leverage: Decimal,
    equity: Decimal | None,
    daily_range_percent: Decimal | None = None,
) -> FollowerTerms:
    """`equity` in the quote currency. A fact that is None is not known; the equity's peak is for
    whoever knows it to fill in."""
    return FollowerTerms(
        mode=settings.sizing_mode,
        fixed_amount=settings.fixed_amount,
        ratio=settings.ratio,
        follow_ratio=settings.follow_ratio,
        leverage=leverage,
        equity=equity,
        discount_percent=settings.size_discount_percent,
        risk_percent=settings.risk_percent,
        stop_percent=settings.stop_loss_percent,
        own_stop_first=settings.stops_mode is StopsMode.OWN,
        scaling=ScalingFacts(
            by=settings.dynamic_sizing,
            target_percent=settings.target_volatility_percent,
            zero_percent=settings.drawdown_zero_percent,
            daily_range_percent=daily_range_percent,
        ),
    )
