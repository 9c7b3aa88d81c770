"""Account mode × position mode × margin mode × what is held × leverage, at the exchange: an entry
goes out, or a reason says what to do; and no account is refused twice for its modes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from typing import Any

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.paper.client import PaperClient, order
from tests.trading.world import World
from trading.models import Intent
from trading.reason_texts import reason_text

LEVELS = {"1": "spot", "2": "futures", "3": "multi-currency", "4": "portfolio"}
VENUE_MODES = {"net": "net_mode", "long_short": "long_short_mode"}
OTHER = {"net": "long_short", "long_short": "net"}


@dataclass(frozen=True)
class Case:
    level: str
    position_mode: str
    margin_mode: str
    held: str
    """Nothing, by the copy itself at 5×, or by the client's own hand at 3×."""
    leverage: str
    switched: str = ""
    """What the client changes at the exchange after the account was checked."""


def cases() -> list[Case]:
    found = [
        Case(*values)
        for values in product(
            LEVELS,
            VENUE_MODES,
            ("cross", "isolated"),
            ("nothing", "own", "by hand"),
            ("5", "10"),
        )
        if values[0] != "1" or values[3] == "nothing"  # spot mode holds no contracts
    ]
    for position_mode, margin, switched in product(
        VENUE_MODES, ("cross", "isolated"), ("position mode", "account mode")
    ):
        found.append(Case("2", position_mode, margin, "nothing", "5", switched))
    return found


def follower(world: World, case: Case) -> Subscription:
    keys = world.paper.account(
        position_mode=VENUE_MODES[case.position_mode], account_level=case.level
    )
    copy = world.follower(keys=keys, position_mode=case.position_mode)
    state(world, copy, case, leverage="5")
    return copy


def state(world: World, copy: Subscription, case: Case, *, leverage: str) -> None:
    values = {"margin_mode": case.margin_mode, "leverage_mode": "fixed", "leverage": leverage}
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=copy.pk).update(settings={"values": values, "symbols": {}})


def at_exchange(world: World, copy: Subscription, path: str, **body: Any) -> None:
    client = PaperClient(world.paper.url, world.keys[copy.account_id])
    answer = client.post(path, body)
    client.close()
    assert answer.code == "0", answer.text


def hold_by_hand(world: World, copy: Subscription, case: Case) -> None:
    side = "long" if case.position_mode == "long_short" else "net"
    at_exchange(
        world,
        copy,
        "trade/order",
        **order(
            instId="BTC-USDT-SWAP",
            side="buy",
            ordType="market",
            sz="3",
            tdMode=case.margin_mode,
            posSide=side,
        ),
    )


def switch(world: World, copy: Subscription, case: Case) -> None:
    if case.switched == "position mode":
        mode = VENUE_MODES[OTHER[case.position_mode]]
        at_exchange(world, copy, "account/set-position-mode", posMode=mode)
    elif case.switched == "account mode":
        at_exchange(world, copy, "account/set-account-level", acctLv="1")


def expected(case: Case) -> tuple[str, str]:
    """The reasons of the two entries, empty where they go out."""
    if case.switched == "position mode":
        return "account_mode_other", ""
    if case.switched == "account mode":
        return "account_mode_other", "contracts_not_taken"
    return ("contracts_not_taken",) * 2 if case.level == "1" else ("", "")


def refusals(intents: list[Intent]) -> int:
    """How many requests the exchange refused for parameters, modes or settings."""
    asked = [intent for intent in intents if intent.status != Intent.Status.SKIPPED]
    codes = [str(intent.reason_params.get("code", "")) for intent in asked]
    return sum(code.startswith(("510", "59")) for code in codes)


def test_every_combination_enters_or_says_what_to_do_and_is_refused_at_most_once(
    world: World,
) -> None:
    copies: dict[Case, Subscription] = {}
    wanted = cases()
    for case in wanted:
        if case.held == "own":
            copies[case] = follower(world, case)
    world.run(world.entry())
    for case, copy in copies.items():
        assert world.held(copy).filled == 10, case
    for case in wanted:
        if case.held != "own":
            copies[case] = follower(world, case)
    for case, copy in copies.items():
        if case.held == "by hand":
            hold_by_hand(world, copy, case)
        state(world, copy, case, leverage=case.leverage)
        world.refresh(copy.account_id)
        switch(world, copy, case)

    first = world.entry(size="0.01")
    world.run(first)
    with tenant_scope(world.tenant.pk):
        doubtful = ExchangeAccount.objects.exclude(health=ExchangeAccount.Health.HEALTHY)
        stopped = set(doubtful.values_list("pk", flat=True))
    assert stopped == {copy.account_id for case, copy in copies.items() if case.switched}
    refused_at_once = world.entry(size="0.01")
    world.run(refused_at_once)
    for account_id in stopped:
        world.refresh(account_id)
    second = world.entry(size="0.01")
    world.run(second)

    told = by_copy(world, [first, second])
    every = by_copy(world, [first, refused_at_once, second])
    wrong = {}
    for case, copy in copies.items():
        reasons = tuple(intent.reason_code for intent in told[copy.pk])
        filled = tuple(intent.status == "filled" for intent in told[copy.pk])
        if reasons != expected(case) or filled != tuple(not code for code in expected(case)):
            wrong[case] = [(each.reason_code, each.reason_params) for each in told[copy.pk]]
        for intent in told[copy.pk]:
            text = reason_text(intent.reason_code, intent.reason_params)
            assert not intent.reason_code or text != intent.reason_code
        assert refusals(every[copy.pk]) == int(bool(case.switched)), case
    assert wrong == {}
    for case, copy in copies.items():
        for row in world.ledger_orders(copy):
            assert row["tdMode"] == case.margin_mode
            if row["clOrdId"] and case.switched != "account mode":
                hedged = (case.position_mode == "long_short") != (case.switched == "position mode")
                assert row["posSide"] == ("long" if hedged else "net"), case
        entered = [row["lever"] for row in world.ledger_orders(copy) if row["clOrdId"]]
        assert not entered or entered[-1] == case.leverage, case


def by_copy(world: World, signals: list[Signal]) -> dict[str, list[Intent]]:
    found: dict[str, list[Intent]] = defaultdict(list)
    for signal in signals:
        for intent in world.intents(signal):
            assert intent.subscription_id is not None
            found[intent.subscription_id].append(intent)
    return found
