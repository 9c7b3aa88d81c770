"""What `manage.py demo` and `manage.py smoke` share: the stack with the paper exchange, seeded."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models import Q

from config.demo.paper_control import PaperControl
from config.demo.seed import DemoFiles, seed, write_paper_accounts
from config.supervisor.child import ChildSpec
from config.supervisor.stack import PaperOptions, StackOptions, stack
from customers.models import ExchangeAccount
from customers.tenancy import system_scope


@dataclass(frozen=True, slots=True)
class DemoStack:
    specs: list[ChildSpec]
    files: DemoFiles
    control: PaperControl


def prepare(*, port: int, token: str, keep_paper_state: bool, feed: str = "walk") -> DemoStack:
    """Migrate, write the exchange's accounts file, and say which processes to start."""
    files = DemoFiles(settings.VAR_DIR / "demo")
    call_command("migrate", verbosity=0, interactive=False)
    write_paper_accounts(files)
    paper_url = os.environ["PAPER_EXCHANGE_URL"]
    paper = PaperOptions(
        port=urlsplit(paper_url).port or 0,
        accounts_file=files.accounts,
        control_token=token,
        state_file=files.directory / "paper-exchange.journal" if keep_paper_state else None,
        feed=feed,
    )
    return DemoStack(
        specs=stack(StackOptions(port=port, paper=paper)),
        files=files,
        control=PaperControl(paper_url, token),
    )


async def seed_in_thread(files: DemoFiles) -> None:
    """Seeding beside the running loop; its database connection ends with it."""
    await asyncio.to_thread(_and_disconnect, lambda: seed(files))


async def accounts_read_in_thread(patience_seconds: float = 30.0) -> None:
    """Until workers have read every account once, but no longer than that: a signal before it is
    skipped by those that are not."""

    def all_read() -> bool:
        with system_scope("demo: have all accounts been read"):
            accounts = ExchangeAccount.objects.filter(status=ExchangeAccount.Status.ACTIVE)
            healthy = Q(health=ExchangeAccount.Health.HEALTHY)
            unread = Q(health=ExchangeAccount.Health.UNKNOWN) | healthy & Q(reconciled_at=None)
            return not accounts.filter(unread).exists()

    def wait() -> None:
        until = time.monotonic() + patience_seconds
        while not all_read() and time.monotonic() < until:
            time.sleep(0.2)

    await asyncio.to_thread(_and_disconnect, wait)


def _and_disconnect(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connection.close()
