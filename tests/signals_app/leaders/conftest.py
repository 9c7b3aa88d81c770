"""A leader's account on the paper exchange, traded by the exchange's official SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from okx import Account, MarketData, Trade

from config.demo.paper_control import PaperAccount
from customers.tenancy import tenant_scope
from signals_app.models import (
    Leader,
    LeaderCredential,
    LeaderPosition,
    LeaderTrade,
    Signal,
    SignalSource,
)
from signals_app.services.leaders.reconciling import leader_reconcile
from tests import factories as make
from tests.conftest import PaperServer
from venues import markets, runtime

INST = "BTC-USDT-SWAP"


@pytest.fixture(autouse=True)
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that were asked for, once their transaction was committed."""
    asked: list[tuple[str, dict[str, Any]]] = []
    for module in ("customers.wakeup", "signals_app.services.leaders.streaming"):
        monkeypatch.setattr(f"{module}.wake", lambda name, **ids: asked.append((name, ids)))
    return asked


@dataclass
class LeaderWorld:
    paper: PaperServer
    keys: PaperAccount
    leader: Leader

    def __post_init__(self) -> None:
        signed = (self.keys.api_key, self.keys.secret_key, self.keys.passphrase)
        self.trading = Trade.TradeAPI(*signed, domain=self.paper.url, debug=False)
        self.account = Account.AccountAPI(*signed, domain=self.paper.url, debug=False)

    # --- by the SDK -----------------------------------------------------------------------

    def order(self, side: str, size: str, *, inst: str = INST, **fields: str) -> str:
        """Place an order; its id."""
        values = {"tdMode": "cross", "ordType": "market", **fields}
        answer = self.trading.place_order(instId=inst, side=side, sz=size, **values)
        assert answer["code"] == "0", answer
        return str(answer["data"][0]["ordId"])

    def paper_price(self) -> str:
        return str(
            MarketData.MarketAPI(domain=self.paper.url, debug=False).get_ticker(INST)["data"][0][
                "last"
            ]
        )

    # --- by us ----------------------------------------------------------------------------

    def reconcile(self) -> list[Signal]:
        with tenant_scope(self.leader.tenant_id):
            return leader_reconcile(tenant_id=self.leader.tenant_id, leader_id=self.leader.pk)

    def reload(self) -> Leader:
        with tenant_scope(self.leader.tenant_id):
            self.leader = Leader.objects.select_related("source").get(pk=self.leader.pk)
            return self.leader

    def change(self, **fields: Any) -> None:
        with tenant_scope(self.leader.tenant_id):
            Leader.objects.filter(pk=self.leader.pk).update(**fields)

    def lifetime(self, seconds: int) -> None:
        with tenant_scope(self.leader.tenant_id):
            SignalSource.objects.filter(pk=self.leader.source_id).update(
                signal_lifetime_seconds=seconds
            )

    def signals(self) -> list[Signal]:
        with tenant_scope(self.leader.tenant_id):
            return list(Signal.objects.filter(source=self.leader.source).order_by("pk"))

    def told(self) -> list[tuple[str, str, str]]:
        """(action, before → after, why it is not followed) of every signal."""
        return [
            (
                signal.action,
                f"{signal.leader_position_before} → {signal.leader_position_after}",
                signal.skip_code,
            )
            for signal in self.signals()
        ]

    def positions(self) -> dict[tuple[str, str], Any]:
        with tenant_scope(self.leader.tenant_id):
            rows = LeaderPosition.objects.filter(leader=self.leader)
            return {(r.symbol, r.position_side): r.quantity for r in rows if r.quantity}

    def trades(self) -> list[LeaderTrade]:
        with tenant_scope(self.leader.tenant_id):
            return list(LeaderTrade.objects.filter(leader=self.leader).order_by("filled_at", "pk"))

    def keys_by_status(self) -> dict[str, LeaderCredential]:
        with tenant_scope(self.leader.tenant_id):
            return {row.status: row for row in LeaderCredential.objects.filter(leader=self.leader)}


MakeLeader = Callable[..., LeaderWorld]


@pytest.fixture
def make_leader(transactional_db: Any, paper_exchange: PaperServer) -> Iterator[MakeLeader]:
    """`make_leader(permissions=("read_only",), position_mode="long_short_mode", started=False)`."""
    runtime.close_gateways()
    markets.forget_markets()
    paper_exchange.control.call("POST", "limits", {"enabled": False})

    def made(*, started: bool = True, credential: bool = True, **account: Any) -> LeaderWorld:
        keys = paper_exchange.account(**account)
        code = account.get("lead_trader_code", "")
        kind = {"source__kind": "lead_trader"} if code else {}
        leader = make.LeaderFactory(source__venue="paper", lead_trader_code=code, **kind)
        if credential:
            make.LeaderCredentialFactory(
                leader=leader,
                api_key=keys.api_key,
                api_secret=keys.secret_key,
                passphrase=keys.passphrase,
            )
        world = LeaderWorld(paper_exchange, keys, leader)
        if started:
            assert world.reconcile() == []
            assert world.reload().started_at is not None
        return world

    yield made
    paper_exchange.control.call("POST", "limits", {"enabled": True})
    runtime.close_gateways()
