"""What a route is, and how parameters look when they reach the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

import orjson

from venues.paper.server.codes import RefusedError
from venues.paper.server.limits import Limit

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.http import Request

Params = dict[str, Any]
Rows = list[dict[str, Any]] | list[list[str]]
Permission = Literal["read_only", "trade", "withdraw"]

PREFIX = "/api/v5/"


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way to the engine."""

    server: PaperServer
    request: Request
    account: Any
    params: Any  # dict, or a list of dicts for the batch endpoints
    key: Any = None  # that signed it: the account itself, or one more key of it
    rules: tuple[Any, ...] = ()  # fault rules that shape the execution itself


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    handler: Callable[[Call], Any]
    private: bool = True
    permission: Permission = "read_only"
    limit: Limit | None = None
    # "rows": data in the plain envelope. "orders": per-row codes, inTime and outTime.
    shape: Literal["rows", "orders"] = "rows"
    batch: bool = False

    @property
    def full_path(self) -> bytes:
        return (PREFIX + self.path).encode()


def clean(item: Params) -> Params:
    """Drop what counts as absent and make numbers text: some SDKs fill every unused field."""
    out: Params = {}
    for key, value in item.items():
        kind = type(value)
        if kind is str:
            if value:
                out[key] = value
        elif value is None:
            continue
        elif kind is int or kind is float:
            out[key] = str(value)
        else:
            out[key] = value
    return out


def query_params(query: bytes) -> Params:
    if not query:
        return {}
    try:
        return dict(parse_qsl(query.decode("ascii")))
    except (ValueError, UnicodeDecodeError):
        raise RefusedError("51000", param="query") from None


def body_params(request: Request, *, batch: bool) -> Any:
    body = request.body
    if not body:
        raise RefusedError("50000")
    content_type = request.headers.get(b"content-type")
    if content_type is not None and b"json" not in content_type:
        raise RefusedError("50006")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError("50002") from None
    if type(parsed) is dict:
        # A single object where an array is due is read as an array of one.
        return [clean(parsed)] if batch else clean(parsed)
    if type(parsed) is list and batch:
        if not all(type(item) is dict for item in parsed):
            raise RefusedError("51000", param="args")
        return [clean(item) for item in parsed]
    raise RefusedError("50002")


def require(params: Params, *names: str) -> None:
    for name in names:
        if name not in params:
            raise RefusedError("50014", param=name)
