"""A client of the paper exchange's control API (docs/paper_exchange.md)."""

import http.client
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class PaperControlError(Exception):
    """The control API refused; the message is its answer."""


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """The keys of one account of the paper exchange."""

    api_key: str
    secret_key: str
    passphrase: str
    balances: dict[str, str]
    position_mode: str = "net_mode"
    account_level: str = "2"
    label: str = ""
    permissions: tuple[str, ...] = ("read_only", "trade")
    ips: tuple[str, ...] = ()
    lead_trader_code: str = ""

    def spec(self) -> dict[str, Any]:
        """One element of the exchange's accounts file."""
        return {
            "apiKey": self.api_key,
            "secretKey": self.secret_key,
            "passphrase": self.passphrase,
            "balances": self.balances,
            "posMode": self.position_mode,
            "acctLv": self.account_level,
            "permissions": list(self.permissions),
            "ips": list(self.ips),
            "label": self.label,
            "leadTraderCode": self.lead_trader_code,
        }


def invented_account(label: str = "", *, usdt: str = "100000", **changes: Any) -> PaperAccount:
    """A fresh account with random keys and a USDT balance."""
    return PaperAccount(
        **{
            "api_key": f"paper-{secrets.token_hex(8)}",
            "secret_key": secrets.token_hex(16),
            "passphrase": secrets.token_hex(8),
            "balances": {"USDT": usdt},
            "label": label,
            **changes,
        }
    )


@dataclass(frozen=True, slots=True)
class PaperControl:
    """Speaks to `url`/control/ with the exchange's control token."""

    url: str
    token: str
    timeout_seconds: float = 30.0

    def call(self, method: str, path: str, body: Any = None) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=self.timeout_seconds
        )
        try:
            connection.request(
                method,
                f"/control/{path}",
                body=None if body is None else json.dumps(body),
                headers={
                    "Authorization": f"Bearer {self.token}",
                    "Content-Type": "application/json",
                },
            )
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise PaperControlError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    def add_accounts(self, *accounts: PaperAccount) -> None:
        self.call("POST", "accounts", [account.spec() for account in accounts])

    def set_price(self, inst_id: str, price: str) -> None:
        self.call("POST", "prices", {"instId": inst_id, "px": price})

    def add_fault(self, action: str, **rule: Any) -> str:
        """Post one fault rule (fields as in docs/paper_exchange.md); its id comes back."""
        return str(self.call("POST", "faults", {"action": action, **rule})["ids"][0])

    def clear_faults(self) -> None:
        self.call("DELETE", "faults")

    def ledger(self, api_key: str = "") -> dict[str, list[dict[str, Any]]]:
        """Everything that was booked: `orders`, `fills` and `cash`, each row with its apiKey."""
        path = f"ledger?apiKey={api_key}" if api_key else "ledger"
        rows: dict[str, list[dict[str, Any]]] = self.call("GET", path)
        return rows
