"""How numbers, symbols and icons look on a page. Display only: nothing here is computed with."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from customers.fields import plain

register = template.Library()

NOTHING = "–"
MINUS = "−"
PRICE_DIGITS = 7
QUANTITY_DECIMALS = 8


def _decimal(value: Any) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _rounded(number: Decimal, decimals: int) -> Decimal:
    """Halves to even, whatever a library made of the thread's decimal context (ccxt does)."""
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)


def _grouped(number: Decimal) -> str:
    return f"{number:,f}".replace("-", MINUS)


@register.filter
def quantity(value: Any) -> str:
    """Every digit up to eight decimals: 1,234.5; cut, never rounded up. Its sign is kept."""
    number = _decimal(value)
    if number is None:
        return NOTHING
    return _grouped(plain(number.quantize(Decimal(1).scaleb(-QUANTITY_DECIMALS), ROUND_DOWN)))


@register.filter
def price(value: Any) -> str:
    """At most seven significant digits, and all digits before the point: 60,123.45, 0.1234567."""
    number = _decimal(value)
    if number is None:
        return NOTHING
    if number == 0:
        return "0"
    decimals = max(0, PRICE_DIGITS - 1 - number.adjusted())
    return _grouped(plain(_rounded(number, decimals)))


@register.filter
def money(value: Any) -> str:
    """Two decimals: 12,345.60."""
    number = _decimal(value)
    return NOTHING if number is None else _grouped(_rounded(number, 2))


@register.filter
def signed_money(value: Any) -> str:
    """Two decimals with a plus for a gain: +12.30, −4.00."""
    number = _decimal(value)
    if number is None:
        return NOTHING
    rounded = _rounded(number, 2)
    if rounded == 0:
        return "0.00"
    return ("+" if rounded > 0 else "") + _grouped(rounded)


@register.filter
def signed_percent(value: Any) -> str:
    """A ratio as a percentage: 0.0123 → +1.23%."""
    number = _decimal(value)
    return NOTHING if number is None else f"{signed_money(number * 100)}%"


@register.filter
def gain_class(value: Any) -> str:
    """The CSS class of a gain or a loss, as it is shown: what rounds to nothing has none."""
    number = _decimal(value)
    if number is None or _rounded(number, 2) == 0:
        return ""
    return "text-gain" if number > 0 else "text-loss"


@register.filter
def magnitude(value: Any) -> Decimal | None:
    number = _decimal(value)
    return None if number is None else abs(number)


@register.filter
def short_symbol(symbol: str) -> str:
    """BTC/USDT:USDT → BTC/USDT; what the colon says is in `market_kind`."""
    return symbol.partition(":")[0]


@register.filter
def is_contract(symbol: str) -> bool:
    return ":" in symbol


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """An icon of the sprite; decoration only, so screen readers skip it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        css_class,
        static("vendor/bootstrap-icons/icons.svg"),
        name,
    )


@register.filter
def side(value: Any) -> str:
    """buy or sell, in the reader's language; nothing for a decision without a side."""
    texts = {"buy": pgettext("order", "Buy"), "sell": pgettext("order", "Sell")}
    return texts.get(str(value), "")
