"""Sharing out and netting, in figures and whatever the figures."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.reconciliation import (
    Attribution,
    FindingKind,
    SideBook,
    Unattributed,
    copies_of_side,
    has_our_form,
    name_of_loss,
    name_of_own,
    net_out,
    netted,
    opposed,
    share_out,
    target_after_share,
)

LOTS = st.sampled_from([D("0.01"), D(1), D(5)])


def book(rest: str, **copies: str) -> SideBook:
    held = {name: D(quantity) for name, quantity in copies.items()}
    return SideBook(held, Unattributed(D(rest), D(100), D(1)))


def test_a_reduction_by_hand_is_shared_out_pro_rata() -> None:
    assert net_out(book("-5", a="10", b="10"), D("0.01")) == {"a": D("-2.50"), "b": D("-2.50")}


def test_what_the_lot_leaves_over_is_the_largest_copys() -> None:
    assert net_out(book("-4", a="2", b="5", c="3"), D(1)) == {"b": D(-3), "c": D(-1)}


def test_of_equal_copies_the_older_one_takes_the_rest() -> None:
    assert net_out(book("-1", b="5", a="5"), D(1)) == {"a": D(-1)}


def test_the_clients_own_part_is_used_up_before_any_copy_loses() -> None:
    """Own 3, copies 10: selling 2 by hand leaves an own part of 1, and the copies alone."""
    assert net_out(book("1", a="10"), D(1)) == {}
    assert net_out(book("-2", a="10"), D(1)) == {"a": D(-2)}


def test_what_is_beyond_all_copies_stays_the_clients_own_short() -> None:
    both = book("-15", a="6", b="4")
    shares = net_out(both, D(1))
    assert shares == {"a": D(-6), "b": D(-4)}
    assert netted(both.unattributed, shares).quantity == D(-5)


def test_only_the_side_that_lost_pays() -> None:
    assert net_out(book("-3", a="4", b="-9"), D(1)) == {"a": D(-3)}
    held = [("a", D(4)), ("b", D(-9)), ("c", D(0))]
    assert copies_of_side(held, "long") == {"a": D(4)}
    assert copies_of_side(held, "short") == {"b": D(-9)}
    assert copies_of_side(held, "net") == {"a": D(4), "b": D(-9)}


def test_a_share_larger_than_all_claims_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="cannot be shared out"):
        share_out(D(3), {"a": D(2)}, D(1))


@given(
    claims=st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3),
        st.decimals(min_value="0.000000000000000001", max_value=10**15, places=18),
        min_size=1,
        max_size=6,
    ),
    part=st.decimals(min_value=0, max_value=1, places=6),
    lot=LOTS,
)
def test_shares_add_up_exactly_and_nobody_loses_more_than_he_has(
    claims: dict[str, D], part: D, lot: D
) -> None:
    amount = (sum(claims.values()) * part).quantize(D("0.000000000000000001"), "ROUND_DOWN")
    shares = share_out(amount, claims, lot)
    assert sum(shares.values(), D(0)) == amount
    assert all(0 < shares[key] <= claims[key] for key in shares)


@given(
    rest=st.decimals(min_value=-(10**9), max_value=10**9, places=8),
    copies=st.dictionaries(
        st.sampled_from("abcd"), st.decimals(min_value=-(10**9), max_value=10**9, places=8)
    ),
    lot=LOTS,
)
def test_netting_keeps_the_sum_and_leaves_nothing_on_both_sides(
    rest: D, copies: dict[str, D], lot: D
) -> None:
    before = SideBook(copies, Unattributed(rest, D(100), D(1)))
    shares = net_out(before, lot)
    left = {key: held + shares.get(key, D(0)) for key, held in copies.items()}
    after = SideBook(left, netted(before.unattributed, shares))
    assert after.total == before.total
    assert net_out(after, lot) == {}
    for key, held in copies.items():
        assert abs(left[key]) <= abs(held)
        assert left[key] * held >= 0


def test_a_target_follows_what_is_held() -> None:
    assert target_after_share(D("10.4"), D(-4), held=D(6), is_working=False) == D("6.4")
    assert target_after_share(D("10.4"), D(-10), held=D(0), is_working=False) == 0
    # Its exit of 10 is still working; when that ends unfilled it adds the 10 again.
    assert target_after_share(D(0), D(-10), held=D(0), is_working=True) == -10


def test_what_happened_has_a_name() -> None:
    assert name_of_loss(Attribution.MANUAL, left=D(0)) is FindingKind.MANUAL_CLOSE
    assert name_of_loss(Attribution.MANUAL, left=D(1)) is FindingKind.MANUAL_REDUCTION
    assert name_of_loss(Attribution.LIQUIDATION, left=D(0)) is FindingKind.LIQUIDATION
    assert name_of_loss(Attribution.ADL, left=D(1)) is FindingKind.ADL
    assert name_of_own(D(0), D(2)) is FindingKind.MANUAL_OPEN
    assert name_of_own(D(2), D(3)) is FindingKind.MANUAL_INCREASE
    assert name_of_own(D(2), D(-1)) is FindingKind.MANUAL_OPEN
    assert name_of_own(D(3), D(2)) is None
    assert name_of_own(D(3), D(0)) is None


def test_an_order_id_of_our_form_is_recognised() -> None:
    assert has_our_form("01jcqk4v6w8x9yzabcdefghjkm")
    assert not has_our_form("01JCQK4V6W8X9YZABCDEFGHJKM")
    assert not has_our_form("my-bot-1")
    assert not has_our_form("")


# --- opposite sides of one net position ---------------------------------------------------------


def test_copies_on_opposite_sides_settle_with_one_another() -> None:
    copies = {"a": D("0.69"), "b": D("-0.69"), "c": D(0)}
    assert opposed(copies, D("0.01")) == {"a": D("-0.69"), "b": D("0.69")}


def test_the_smaller_side_is_shared_out_over_the_larger() -> None:
    copies = {"a": D(3), "b": D(1), "c": D(-2)}
    assert opposed(copies, D("0.5")) == {"a": D("-1.5"), "b": D("-0.5"), "c": D(2)}


def test_copies_on_one_side_have_nothing_to_settle() -> None:
    assert opposed({"a": D(3), "b": D(1)}, D(1)) == {}
    assert opposed({"a": D(-3)}, D(1)) == {}


@given(
    copies=st.dictionaries(
        st.sampled_from("abcd"), st.decimals(min_value=-(10**9), max_value=10**9, places=8)
    ),
    lot=LOTS,
)
def test_settling_keeps_the_sum_and_leaves_one_side(copies: dict[str, D], lot: D) -> None:
    shares = opposed(copies, lot)
    left = {key: held + shares.get(key, D(0)) for key, held in copies.items()}
    assert sum(left.values()) == sum(copies.values())
    assert not (any(held > 0 for held in left.values()) and any(h < 0 for h in left.values()))
    assert all(left[key] * held >= 0 for key, held in copies.items())
