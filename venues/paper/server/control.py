"""The control API: accounts, prices, clock, faults and the ledger, for whoever holds the token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from venues.paper.engine.types import OkxError
from venues.paper.server.faults import FaultRule, FaultRuleError, matches_account
from venues.paper.server.http import http_response

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.http import Request
    from venues.paper.server.ws import WebSocketConnection


class ControlError(Exception):
    def __init__(self, status: int, msg: str) -> None:
        self.status = status
        self.msg = msg
        super().__init__(msg)


def is_loopback(ip: str) -> bool:
    return ip.startswith(("127.", "::ffff:127.")) or ip == "::1"


class Control:
    def __init__(self, server: PaperServer, token: str | None) -> None:
        self._server = server
        self._token = token.encode() if token else None

    def handle(self, request: Request) -> bytes:
        try:
            status, answer = self._dispatch(request)
        except ControlError as error:
            status, answer = error.status, {"error": error.msg}
        except FaultRuleError as error:
            status, answer = 400, {"error": str(error)}
        except OkxError as error:
            status, answer = 400, {"error": error.msg, "code": error.code}
        except (ValueError, ArithmeticError) as error:  # an amount that is no number
            status, answer = 400, {"error": str(error) or type(error).__name__}
        return http_response(status, orjson.dumps(answer))

    def _dispatch(self, request: Request) -> tuple[int, Any]:
        if not is_loopback(request.ip):
            raise ControlError(403, "the control API answers on loopback only")
        if self._token is None:
            raise ControlError(403, "no --control-token was given")
        given = request.headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            raise ControlError(401, "wrong or missing bearer token")
        method = request.method.decode()
        parts = request.path.decode("latin-1").removeprefix("/control/").strip("/").split("/")
        query = dict(parse_qsl(request.query.decode("latin-1")))
        match method, parts:
            case "POST", ["accounts"]:
                return self._accounts(self._body(request))
            case "GET", ["accounts"]:
                return 200, {"accounts": [_account(a) for a in self._server.exchange.accounts()]}
            case "POST", ["prices"]:
                return self._prices(self._body(request))
            case "POST", ["clock"]:
                return self._clock(self._body(request))
            case "GET", ["clock"]:
                return 200, self._time()
            case "POST", ["faults"]:
                return self._post_faults(self._body(request))
            case "GET", ["faults"]:
                rules = self._server.faults.rules.values()
                return 200, {"faults": [rule.describe() for rule in rules]}
            case "DELETE", ["faults"]:
                if "id" in query:
                    return self._delete_fault(query["id"])
                return 200, {"removed": self._server.faults.clear()}
            case "DELETE", ["faults", rule_id]:
                return self._delete_fault(rule_id)
            case "POST", ["limits"]:
                return self._limits(self._body(request))
            case "GET", ["sockets"]:
                return 200, {"sockets": self._server.hub.describe()}
            case "POST", ["deposits"]:
                return self._deposit(self._body(request))
            case "POST", ["funding-rate"]:
                return self._funding_rate(self._body(request))
            case "POST", ["fundings"]:
                return self._pay_funding(self._body(request))
            case "POST", ["instruments"]:
                return self._instrument(self._body(request))
            case "GET", ["ledger"]:
                return 200, self._ledger(query)
        raise ControlError(404, "no such control endpoint")

    def _body(self, request: Request) -> Any:
        try:
            return orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise ControlError(400, f"the body is not JSON: {error}") from None

    def _accounts(self, body: Any) -> tuple[int, Any]:
        specs = body if isinstance(body, list) else [body]
        exchange = self._server.exchange
        for spec in specs:
            if not isinstance(spec, dict):
                raise ControlError(400, "an account is a JSON object")
            missing = [k for k in ("apiKey", "secretKey", "passphrase") if not spec.get(k)]
            if missing:
                raise ControlError(400, f"account lacks {', '.join(missing)}")
        try:
            added = [exchange.add_account(spec) for spec in specs]
        except (ValueError, TypeError) as error:
            raise ControlError(400, str(error)) from None
        return 200, {"accounts": [_account(account) for account in added]}

    def _prices(self, body: Any) -> tuple[int, Any]:
        items = body if isinstance(body, list) else [body]
        for item in items:
            if not isinstance(item, dict) or not item.get("instId") or not item.get("px"):
                raise ControlError(400, "give instId and px")
        for item in items:
            self._server.exchange.set_price(str(item["instId"]), str(item["px"]))
        return 200, {"prices": items}

    def _clock(self, body: Any) -> tuple[int, Any]:
        """`offsetMs` from real time, `advanceMs` from where it stands, or `ts` to stand at now."""
        clock = self._server.clock
        if not isinstance(body, dict) or len(body) != 1:
            raise ControlError(400, "give one of offsetMs, advanceMs, ts")
        ((name, value),) = body.items()
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise ControlError(400, f"{name} is a number of milliseconds") from None
        match name:
            case "offsetMs":
                clock.offset_ms = number
            case "advanceMs":
                clock.offset_ms += number
            case "ts":
                clock.offset_ms += number - clock.now_ms()
            case _:
                raise ControlError(400, "give one of offsetMs, advanceMs, ts")
        self._server.exchange.tick()
        return 200, self._time()

    def _time(self) -> dict[str, Any]:
        clock = self._server.clock
        return {"ts": str(clock.now_ms()), "offsetMs": clock.offset_ms}

    def _limits(self, body: Any) -> tuple[int, Any]:
        if not isinstance(body, dict) or not isinstance(body.get("enabled"), bool):
            raise ControlError(400, "give enabled: true or false")
        self._server.limiter.enabled = body["enabled"]
        self._server.limiter.forget()
        return 200, {"enabled": self._server.limiter.enabled}

    def _deposit(self, body: Any) -> tuple[int, Any]:
        fields = self._fields(body, "apiKey", "ccy", "amt")
        if self._server.exchange.account_by_key(fields["apiKey"]) is None:
            raise ControlError(400, f"no account {fields['apiKey']}")
        row = self._server.exchange.deposit(
            fields["apiKey"], fields["ccy"], fields["amt"], to=str(body.get("to", "trading"))
        )
        return 200, row

    def _funding_rate(self, body: Any) -> tuple[int, Any]:
        fields = self._fields(body, "instId", "fundingRate")
        self._server.exchange.set_funding_rate(fields["instId"], fields["fundingRate"])
        return 200, fields

    def _pay_funding(self, body: Any) -> tuple[int, Any]:
        fields = self._fields(body, "instId")
        self._server.exchange.pay_funding(fields["instId"])
        return 200, fields

    def _instrument(self, body: Any) -> tuple[int, Any]:
        fields = self._fields(body, "instId", "state")
        self._server.exchange.set_instrument_state(fields["instId"], fields["state"])
        return 200, fields

    def _fields(self, body: Any, *names: str) -> dict[str, str]:
        if not isinstance(body, dict) or any(body.get(name) in (None, "") for name in names):
            raise ControlError(400, f"give {', '.join(names)}")
        return {name: str(body[name]) for name in names}

    # -- faults ---------------------------------------------------------------------------------

    def _post_faults(self, body: Any) -> tuple[int, Any]:
        rules = self._server.faults.add(body)
        for rule in rules:
            self._strike_sockets(rule)
        return 200, {
            "ids": [rule.id for rule in rules],
            "faults": [rule.describe() for rule in rules],
        }

    def _delete_fault(self, rule_id: str) -> tuple[int, Any]:
        if not self._server.faults.remove(rule_id):
            raise ControlError(404, f"no fault {rule_id}")
        return 200, {"removed": 1}

    def _strike_sockets(self, rule: FaultRule) -> None:
        if rule.action not in ("close_sockets", "freeze_sockets", "notice"):
            return
        for socket in self._server.hub.matching(rule.endpoint):
            if rule.accounts is not None and not matches_account(rule.accounts, socket.account):
                continue
            if rule.count is not None and rule.hits >= rule.count:
                break
            if rule.probability < 1.0 and rule.rng.random() >= rule.probability:
                continue
            rule.hits += 1
            self._strike_socket(rule, socket)

    def _strike_socket(self, rule: FaultRule, socket: WebSocketConnection) -> None:
        if rule.action == "freeze_sockets":
            socket.freeze(rule.ms / 1000)
        elif rule.action == "notice":
            socket.notice(rule.ms / 1000)
        elif rule.close_code is None:
            socket.abort()
        else:
            socket.close(rule.close_code, rule.msg or "")

    # -- ledger ---------------------------------------------------------------------------------

    def _ledger(self, query: dict[str, str]) -> dict[str, Any]:
        return self._server.exchange.ledger(query.get("apiKey"))


def _account(account: Any) -> dict[str, Any]:
    return {
        "uid": str(account.uid),
        "apiKey": account.api_key,
        "label": account.label,
        "acctLv": account.acct_lv,
        "posMode": account.pos_mode,
        "permissions": list(account.permissions),
        "ips": list(account.ips),
    }
