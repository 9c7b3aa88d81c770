"""A client reads what guards his positions."""

from __future__ import annotations

from decimal import Decimal

from django.test import Client
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import PositionStopsFactory, StopOrderFactory
from tests.portal.conftest import Persona
from trading.domain.stops.terms import StopTerms, terms_to_json
from trading.models import CopiedPosition


def _guard(owner: Persona, **stops: object) -> CopiedPosition:
    with tenant_scope(owner.tenant.pk):
        copied = CopiedPosition.objects.filter(customer=owner.customer).exclude(filled=0).first()
        assert copied is not None
    PositionStopsFactory(copied_position=copied, **stops)
    return copied


def test_a_client_reads_his_stops(owner: Persona, browser: Client) -> None:
    terms = StopTerms(trailing_percent=Decimal(2), break_even_after_target=True)
    copied = _guard(owner, terms=terms_to_json(terms))
    StopOrderFactory(
        copied_position=copied, quantity=Decimal(3), stop_loss=Decimal(58000), take_profit=None
    )
    StopOrderFactory(
        copied_position=copied,
        slot=1,
        quantity=Decimal(2),
        stop_loss=Decimal(58000),
        take_profit=Decimal(62000),
        state="unknown",
    )
    StopOrderFactory(copied_position=copied, slot=2, quantity=Decimal(77), state="cancelled")
    page = browser.get("/positions/").content.decode()
    assert "Stop loss at 58,000 for 3" in page
    both = "Stop loss at 58,000, take profit at 62,000 for 2"
    assert f"{both} (not confirmed by the exchange yet)" in page
    assert "at a distance of 2 %" in page
    assert "moves to the entry price" in page
    assert "77" not in page


def test_what_is_not_in_line_is_said_with_its_reason(owner: Persona, browser: Client) -> None:
    _guard(
        owner,
        open_since=timezone.now(),
        reason_code="venue_rejected",
        reason_params={"code": "51020", "message": "Too small"},
    )
    page = browser.get("/positions/").content.decode()
    assert "Not in line yet" in page
    assert "Too small" in page
