"""Many accounts together."""

from __future__ import annotations

from tests.trading.portfolio.holdings import D, d
from trading.domain.portfolio.totals import Part, total_of


def part(equity: object, *, gross: int = 0, net: int = 0, maintenance: int = 0,
         distance: object = None, daily: object = 0, peak: object = None) -> Part:  # fmt: skip
    return Part(
        equity=d(equity), gross=D(gross), net=D(net), unrealised=D(net) / 10,
        maintenance=D(maintenance), distance_percent=d(distance), daily_pnl=d(daily), peak=d(peak),
    )  # fmt: skip


def test_sums() -> None:
    total = total_of(
        [
            part(900, gross=5000, net=5000, maintenance=50, distance=17, daily=-100, peak=1000),
            part(600, gross=3000, net=-3000, maintenance=25, distance=9, daily=20, peak=600),
            part(400, peak=400),  # holds nothing: it carries nobody's margin
            part(None, gross=100, net=100, distance=30, daily=None),
        ]
    )
    assert (total.accounts, total.unknown) == (4, 1)
    assert (total.equity, total.gross, total.net, total.unrealised) == (1900, 8100, 2100, 210)
    assert total.margin_ratio_percent == 2000  # 1500 ÷ 75
    assert total.nearest_percent == 9
    assert total.daily_pnl == -80
    assert total.drawdown_percent == 5  # 100 of 2000


def test_nothing() -> None:
    total = total_of([])
    assert total.margin_ratio_percent is None
    assert total.drawdown_percent is None
    assert total.nearest_percent is None
    assert (total.leverage, total.margin_used_percent) == (0, 0)


def test_what_is_held_by_nothing_is_beyond_every_limit() -> None:
    total = total_of([part(-50, gross=5000), part(50, gross=1000)])
    assert total.leverage == 600_000
    # of unknown value: set against nothing
    assert total_of([part(None, gross=5000)]).leverage == 0
