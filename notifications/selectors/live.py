"""Who is at the other end of a WebSocket, what may they hear, and what did they miss."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.utils.crypto import constant_time_compare

from customers.domain.event_wire import NumberedEvent
from customers.selectors.access import chosen_customer, chosen_tenant
from customers.selectors.events import audience_sequence, events_between
from customers.services.events import customer_audience, staff_audience
from customers.tenancy import tenant_scope

STAFF = "staff"
CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Listener:
    """The one audience that a socket hears."""

    tenant_id: str
    audience: str


@dataclass(frozen=True, slots=True)
class Missed:
    """What came after a number; `events` is None when that is too much, or not there any more."""

    last_sequence: int
    events: list[NumberedEvent] | None


def listener_for(*, session_key: str | None, role: str = "") -> Listener | None:
    """Whom this session is now, read afresh; None when it may hear nothing.

    `role` is "staff" or "client", for a login that is both; without it staff comes first. The
    request names no tenant and no customer: the session's choice among the allowed ones counts.
    """
    if not session_key or role not in ("", STAFF, CLIENT):
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = _user_of(session)
    if user is None:
        return None
    tenant = chosen_tenant(user, session) if role != CLIENT else None
    if tenant is not None:
        return Listener(tenant.pk, staff_audience(tenant.pk))
    customer = chosen_customer(user, session) if role != STAFF else None
    if customer is not None:
        return Listener(customer.tenant_id, customer_audience(customer.pk))
    return None


def listener_sequence(listener: Listener) -> int:
    with tenant_scope(listener.tenant_id):
        return audience_sequence(listener.audience)


def listener_missed(listener: Listener, *, after: int, limit: int) -> Missed:
    with tenant_scope(listener.tenant_id):
        last = audience_sequence(listener.audience)
        if not 0 <= last - after <= limit:
            return Missed(last, None)
        events = events_between(audience=listener.audience, after=after, up_to=last)
    return Missed(last, events if len(events) == last - after else None)


def _user_of(session: Any) -> Any:
    """As django.contrib.auth.get_user, but it only reads: a socket can set no cookie, so it must
    not replace the session's key."""
    try:
        backend_path, user_id = session[BACKEND_SESSION_KEY], session[SESSION_KEY]
    except KeyError:
        return None
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(backend_path).get_user(user_id)
    if user is None:
        return None
    known = str(session.get(HASH_SESSION_KEY, ""))
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(known, value) for value in hashes) else None
