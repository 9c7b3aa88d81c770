"""What the risk monitor found and did, in words."""

from collections.abc import Mapping
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from trading.domain.portfolio.thresholds import Measure, RiskAct
from trading.models import RiskAction

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
_DONE: dict[str, str] = {
    RiskAct.ALERT: gettext_noop("Nothing was changed."),
    RiskAct.STOP_ENTRIES: gettext_noop(
        "Nothing new is opened for the customer until staff set the kill switch back."
    ),
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


def done_text(action: str, params: Mapping[str, object]) -> str:
    """What was done about it."""
    return _text(_DONE, action, params)


def _text(texts: Mapping[str, str], code: str, params: Mapping[str, object]) -> str:
    template = texts.get(code)
    if template is None:
        return code
    try:
        return _(template) % params
    except KeyError:
        return _(template)


def action_found_text(action: RiskAction) -> str:
    return risk_text(
        action.measure,
        {**action.params, "value": _number(action.value), "limit": _number(action.limit)},
    )


def action_done_text(action: RiskAction) -> str:
    """Empty while it is still to be done."""
    return "" if action.done_at is None else done_text(action.action, action.outcome)


def _number(value: Decimal) -> str:
    return format(value.quantize(Decimal("0.01")), "f")
