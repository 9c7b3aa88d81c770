"""What an API key may be used for."""

from __future__ import annotations

import pytest

from trading.domain.key_rules import active_key_trouble, key_shortcoming, new_key_refusal
from trading.domain.reasons import Reason, ReasonCode
from venues.domain.types import AccountConfig


def config(*permissions: str, uid: str = "7") -> AccountConfig:
    return AccountConfig(
        uid=uid,
        position_mode="net",
        takes_contracts=True,
        permissions=frozenset(permissions),
        ip_restricted=True,
    )


@pytest.mark.parametrize("right", ["withdraw", "transfer"])
def test_a_key_that_can_move_money_out_is_never_taken_and_opens_nothing(right: str) -> None:
    able = config("read_only", "trade", right)
    assert new_key_refusal(able, venue_uid="7") == Reason(ReasonCode.KEY_CAN_WITHDRAW)
    assert active_key_trouble(able) == Reason(ReasonCode.KEY_GAINED_WITHDRAWAL)


def test_a_key_that_only_trades_is_taken() -> None:
    plain = config("read_only", "trade")
    for known in ("", "7"):
        assert new_key_refusal(plain, venue_uid=known) is None
    assert key_shortcoming(plain) is None
    assert active_key_trouble(plain) is None


def test_another_users_key_is_never_taken() -> None:
    reason = new_key_refusal(config("trade", uid="8"), venue_uid="7")
    assert reason == Reason(ReasonCode.KEY_OF_OTHER_USER, {"uid": "8", "expected": "7"})


def test_a_key_that_only_reads_is_not_used_yet() -> None:
    assert new_key_refusal(config("read_only"), venue_uid="") is None
    assert key_shortcoming(config("read_only")) == Reason(ReasonCode.KEY_CANNOT_TRADE)
    assert active_key_trouble(config("read_only")) == Reason(ReasonCode.KEY_CANNOT_TRADE)
