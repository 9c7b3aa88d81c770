"""Closing many positions at once: whose, then what it would order, then one click."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from customers.admin_pages import access_of, client_address, console_page, require
from customers.console import register_page
from customers.domain.ids import new_id
from customers.domain.roles import Resource, Verb
from customers.models import AuditEntry, Customer, Tenant
from customers.services.audit import audit_record
from strategies.models import Strategy
from trading.models import Intent
from trading.reason_texts import reason_text
from trading.services.closing import ClosePlan, Selection, closing_preview, positions_close

_ACTION_ID = re.compile(r"[0-9a-z]{26}")
SHOWN = 200


def _choice(label: Any) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(
        label=label,
        queryset=Customer.objects.none(),
        required=False,
        empty_label=gettext_lazy("all"),
        widget=UnfoldAdminSelectWidget,
    )


class MassCloseForm(forms.Form):
    """What is left empty does not narrow it: all three empty is the whole firm."""

    customer = _choice(gettext_lazy("Customer"))
    strategy = _choice(gettext_lazy("Strategy"))
    symbol = forms.CharField(
        label=gettext_lazy("Symbol"),
        max_length=48,
        required=False,
        help_text=gettext_lazy("Such as BTC/USDT:USDT"),
        widget=UnfoldAdminTextInputWidget,
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        help_text=gettext_lazy("Is kept in the audit log."),
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, model in (("customer", Customer), ("strategy", Strategy)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = model.objects.for_tenant(tenant).order_by("name")

    @property
    def selection(self) -> Selection:
        customer, strategy = self.cleaned_data["customer"], self.cleaned_data["strategy"]
        return Selection(
            customer_id=customer.pk if customer else "",
            strategy_id=strategy.pk if strategy else "",
            symbol=self.cleaned_data["symbol"].strip().upper(),
        )


def mass_close_page(request: HttpRequest) -> HttpResponse:
    access = require(request, Resource.TRADING, Verb.CHANGE)
    if access.tenant is None:
        return console_page(
            request,
            "admin/console/notice.html",
            title=_("Close positions"),
            notice=_("Positions belong to one tenant. Choose it at the top left."),
            http_status=409,
        )
    form = MassCloseForm(request.POST or None, tenant=access.tenant)
    if request.method == "POST" and form.is_valid() and "edit" not in request.POST:
        action_id = request.POST.get("action_id", "")
        if "confirmed" in request.POST and _ACTION_ID.fullmatch(action_id):
            return _close(request, access.tenant, form, action_id)
        return _preview(request, access.tenant, form)
    return console_page(
        request,
        "admin/console/form_page.html",
        title=_("Close positions"),
        form=form,
        explanation=_(
            "Closes what copies hold at the market price and cancels their waiting entries. "
            "Copies go on with the next signal: to stop entries as well, set the kill switch to "
            "“exits only” before. The next page says what would be ordered."
        ),
        button=_("Continue"),
        back=reverse("admin:index"),
    )


def _preview(request: HttpRequest, tenant: Tenant, form: MassCloseForm) -> HttpResponse:
    plans = closing_preview(tenant_id=tenant.pk, selection=form.selection)
    ordering = [plan for plan in plans if plan.quantity]
    values = [plan.notional for plan in ordering]
    return console_page(
        request,
        "admin/console/mass_close.html",
        title=_("Close these positions?"),
        form=form,
        action_id=new_id(),
        rows=[(plan, _reason(plan)) for plan in plans[:SHOWN]],
        more=max(len(plans) - SHOWN, 0),
        orders=sum(len([leg for leg in plan.plan.legs if leg.is_order]) for plan in plans),
        positions=len(ordering),
        notional=sum((value for value in values if value is not None), Decimal(0)),
        unvalued=sum(1 for value in values if value is None),
    )


def _reason(plan: ClosePlan) -> str:
    return "" if plan.reason is None else reason_text(plan.reason.code, plan.reason.params)


def _close(
    request: HttpRequest, tenant: Tenant, form: MassCloseForm, action_id: str
) -> HttpResponse:
    """A second click on the same confirmation finds all of it done."""
    selection, target = form.selection, f"close:{action_id}"
    if not AuditEntry.objects.filter(tenant_id=tenant.pk, target=target).exists():
        audit_record(
            action="positions.closed",
            actor=access_of(request).user,
            tenant_id=tenant.pk,
            target=target,
            details={
                "customer": selection.customer_id,
                "strategy": selection.strategy_id,
                "symbol": selection.symbol,
                "reason": form.cleaned_data["reason"],
            },
            ip_address=client_address(request),
        )
    done = positions_close(
        tenant_id=tenant.pk,
        selection=selection,
        cause=Intent.Cause.OPERATOR,
        action_id=action_id,
    )
    numbers = {"orders": len(done.order_ids), "refused": done.refused.total()}
    text = _("%(orders)s exits are on their way, %(refused)s positions were refused.") % numbers
    (messages.warning if done.refused else messages.success)(request, text)
    url = reverse("admin:trading_intent_changelist")
    return HttpResponseRedirect(f"{url}?q={action_id}")


register_page("close-positions/", mass_close_page, name="mass_close")
