"""The stops of a position in words, for the client and for staff."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.translation import gettext as _

from customers.templatetags.figures import price, quantity
from trading.domain.stops.states import StopState
from trading.domain.stops.terms import terms_from_json
from trading.models import PositionStops, StopOrder
from trading.reason_texts import reason_text

WAITS = frozenset({StopState.SENDING, StopState.UNKNOWN, StopState.WAITING})


def stop_sentences(
    stops: PositionStops | None, orders: Sequence[StopOrder], held: Decimal
) -> list[str]:
    """What guards the position now, and what does not do so yet. `orders`: those that may wait."""
    lines = [_order_text(order) for order in sorted(orders, key=lambda row: row.slot)]
    if stops is None or not held:
        return lines
    terms = terms_from_json(stops.terms) if stops.terms else None
    if terms is not None and terms.trailing_percent is not None:
        lines.append(
            _("The stop loss follows the price at a distance of %(percent)s %%.")
            % {"percent": quantity(terms.trailing_percent)}
        )
    if terms is not None and terms.break_even_after_target and not stops.target_reached:
        lines.append(_("Once a target is reached, the stop loss moves to the entry price."))
    if stops.is_watched and not orders and stops.open_since is None:
        lines.append(
            _(
                "The exchange holds no stops for coins: their price is watched here, and they are "
                "sold at the market."
            )
        )
    if stops.open_since is not None:
        lines.append(
            _("Not in line yet: %(why)s")
            % {"why": reason_text(stops.reason_code, stops.reason_params)}
        )
    return lines


def _order_text(order: StopOrder) -> str:
    words = {
        "quantity": quantity(order.quantity),
        "stop": price(order.stop_loss) if order.stop_loss is not None else "",
        "target": price(order.take_profit) if order.take_profit is not None else "",
    }
    if order.stop_loss is None:
        text = _("Take profit at %(target)s for %(quantity)s") % words
    elif order.take_profit is None:
        text = _("Stop loss at %(stop)s for %(quantity)s") % words
    else:
        text = _("Stop loss at %(stop)s, take profit at %(target)s for %(quantity)s") % words
    if order.state != StopState.WAITING:
        return _("%(stop)s (not confirmed by the exchange yet)") % {"stop": text}
    return text
