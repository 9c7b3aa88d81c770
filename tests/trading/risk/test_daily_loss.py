"""What the account lost since the day began, as an amount and as a percentage."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, Verdict, entry, said, table
from trading.domain.risk import EntryFacts

AMOUNT, SHARE = {"daily_loss_limit": "500"}, {"daily_loss_limit_percent": "4"}
UNKNOWN = ("deny", "equity_history_unknown", {})


def day(settings: dict[str, str], start: str | None, now: str | None, **more: object) -> EntryFacts:
    values: dict[str, object] = {"instrument": entry().instrument, **more}
    return entry(settings=settings, account={"day_start": start, "now": now}, **values)


def lost(amount: str, currency: str = "USDT") -> Verdict:
    return ("deny", "daily_loss", {"lost": amount, "limit": "500.00", "currency": currency})


def share(percent: str, amount: str) -> Verdict:
    return ("deny", "daily_loss_percent", {"percent": percent, "limit": "4", "lost": amount})


@table(
    ("unset", day({}, "10000", "1"), "allow"),
    ("a gain", day(AMOUNT, "10000", "10400"), "allow"),
    ("a cent less than the limit", day(AMOUNT, "10000", "9500.01"), "allow"),
    ("the limit", day(AMOUNT, "10000", "9500"), lost("500.00")),
    ("beyond", day(AMOUNT, "10000", "9000"), lost("1000.00")),
    ("inverse", day(AMOUNT, "10000", "9000", instrument=INVERSE), lost("1000.00", "USD")),
    ("a small share", day(SHARE, "10000", "9601"), "allow"),
    ("the share", day(SHARE, "10000", "9600"), share("4", "400.00")),
    ("beyond the share", day(SHARE, "10000", "9550"), share("4.5", "450.00")),
    ("both and the amount is less", day(AMOUNT | SHARE, "20000", "19499"), lost("501.00")),
    ("both and the share is less", day(AMOUNT | SHARE, "5000", "4750"), share("5", "250.00")),
    ("started with nothing and owes", day(SHARE, "0", "-10"), share("100", "10.00")),
    ("all is lost", day(SHARE, "10000", "-50"), share("100.5", "10050.00")),
    ("the start is not known", day(AMOUNT, None, "9000"), UNKNOWN),
    ("today is not known", day(SHARE, "10000", None), UNKNOWN),
)
def test_daily_loss(facts: EntryFacts, expected: Verdict) -> None:
    assert said("daily_loss", facts) == expected
