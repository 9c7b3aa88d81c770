"""The form that changes a waiting entry, for console and portal."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.fields import plain
from trading.models import Order


class EntryAmendForm(forms.Form):
    """A new price, and the whole entry's new size."""

    amount_widget: type[forms.TextInput] = forms.TextInput

    price = forms.DecimalField(label=_("Limit price"), max_digits=38, decimal_places=18)
    quantity = forms.DecimalField(
        label=_("Size"),
        help_text=_("Of the whole entry, with what is filled of it."),
        max_digits=38,
        decimal_places=18,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("price", "quantity"):
            # an input of type "number" turns 0.1 into a float on its way
            attrs = {"inputmode": "decimal", "autocomplete": "off"}
            self.fields[name].widget = self.amount_widget(attrs=attrs)


def amend_initial(order: Order) -> dict[str, Any]:
    price = None if order.price is None else format(plain(order.price), "f")
    return {"price": price, "quantity": format(plain(order.quantity), "f")}
