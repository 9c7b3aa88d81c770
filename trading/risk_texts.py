"""What the risk monitor found and did, in words."""

from collections.abc import Mapping
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from trading.domain.portfolio.thresholds import Measure, RiskAct, RiskLevel
from trading.models.risk_actions import ReachedThreshold

_FOUND: dict[str, str] = {
    Measure.LIQUIDATION_DISTANCE: gettext_noop(
        "The %(direction_text)s position in %(symbol)s will be liquidated when the price moves by "
        "another %(value)s %% against it, at about %(price)s (the threshold is %(limit)s %%). "
        "Margin that the leader adds does not reach this account: reduce the position, or add "
        "margin here."
    ),
    Measure.MARGIN_RATIO: gettext_noop(
        "The margin ratio is %(value)s %%, the threshold %(limit)s %%; at 100 %% the exchange "
        "liquidates."
    ),
    Measure.MARGIN_USED: gettext_noop(
        "The margin used is %(value)s %% of the equity, the threshold %(limit)s %%."
    ),
    Measure.LEVERAGE: gettext_noop(
        "The gross exposure is %(value)s times the equity, the threshold %(limit)s times."
    ),
    Measure.GROSS_EXPOSURE: gettext_noop(
        "The gross exposure is $%(value)s, the threshold $%(limit)s."
    ),
    Measure.NET_EXPOSURE: gettext_noop("The net exposure is $%(value)s, the threshold $%(limit)s."),
    Measure.UNREALISED_LOSS: gettext_noop(
        "Open positions have lost $%(value)s, the threshold is $%(limit)s."
    ),
    Measure.DAILY_LOSS: gettext_noop(
        "The account has lost $%(value)s today, the threshold is $%(limit)s."
    ),
    Measure.DAILY_LOSS_PERCENT: gettext_noop(
        "The account has lost %(value)s %% today, the threshold is %(limit)s %%."
    ),
    Measure.DRAWDOWN: gettext_noop(
        "The account is %(value)s %% below its peak, the threshold is %(limit)s %%."
    ),
}
_FOUND_OF_MANY: dict[str, str] = {
    Measure.MARGIN_RATIO: gettext_noop(
        "The equity of all accounts that hold something together is %(value)s %% of their "
        "maintenance margin, the threshold %(limit)s %%."
    ),
    Measure.DAILY_LOSS: gettext_noop(
        "The accounts together have lost $%(value)s today, the threshold is $%(limit)s."
    ),
    Measure.DAILY_LOSS_PERCENT: gettext_noop(
        "The accounts together have lost %(value)s %% today, the threshold is %(limit)s %%."
    ),
    Measure.DRAWDOWN: gettext_noop(
        "The accounts together are %(value)s %% below the sum of their peaks, the threshold is "
        "%(limit)s %%."
    ),
}
"""Where a sum needs other words than an account."""
_PARTLY = gettext_noop(
    "Of the %(accounts)s accounts in it, %(stale)s count as they were read a while ago, and "
    "%(incomplete)s are not known wholly."
)
_STOPPED: dict[str, str] = {
    RiskLevel.ACCOUNT: gettext_noop(
        "Nothing new is opened for the customer until staff set the kill switch back, and entries "
        "that wait are cancelled."
    ),
    RiskLevel.CUSTOMER: gettext_noop(
        "Nothing new is opened for the customer until staff set the kill switch back, and entries "
        "that wait are cancelled."
    ),
    RiskLevel.STRATEGY: gettext_noop(
        "Nothing new is opened by the strategy until staff set its kill switch back, and entries "
        "that wait are cancelled."
    ),
    RiskLevel.TENANT: gettext_noop(
        "Nothing new is opened for the whole firm until staff set its kill switch back, and "
        "entries that wait are cancelled."
    ),
    RiskLevel.PLATFORM: gettext_noop(
        "Nothing new is opened on the whole platform until its operator sets the kill switch back, "
        "and entries that wait are cancelled."
    ),
}
_WHOSE: dict[str, str] = {
    RiskLevel.CUSTOMER: gettext_noop("All accounts of %(name)s"),
    RiskLevel.STRATEGY: gettext_noop("All copies of %(name)s"),
    RiskLevel.TENANT: gettext_noop("All accounts of the firm"),
    RiskLevel.PLATFORM: gettext_noop("The whole platform"),
}
_DONE: dict[str, str] = {
    RiskAct.ALERT: gettext_noop("Nothing was changed."),
    RiskAct.REDUCE: gettext_noop(
        "The positions that copies hold are reduced by %(reduce_percent)s %% (%(orders)s orders, "
        "%(refused)s refused)."
    ),
    RiskAct.CLOSE: gettext_noop(
        "%(copies)s copies are ended and their positions closed at the market price."
    ),
}
DIRECTIONS = {"long": gettext_lazy("long"), "short": gettext_lazy("short")}


def risk_text(measure: str, params: Mapping[str, object]) -> str:
    """What was found."""
    direction = str(params.get("direction", ""))
    return _text(
        _FOUND, measure, {**params, "direction_text": str(DIRECTIONS.get(direction, direction))}
    )


def sum_text(measure: str, params: Mapping[str, object]) -> str:
    """What was found of many accounts together, and how much of it is old or not known."""
    found = _text({**_FOUND, **_FOUND_OF_MANY}, measure, params)
    if str(params.get("stale", "0")) == "0" and str(params.get("incomplete", "0")) == "0":
        return found
    return f"{found} {_(_PARTLY) % params}"


def platform_text() -> str:
    """What a firm is told of a threshold of the whole platform."""
    return _("A threshold of the whole platform was reached.")


def subject_text(level: str, name: str) -> str:
    """Whose sum it is."""
    return _(_WHOSE[level]) % {"name": name} if level in _WHOSE else name


def done_text(
    action: str, params: Mapping[str, object], level: str = RiskLevel.ACCOUNT.value
) -> str:
    """What was done about it."""
    if action == RiskAct.STOP_ENTRIES:
        return _text(_STOPPED, level, params)
    return _text(_DONE, action, params)


def _text(texts: Mapping[str, str], code: str, params: Mapping[str, object]) -> str:
    template = texts.get(code)
    if template is None:
        return code
    try:
        return _(template) % params
    except KeyError:
        return _(template)


def action_found_text(action: ReachedThreshold) -> str:
    numbers = {**action.params, "value": _number(action.value), "limit": _number(action.limit)}
    if action.risk_level is RiskLevel.ACCOUNT:
        return risk_text(action.measure, numbers)
    return sum_text(action.measure, numbers)


def action_done_text(action: ReachedThreshold) -> str:
    """Empty while it is still to be done."""
    return (
        ""
        if action.done_at is None
        else done_text(action.action, action.outcome, action.risk_level)
    )


def action_subject_text(action: ReachedThreshold) -> str:
    """Whose figure it is."""
    if action.risk_level is RiskLevel.ACCOUNT:
        return action.subject_name
    return subject_text(action.risk_level, action.subject_name)


def _number(value: Decimal) -> str:
    return format(value.quantize(Decimal("0.01")), "f")
