"""Fills an empty database with the demo's cast; doing it again changes nothing.

The exchange's accounts file is written first, because the paper exchange reads it at its start;
the rows follow when Valkey is up, so that workers check each account's keys at once.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from config.demo.cast import (
    AURORA,
    CLIENT_LOGINS,
    DESK,
    FIRMS,
    LEADER_EQUITY,
    PARTNER,
    PARTNER_CUSTOMERS,
    STRATEGIES,
    DemoStrategy,
    Firm,
    Follower,
    followers,
)
from config.demo.paper_control import PaperAccount, invented_account
from customers.models import (
    ApiKey,
    Customer,
    ExchangeAccount,
    Membership,
    Partner,
    Tenant,
    User,
)
from customers.services.api_keys import api_key_create
from customers.services.credentials import credential_store
from customers.services.logins import LoginRefusedError, customer_login_grant, membership_grant
from customers.tenancy import tenant_scope
from notifications.models import NotificationChannel
from signals_app.models import Leader, SignalSource
from signals_app.services.leaders.keys import leader_key_store
from signals_app.services.sources import source_rotate_secret
from strategies.domain.admission import Visibility
from strategies.models import Strategy, Subscription

VENUE = "paper"
SUPERUSER = "admin@tandem.example"
WRONG_PASSPHRASE = "not-the-passphrase-of-this-key"  # noqa: S105  (wrong on purpose)


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What the demo keeps between runs beside the database; secret, like the database."""

    directory: Path

    @property
    def accounts(self) -> Path:
        return self.directory / "paper-accounts.json"

    @property
    def leader(self) -> Path:
        return self.directory / "leader.json"

    @property
    def api_token(self) -> Path:
        return self.directory / "partner-api-token"

    def kept_secret(self, name: str) -> str:
        """A random word that is made once, readable by its owner only."""
        path = self.directory / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(9))
        return path.read_text(encoding="utf-8").strip()

    @property
    def password(self) -> str:
        return self.kept_secret("password")


def write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_paper_accounts(files: DemoFiles) -> None:
    """One exchange account with random keys for each follower and each leader that has one.

    Made once; what is missing from a file of before is added.
    """
    accounts = (
        json.loads(files.accounts.read_text(encoding="utf-8")) if files.accounts.exists() else []
    )
    known = {row["label"] for row in accounts}
    accounts += [
        invented_account(
            follower.label,
            usdt=str(follower.balance),
            position_mode=(
                "long_short_mode" if follower.position_mode == "long_short" else "net_mode"
            ),
        ).spec()
        for follower in followers()
        if follower.label not in known
    ]
    accounts += [
        invented_account(
            terms.account_label, usdt=str(LEADER_EQUITY), permissions=("read_only", "trade")
        ).spec()
        for terms in STRATEGIES
        if terms.account_label and terms.account_label not in known
    ]
    if len(accounts) == len(known):
        return
    write_private(files.accounts, json.dumps(accounts, indent=1))


def read_paper_accounts(files: DemoFiles) -> dict[str, PaperAccount]:
    """The accounts file by label."""
    rows = json.loads(files.accounts.read_text(encoding="utf-8"))
    return {
        row["label"]: PaperAccount(
            api_key=row["apiKey"],
            secret_key=row["secretKey"],
            passphrase=row["passphrase"],
            balances=row["balances"],
            position_mode=row["posMode"],
            label=row["label"],
        )
        for row in rows
    }


def seed(files: DemoFiles) -> None:
    """Make what is missing of the cast. Call with the schema migrated and the files written."""
    actor = _login(SUPERUSER, "Administrator", files.password, superuser=True)
    keys = read_paper_accounts(files)
    for firm in FIRMS:
        tenant = _firm(firm, files.password, actor)
        with tenant_scope(tenant.pk):
            for terms in (*STRATEGIES, DESK):
                if terms.firm == firm.slug:
                    _strategy(tenant, terms, keys.get(terms.account_label), actor)
            for follower in followers():
                if follower.firm == firm.slug:
                    _follower(tenant, follower, keys[follower.label], actor)
            if firm is AURORA:
                _clients(tenant, files.password, actor)
                _partner(tenant, files, actor)
    _leader_file(files, keys, actor)


def _login(
    email: str, name: str, password: str, *, language: str = "en", superuser: bool = False
) -> User:
    known = User.objects.filter(email=email).first()
    if known is not None:
        return known
    create = User.objects.create_superuser if superuser else User.objects.create_user
    return create(email, password, name=name, language=language)


def _firm(firm: Firm, password: str, actor: User) -> Tenant:
    tenant, _ = Tenant.objects.get_or_create(
        slug=firm.slug, defaults={"name": firm.name, "language": firm.language}
    )
    _login(firm.operator, f"{firm.name} operator", password, language=firm.language)
    with tenant_scope(tenant.pk):
        if not Membership.objects.for_tenant(tenant).exists():
            membership_grant(
                tenant=tenant, email=firm.operator, role=Membership.Role.OWNER, actor=actor
            )
        NotificationChannel.objects.get_or_create(
            tenant=tenant,
            name="Desk mailbox",
            defaults={
                "kind": NotificationChannel.Kind.EMAIL,
                "addresses": [firm.operator],
                "language": firm.language,
            },
        )
    return tenant


def _strategy(
    tenant: Tenant, terms: DemoStrategy, leader_keys: PaperAccount | None, actor: User
) -> None:
    kind = SignalSource.Kind.WEBHOOK if leader_keys is None else SignalSource.Kind.LEADER
    if terms.by_hand:
        kind = SignalSource.Kind.MANUAL
    source, is_new = SignalSource.objects.get_or_create(
        tenant=tenant, name=terms.source, defaults={"kind": kind, "venue": VENUE}
    )
    if is_new and leader_keys is not None:
        leader_key_store(
            leader=Leader.objects.create(tenant=tenant, source=source),
            api_key=leader_keys.api_key,
            api_secret=leader_keys.secret_key,
            passphrase=leader_keys.passphrase,
            actor=actor,
        )
    Strategy.objects.get_or_create(
        tenant=tenant,
        name=terms.name,
        defaults={
            "source": source,
            "max_leverage": terms.max_leverage,
            "symbols": [symbol for symbol, _ in terms.entries],
            "visibility": Visibility.PUBLIC,  # clients try to begin a copy
        },
    )


@transaction.atomic
def _follower(tenant: Tenant, follower: Follower, keys: PaperAccount, actor: User) -> None:
    customer, _ = Customer.objects.get_or_create(
        tenant=tenant,
        external_reference=follower.reference,
        defaults={
            "name": follower.customer,
            "email": f"{follower.reference.lower()}@clients.example",
        },
    )
    account, is_new = ExchangeAccount.objects.get_or_create(
        tenant=tenant,
        customer=customer,
        label=follower.label,
        defaults={
            "venue": VENUE,
            "position_mode": follower.position_mode,
            "margin_mode": follower.margin_mode,
            "initial_balance": follower.balance,
            "max_leverage": follower.account_max_leverage,
        },
    )
    if is_new:
        credential_store(
            account=account,
            api_key=keys.api_key,
            api_secret=keys.secret_key,
            passphrase=WRONG_PASSPHRASE if follower.wrong_passphrase else keys.passphrase,
            actor=actor,
        )
    for name in follower.follows:
        strategy = Strategy.objects.for_tenant(tenant).get(name=name)
        Subscription.objects.get_or_create(
            tenant=tenant,
            strategy=strategy,
            account=account,
            defaults={
                "customer": customer,
                "sizing_mode": follower.sizing_mode,
                "fixed_amount": follower.fixed_amount,
                "ratio": follower.ratio,
                "max_leverage": follower.max_leverage,
            },
        )


def _clients(tenant: Tenant, password: str, actor: User) -> None:
    for email, reference in CLIENT_LOGINS.items():
        customer = Customer.objects.for_tenant(tenant).get(external_reference=reference)
        _login(email, customer.name, password)
        try:
            customer_login_grant(customer=customer, email=email, actor=actor)
        except LoginRefusedError as refused:
            if refused.code != "exists":
                raise


def _partner(tenant: Tenant, files: DemoFiles, actor: User) -> None:
    partner, _ = Partner.objects.get_or_create(tenant=tenant, name=PARTNER)
    references = [f"A-{number:03d}" for number in range(1, PARTNER_CUSTOMERS + 1)]
    Customer.objects.for_tenant(tenant).filter(
        external_reference__in=references, partner=None
    ).update(partner=partner)
    if not files.api_token.exists():
        created = api_key_create(
            tenant=tenant,
            partner=partner,
            name="Demo key",
            scopes=[ApiKey.Scope.READ, ApiKey.Scope.SIGNALS_WRITE],
            actor=actor,
        )
        write_private(files.api_token, created.token)


def _leader_file(files: DemoFiles, keys: dict[str, PaperAccount], actor: User) -> None:
    """The leaders' sources and their secrets, which can be read only when they are made; of a
    leader with an account its keys instead."""
    if files.leader.exists():
        return
    sources = []
    for terms in STRATEGIES:
        tenant = Tenant.objects.get(slug=terms.firm)
        with tenant_scope(tenant.pk):
            source = SignalSource.objects.for_tenant(tenant).get(name=terms.source)
            if source.kind == SignalSource.Kind.LEADER:
                account = keys[terms.account_label].spec()
                names = ("apiKey", "secretKey", "passphrase")
                sources.append(
                    {"strategy": terms.name, "keys": {name: account[name] for name in names}}
                )
                continue
            secret = source_rotate_secret(source=source, actor=actor)
        sources.append({"strategy": terms.name, "source_id": source.pk, "secret": secret})
    write_private(files.leader, json.dumps(sources, indent=1))
