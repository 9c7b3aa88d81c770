"""A client sees how far his own account is from a liquidation, and nobody else's."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import translation

from tests.factories import AccountRiskFactory, RiskActionFactory
from tests.portal.conftest import Persona

NEAREST = {"symbol": "BTC/USDT:USDT", "direction": "long", "price": "47512.5"}


def foretold(persona: Persona) -> None:
    AccountRiskFactory(account=persona.account, distance_percent=Decimal("6.84"), nearest=NEAREST)
    RiskActionFactory(
        account=persona.account,
        measure="liquidation_distance",
        value=Decimal("6.84"),
        limit=Decimal(10),
        params={**NEAREST, "distance": "6.84"},
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "another 6.84 % against it"), ("zh-hans", "再向不利方向变动 6.84 %")],
)
def test_the_own_account(owner: Persona, browser: Client, language: str, words: str) -> None:
    foretold(owner)
    browser.cookies["django_language"] = language
    with translation.override(language):
        page = browser.get(f"/accounts/{owner.account.pk}/").content.decode()
    assert words in page
    assert "47,512.5" in page


def test_nobody_elses(owner: Persona, colleague: Persona, browser: Client) -> None:
    foretold(colleague)
    assert browser.get(f"/accounts/{colleague.account.pk}/").status_code == 404
    assert "6.84" not in browser.get(f"/accounts/{owner.account.pk}/").content.decode()
