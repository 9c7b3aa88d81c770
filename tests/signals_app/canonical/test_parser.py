"""The canonical parser: what it reads, and what it refuses with which code and field."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from signals_app.domain import canonical
from signals_app.domain.canonical import (
    Action,
    CanonicalSignal,
    OrderType,
    Side,
    SizeBasis,
    canonical_from_json,
    canonical_to_json,
)
from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.exact_json import load_json
from signals_app.domain.symbols import unified_symbol
from signals_app.models import Signal
from tests.signals_app.canonical.examples import CLOSE, LIMIT, NOW, OPEN, REDUCE, TARGET


def parsed(payload, now=NOW) -> CanonicalSignal:
    return canonical_from_json(payload, now)


def without(payload, *names):
    return {name: value for name, value in payload.items() if name not in names}


def test_a_full_signal_is_read_exactly():
    signal = parsed(
        {
            **OPEN,
            "order_type": "limit",
            "price": "64000.10",
            "size": "0.123456789012345678",
            "leader_equity": "10000",
            "leverage": "2.5",
            "stop_loss": "60000",
            "take_profit": "70000",
            "emitted_at": "2030-01-31T13:00:00.123+01:00",
            "expires_at": "2030-01-31T12:05:00Z",
            "margin_mode": "isolated",
            "leader_position_before": "-0.5",
            "leader_position_after": "0",
        }
    )
    assert signal == CanonicalSignal(
        action=Action.OPEN,
        symbol="BTC/USDT:USDT",
        side=Side.LONG,
        order_type=OrderType.LIMIT,
        price=Decimal("64000.1"),
        size=Decimal("0.123456789012345678"),
        size_basis=SizeBasis.BASE,
        leader_equity=Decimal(10_000),
        leverage=Decimal("2.5"),
        stop_loss=Decimal(60_000),
        take_profit=Decimal(70_000),
        emitted_at=datetime(2030, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC),
        expires_at=datetime(2030, 1, 31, 12, 5, tzinfo=UTC),
        margin_mode=canonical.MarginMode.ISOLATED,
        leader_position_before=Decimal("-0.5"),
        leader_position_after=Decimal(0),
    )
    assert signal.emitted_at.tzinfo is UTC
    assert parsed(canonical_to_json(signal)) == signal


def test_a_number_in_the_json_never_passes_through_a_float():
    body = b'{"size": 0.123456789012345678, "price": 12345678901234567890.5, "leverage": 1e1}'
    numbers = load_json(body)
    signal = parsed({**OPEN, **numbers})
    assert signal.size == Decimal("0.123456789012345678")
    assert signal.price == Decimal("12345678901234567890.5")
    assert signal.leverage == Decimal(10)
    with pytest.raises(SignalFormatError) as refused:
        parsed({**OPEN, "size": 0.1})
    assert refused.value.code is FormatCode.WRONG_TYPE


@pytest.mark.parametrize(
    "payload",
    [
        OPEN,
        without(OPEN, "size", "size_basis"),
        {**OPEN, "action": "increase"},
        {**OPEN, "action": "flip", "side": "short"},
        REDUCE,
        {**REDUCE, "size": "1"},
        {**REDUCE, "size": "3", "size_basis": "contracts"},
        without(REDUCE, "side"),
        CLOSE,
        {**CLOSE, "side": "short"},
        TARGET,
        {**without(TARGET, "side"), "size": "0"},
        {**OPEN, "size_basis": "equity_fraction", "size": "2"},
        {**OPEN, "price": "100", "stop_loss": "99", "take_profit": "101"},
        {**OPEN, "side": "short", "price": "100", "stop_loss": "101", "take_profit": "99"},
        {**OPEN, "emitted_at": "2030-01-31T12:00:05Z"},
        {**OPEN, "emitted_at": "2030-01-31T11:00:00.123456789Z"},
        {**OPEN, "symbol": "BTC-USDT-SWAP"},
    ],
)
def test_valid_signals_are_read(payload):
    assert parsed(payload).action == payload["action"]


@pytest.mark.parametrize(
    ("payload", "code", "field"),
    [
        ([], "not_an_object", ""),
        ("open", "not_an_object", ""),
        (None, "not_an_object", ""),
        ({**OPEN, "stoploss": "1"}, "unknown_field", "stoploss"),
        (without(OPEN, "action"), "missing_field", "action"),
        (without(OPEN, "symbol"), "missing_field", "symbol"),
        (without(OPEN, "emitted_at"), "missing_field", "emitted_at"),
        (without(OPEN, "side"), "missing_field", "side"),
        (without({**OPEN, "action": "flip"}, "side"), "missing_field", "side"),
        (without(OPEN, "size"), "missing_field", "size"),
        (without(OPEN, "size_basis"), "missing_field", "size_basis"),
        (without(REDUCE, "size", "size_basis"), "missing_field", "size"),
        (without(TARGET, "size", "size_basis"), "missing_field", "size"),
        (without(TARGET, "side"), "missing_field", "side"),
        ({**OPEN, "order_type": "limit"}, "missing_field", "price"),
        ({**OPEN, "action": "buy"}, "bad_choice", "action"),
        ({**OPEN, "action": 1}, "wrong_type", "action"),
        ({**OPEN, "side": None}, "wrong_type", "side"),
        ({**OPEN, "side": "LONG"}, "bad_choice", "side"),
        ({**OPEN, "order_type": "stop"}, "bad_choice", "order_type"),
        ({**OPEN, "size_basis": "position_fraction"}, "bad_choice", "size_basis"),
        ({**REDUCE, "size_basis": "equity_fraction"}, "bad_choice", "size_basis"),
        ({**TARGET, "size_basis": "position_fraction"}, "bad_choice", "size_basis"),
        ({**OPEN, "symbol": "btc/usdt"}, "bad_symbol", "symbol"),
        ({**OPEN, "symbol": "BTCUSDT"}, "bad_symbol", "symbol"),
        ({**OPEN, "symbol": "BTC/USDT:USDT\n"}, "bad_symbol", "symbol"),
        ({**OPEN, "symbol": "A" * 15 + "/" + "B" * 15 + ":" + "C" * 17}, "bad_symbol", "symbol"),
        ({**OPEN, "size": "-0.1"}, "not_positive", "size"),
        ({**OPEN, "size": Decimal("-0.1")}, "not_positive", "size"),
        ({**OPEN, "size": "0"}, "not_positive", "size"),
        ({**OPEN, "size": "0.000"}, "not_positive", "size"),
        ({**TARGET, "size": "-1"}, "not_positive", "size"),
        ({**OPEN, "size": "NaN"}, "not_finite", "size"),
        ({**OPEN, "size": "-Infinity"}, "not_finite", "size"),
        ({**OPEN, "size": Decimal("NaN")}, "not_finite", "size"),
        ({**OPEN, "size": Decimal("Infinity")}, "not_finite", "size"),
        ({**OPEN, "size": "1e5"}, "not_a_number", "size"),
        ({**OPEN, "size": " 1"}, "not_a_number", "size"),
        ({**OPEN, "size": "1\n"}, "not_a_number", "size"),
        ({**OPEN, "size": "１"}, "not_a_number", "size"),
        ({**OPEN, "size": ""}, "not_a_number", "size"),
        ({**OPEN, "size": True}, "wrong_type", "size"),
        ({**OPEN, "size": ["1"]}, "wrong_type", "size"),
        ({**OPEN, "size": "1" * 21}, "out_of_range", "size"),
        ({**OPEN, "size": "0." + "1" * 19}, "out_of_range", "size"),
        ({**OPEN, "size": Decimal("1e-19")}, "out_of_range", "size"),
        ({**OPEN, "size": Decimal("1e20")}, "out_of_range", "size"),
        ({**OPEN, "size": Decimal("1e999999")}, "out_of_range", "size"),
        ({**REDUCE, "size": "1.01"}, "out_of_range", "size"),
        ({**CLOSE, "size": "1", "size_basis": "base"}, "field_not_allowed", "size"),
        ({**CLOSE, "size_basis": "base"}, "field_not_allowed", "size_basis"),
        ({**CLOSE, "stop_loss": "1"}, "field_not_allowed", "stop_loss"),
        ({**REDUCE, "take_profit": "1"}, "field_not_allowed", "take_profit"),
        ({**TARGET, "size": "0", "stop_loss": "1"}, "field_not_allowed", "stop_loss"),
        ({**OPEN, "leverage": "0"}, "not_positive", "leverage"),
        ({**OPEN, "leader_equity": "-1"}, "not_positive", "leader_equity"),
        ({**LIMIT, "price": "0"}, "not_positive", "price"),
        ({**LIMIT, "stop_loss": "100"}, "wrong_side_of_price", "stop_loss"),
        ({**LIMIT, "take_profit": "99"}, "wrong_side_of_price", "take_profit"),
        ({**LIMIT, "side": "short", "stop_loss": "99"}, "wrong_side_of_price", "stop_loss"),
        ({**LIMIT, "side": "short", "take_profit": "101"}, "wrong_side_of_price", "take_profit"),
        ({**OPEN, "stop_loss": "2", "take_profit": "1"}, "wrong_side_of_price", "stop_loss"),
        ({**OPEN, "emitted_at": "2030-01-31T12:00:00"}, "bad_time", "emitted_at"),
        ({**OPEN, "emitted_at": "2030-01-31"}, "bad_time", "emitted_at"),
        ({**OPEN, "emitted_at": "2030-13-31T12:00:00Z"}, "bad_time", "emitted_at"),
        ({**OPEN, "emitted_at": "0001-01-01T00:00:00+14:00"}, "bad_time", "emitted_at"),
        ({**OPEN, "emitted_at": Decimal(1_900_000_000)}, "wrong_type", "emitted_at"),
        ({**OPEN, "emitted_at": "2030-01-31T12:00:06Z"}, "in_the_future", "emitted_at"),
        ({**OPEN, "emitted_at": "2030-01-30T11:59:59Z"}, "too_old", "emitted_at"),
        ({**OPEN, "expires_at": "2030-01-31T12:00:00Z"}, "bad_expiry", "expires_at"),
        ({**OPEN, "expires_at": "2030-02-02T12:00:00Z"}, "bad_expiry", "expires_at"),
    ],
)
def test_invalid_signals_are_refused_with_code_and_field(payload, code, field):
    with pytest.raises(SignalFormatError) as refused:
        parsed(payload)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"action=open", "invalid_json"),
        (b"\xff\xfe{}", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"size": 1, "size": 2}', "duplicate_field"),
        (b'{"size": 1e99999999999999999999}', "out_of_range"),
    ],
)
def test_a_body_that_is_no_clear_json_is_refused(body, code):
    with pytest.raises(SignalFormatError) as refused:
        load_json(body)
    assert refused.value.code == code


def test_a_very_long_number_is_refused_and_not_a_crash():
    with pytest.raises(SignalFormatError) as refused:
        parsed({**OPEN, **load_json(b'{"size": ' + b"9" * 200_000 + b"}")})
    assert refused.value.code is FormatCode.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC/USDT:USDT", "BTC/USDT:USDT"),
        ("BTC/USDT", "BTC/USDT"),
        ("BTC/USD:BTC-301227", "BTC/USD:BTC-301227"),
        ("BTC-USDT-SWAP", "BTC/USDT:USDT"),
        ("BTC-USD-SWAP", "BTC/USD:BTC"),
        ("BTC-USDT", "BTC/USDT"),
        ("BTC-USDT-301227", "BTC/USDT:USDT-301227"),
        ("BTC-USDT-PERP", None),
        ("BTCUSDT", None),
        ("", None),
    ],
)
def test_symbols_become_unified(text, symbol):
    assert unified_symbol(text) == symbol


def test_the_domain_and_the_table_know_the_same_words():
    for domain_words, stored_words in (
        (canonical.Action, Signal.Action),
        (canonical.Side, Signal.Side),
        (canonical.OrderType, Signal.OrderType),
        (canonical.SizeBasis, Signal.SizeBasis),
    ):
        assert {word.value for word in domain_words} == set(stored_words.values)


def test_the_clock_is_the_callers():
    later = NOW + timedelta(days=2)
    with pytest.raises(SignalFormatError) as refused:
        parsed(OPEN, now=later)
    assert refused.value.code is FormatCode.TOO_OLD
