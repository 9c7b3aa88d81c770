"""The published JSON Schema and the parser accept and refuse the same documents."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from signals_app.domain import canonical
from signals_app.domain.canonical import canonical_from_json
from signals_app.domain.errors import FormatCode, SignalFormatError
from tests.signals_app.canonical.examples import CLOSE, LIMIT, NOW, OPEN, REDUCE, TARGET

SCHEMA_FILE = Path(canonical.__file__).with_name("signal.schema.json")
SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))

# What the schema's description says that it leaves to the parser: prices and times compared with
# each other and the clock, and the digits of a JSON number.
BEYOND_THE_SCHEMA = {
    FormatCode.WRONG_SIDE_OF_PRICE,
    FormatCode.BAD_RANGE,
    FormatCode.BAD_TARGETS,
    FormatCode.IN_THE_FUTURE,
    FormatCode.TOO_OLD,
    FormatCode.BAD_EXPIRY,
}

_formats = FormatChecker(formats=[])


@_formats.checks("date-time", raises=(ValueError, OverflowError))
def _is_a_time(text) -> bool:
    if isinstance(text, str):
        datetime.fromisoformat(text).astimezone(UTC)
    return True


VALIDATOR = Draft202012Validator(SCHEMA, format_checker=_formats)


def schema_accepts(document) -> bool:
    return VALIDATOR.is_valid(document)


def parser_verdict(document) -> FormatCode | None:
    try:
        canonical_from_json(document, NOW)
    except SignalFormatError as refused:
        return refused.code
    return None


def assert_agreement(document) -> None:
    code = parser_verdict(document)
    if code is None or code in BEYOND_THE_SCHEMA:
        errors = [error.message for error in VALIDATOR.iter_errors(document)]
        assert errors == [], f"the parser says {code}"
    else:
        assert not schema_accepts(document), f"the parser says {code}"


amounts = st.one_of(
    st.sampled_from(
        [
            "0",
            "0.0",
            "1",
            "1.0",
            "0.25",
            "01.50",
            "-1",
            "-0",
            "",
            "1e3",
            "NaN",
            "+1",
            ".5",
            "1.",
            "1\n",
            "1" * 20,
            "1" * 21,
            "0." + "0" * 17 + "1",
            "0." + "1" * 19,
            "1.01",
            "١",
        ]
    ),
    st.decimals(min_value=-2, max_value=10**6, places=6).map(lambda amount: format(amount, "f")),
    st.decimals(min_value=-2, max_value=10**21, places=6),
    st.sampled_from([Decimal(0), Decimal(1), Decimal("1E+2"), Decimal("1E+20"), True, None, []]),
)
times = st.one_of(
    st.sampled_from(
        [
            "2030-01-31T12:00:00Z",
            "2030-01-31T13:00:00.5+01:00",
            "2030-01-31T12:00:00Z\n",
            "2030-02-30T12:00:00Z",
            "2030-01-31T12:00:00",
            "2030-01-31",
            "soon",
            "",
            5,
            None,
            "2030-01-31t12:00:00Z",
            "2030-01-31T12:00:00.1234567891Z",
            "2030-01-31T24:00:00Z",
        ]
    ),
    st.text(max_size=30),
)
target_lists = st.one_of(
    st.sampled_from([[], {}, None, "1", [1], [{"fraction": "1"}], [{"price": "1", "x": 1}]]),
    st.lists(
        st.fixed_dictionaries({"price": amounts}, optional={"fraction": amounts}), max_size=11
    ),
)
words = {
    "action": [
        "open",
        "increase",
        "reduce",
        "close",
        "flip",
        "set_target",
        "stops",
        "buy",
        None,
        1,
    ],
    "symbol": [
        "BTC/USDT:USDT",
        "BTC/USDT",
        "BTC-USDT-SWAP",
        "BTC-USDT",
        "btc/usdt",
        "BTCUSDT",
        "",
        "BTC/USDT:USDT\n",
        "BTC/USD:BTC-301227",
        "BTC/USD:BTC-301227-50000-C",
        "A" * 49,
        7,
        "٣/A",
    ],
    "side": ["long", "short", "LONG", "", None],
    "margin_mode": ["cross", "isolated", "cash", None],
    "order_type": ["market", "limit", "stop", None],
    "size_basis": ["base", "contracts", "quote", "equity_fraction", "position_fraction", "x", None],
}
values = {
    **{name: st.sampled_from(choices) for name, choices in words.items()},
    **dict.fromkeys(
        (
            *("price", "size", "leader_equity", "leverage", "stop_loss", "take_profit"),
            *("leader_position_before", "leader_position_after"),
        ),
        amounts,
    ),
    **dict.fromkeys(("entry_low", "entry_high"), amounts),
    "targets": target_lists,
    "sequence": st.sampled_from([0, 1, 7, 2**53 - 1, 2**53, -1, Decimal(5), Decimal("5.5"), "5"]),
    "emitted_at": times,
    "expires_at": times,
    "stoploss": st.just("1"),
}
VALID = [OPEN, REDUCE, CLOSE, TARGET, LIMIT, {**TARGET, "size": "0"}]


@st.composite
def documents(draw):
    """A valid signal with up to four fields changed, added or left out: near the border."""
    document = dict(draw(st.sampled_from(VALID)))
    for name in draw(st.lists(st.sampled_from(sorted(values)), max_size=4, unique=True)):
        if name in document and draw(st.booleans()):
            del document[name]
        else:
            document[name] = draw(values[name])
    return document


@settings(max_examples=1500, deadline=None)
@given(documents())
@example({**TARGET, "size": "0", "stop_loss": "1"})
@example({**TARGET, "size": Decimal("0.00")})
@example({**OPEN, "symbol": f"{'A' * 15}/{'B' * 15}:{'C' * 15}-301227"})
@example({**REDUCE, "size": "1.000000000000000001"})
@example({**REDUCE, "targets": [{"price": "1"}, {"price": "1", "fraction": "1"}]})
@example({**OPEN, "targets": [{"price": "1"}, {"price": "1", "fraction": "1"}]})
@example({**LIMIT, "targets": [{"price": "1"}], "take_profit": "1"})
def test_parser_and_schema_agree(document):
    assert_agreement(document)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.decimals() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_anything_else_is_refused_by_both(document):
    assert parser_verdict(document) is not None
    assert not schema_accepts(document)


@pytest.mark.parametrize("document", VALID)
def test_the_schema_accepts_what_the_examples_are(document):
    assert schema_accepts(document)


def test_the_schema_is_a_valid_schema_and_names_every_field():
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == canonical.FIELD_NAMES
