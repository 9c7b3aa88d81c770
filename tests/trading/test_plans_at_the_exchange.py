"""What planning orders is what the exchange takes. `make plans-check` does the same at length."""

from __future__ import annotations

from tests.bench.plan import followers, planned, rules_off, signal
from tests.bench.plans import PlanCheck


def test_no_random_plan_is_refused_for_size_step_or_price() -> None:
    found = PlanCheck(seed=20_26).run(2_000)
    assert found.shown == []
    assert (found.plans, found.refused) == (2_000, 0)
    assert found.accepted > 2_000


def test_the_bench_judges_by_every_rule_and_nobody_is_denied_early() -> None:
    everyone = followers(8)
    assert rules_off(everyone[0].settings) == ["close_only"]
    assert all(plan.legs[0].is_order for plan in planned(signal(), everyone))
