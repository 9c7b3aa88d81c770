"""What a staff role may do in the operator console: the one table that every screen asks.

A platform superuser may do everything that the screen itself allows (a ledger row is never
edited by anybody). Everybody else has exactly one role in the tenant they work in.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    TRADER = "trader"
    SUPPORT = "support"
    AUDITOR = "auditor"


class Verb(StrEnum):
    VIEW = "view"
    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"


class Resource(StrEnum):
    CUSTOMERS = "customers"
    """Customers and their portal logins."""
    TRADING = "trading"
    """Partners, accounts and their keys, sources, strategies, subscriptions, channels, signals
    by hand, kill switches."""
    ACCESS = "access"
    """Who may do what: memberships, API keys, the tenant's own settings."""
    LEDGER = "ledger"
    """What happened: only ever read."""
    PLATFORM = "platform"
    """Tenants, all users, schedules, the platform's kill switch: superusers only."""


_ALL = frozenset(Verb)
_READ = frozenset({Verb.VIEW})
_WORK = frozenset({Verb.VIEW, Verb.ADD, Verb.CHANGE})
_NOTHING: frozenset[Verb] = frozenset()

_TABLE: dict[Role, dict[Resource, frozenset[Verb]]] = {
    Role.OWNER: {
        Resource.CUSTOMERS: _ALL,
        Resource.TRADING: _ALL,
        Resource.ACCESS: _ALL,
        Resource.LEDGER: _READ,
        Resource.PLATFORM: _NOTHING,
    },
    Role.TRADER: {
        Resource.CUSTOMERS: _WORK,
        Resource.TRADING: _WORK,
        # a trader who could edit memberships could make himself owner
        Resource.ACCESS: _READ,
        Resource.LEDGER: _READ,
        Resource.PLATFORM: _NOTHING,
    },
    Role.SUPPORT: {
        Resource.CUSTOMERS: _WORK,
        Resource.TRADING: _READ,
        Resource.ACCESS: _READ,
        Resource.LEDGER: _READ,
        Resource.PLATFORM: _NOTHING,
    },
    Role.AUDITOR: {
        Resource.CUSTOMERS: _READ,
        Resource.TRADING: _READ,
        Resource.ACCESS: _READ,
        Resource.LEDGER: _READ,
        Resource.PLATFORM: _NOTHING,
    },
}


def role_allows(role: str | None, resource: Resource, verb: Verb) -> bool:
    """Whether a member with this role may; False for no or an unknown role."""
    try:
        known = Role(role or "")
    except ValueError:
        return False
    return verb in _TABLE[known][resource]
