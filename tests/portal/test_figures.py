"""How numbers look."""

from decimal import Decimal

import pytest

from customers.templatetags import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1234567.5", "1,234,567.5"),
        ("0.00000001", "0.00000001"),
        ("0.123456789", "0.12345678"),
        ("-20", "−20"),
        ("1E+3", "1,000"),
        (None, "–"),
        ("", "–"),
        ("not a number", "–"),
        (0, "0"),
    ],
)
def test_quantities_keep_their_digits_and_are_never_rounded_up(value, shown):
    assert figures.quantity(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("60123.456", "60,123.46"),
        ("0.1234567891", "0.1234568"),
        ("0.000012345678", "0.00001234568"),
        ("12345678.9", "12,345,679"),
        ("175.00", "175"),
        ("0", "0"),
        (None, "–"),
    ],
)
def test_prices_show_seven_digits(value, shown):
    assert figures.price(value) == shown


@pytest.mark.parametrize(
    ("value", "shown", "css_class"),
    [
        ("12.345", "+12.34", "text-gain"),
        ("-4", "−4.00", "text-loss"),
        ("0.001", "0.00", ""),
        ("-0.001", "0.00", ""),
        (None, "–", ""),
    ],
)
def test_gains_and_losses_carry_their_sign_and_colour(value, shown, css_class):
    assert figures.signed_money(value) == shown
    assert figures.gain_class(value) == css_class


def test_ratios_are_percentages():
    assert figures.signed_percent(Decimal("0.1234")) == "+12.34%"


def test_symbols_are_short_and_contracts_are_known():
    assert figures.short_symbol("BTC/USDT:USDT") == "BTC/USDT"
    assert figures.is_contract("BTC/USDT:USDT")
    assert not figures.is_contract("BTC/USDT")
