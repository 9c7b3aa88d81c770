"""The strategies that a client may begin to copy, and the beginning of a copy."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.models import Customer, ExchangeAccount
from customers.portal_access import ClientRequest, client_address, client_page
from strategies.domain.settings import SPECS, Kind
from strategies.models import Strategy
from strategies.selectors.offers import offered_to, places_left, with_copiers
from strategies.services.settings import SettingsRefusedError
from strategies.services.starting import Starter, subscription_draft, subscription_start
from strategies.services.subscriptions import SubscriptionRefusedError
from strategies.setting_texts import choice_label, problem_text, setting_help, setting_label
from trading.portal.copies import PortalSelect, PortalText

STATED = ("sizing_mode", "ratio", "fixed_amount", "existing_positions")
"""What a client may say at once; everything else is on the page of the copy's settings."""


class StartForm(forms.Form):
    """What is left empty stays as the levels above set it."""

    account = forms.ChoiceField(label=_("Account"), widget=PortalSelect)

    def __init__(self, *args: Any, customer: Customer, strategy: Strategy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.strategy = strategy
        rows = ExchangeAccount.objects.for_customer(customer).exclude(
            status=ExchangeAccount.Status.CLOSED
        )
        self.accounts = {row.pk: row for row in rows.order_by("label", "pk")}
        account = self.fields["account"]
        assert isinstance(account, forms.ChoiceField)
        account.choices = [(pk, row.label) for pk, row in self.accounts.items()]
        for name in STATED:
            self.fields[name] = _field(name)

    def content(self) -> dict[str, Any]:
        values = {name: self.cleaned_data[name].strip() for name in STATED}
        return {"values": {name: value for name, value in values.items() if value}, "symbols": {}}

    def is_started(self, starter: Starter) -> bool:
        """Begins the copy, or says at the field why not."""
        if not self.is_bound or not self.is_valid():
            return False
        account = self.accounts[self.cleaned_data["account"]]
        try:
            draft = subscription_draft(
                strategy=self.strategy, account=account, content=self.content()
            )
            subscription_start(subscription=draft, starter=starter)
        except SettingsRefusedError as refused:
            for problem in refused.problems:
                known = problem.name if problem.name in self.fields else None
                self.add_error(known, problem_text(problem))
            return False
        except SubscriptionRefusedError as refused:
            self.add_error("account" if refused.field == "account" else None, refused.message)
            return False
        return True


def _field(name: str) -> forms.Field:
    spec = SPECS[name]
    label, help_text = setting_label(name), setting_help(name)
    if spec.kind is not Kind.CHOICE:
        return forms.CharField(
            label=label, help_text=help_text, required=False, max_length=40, widget=PortalText
        )
    choices: list[tuple[str, Any]] = [("", _("as your provider set it"))]
    choices += [(str(value), choice_label(spec, value)) for value in spec.choices]
    return forms.ChoiceField(
        label=label, help_text=help_text, required=False, choices=choices, widget=PortalSelect
    )


@require_safe
@client_page
def strategy_list(request: ClientRequest) -> HttpResponse:
    rows = with_copiers(offered_to(request.customer)).order_by("name")
    offers = [(strategy, places_left(strategy)) for strategy in rows]
    return render(request, "portal/strategies.html", {"offers": offers})


@require_http_methods(["GET", "HEAD", "POST"])
@client_page
def copy_start(request: ClientRequest, strategy_id: str) -> HttpResponse:
    """Says what a copy does and asks how (GET), then begins it (POST). What is not offered is not
    there."""
    strategy = with_copiers(offered_to(request.customer)).filter(pk=strategy_id).first()
    if strategy is None:
        raise Http404
    form = StartForm(request.POST or None, customer=request.customer, strategy=strategy)
    starter = Starter(request.user, by_staff=False, ip_address=client_address(request))
    if request.method == "POST" and form.is_started(starter):
        messages.success(request, _("Copying has begun. The next signals are followed."))
        return redirect("portal:copies")
    context = {"strategy": strategy, "left": places_left(strategy), "form": form}
    return render(request, "portal/copy_start.html", context)
