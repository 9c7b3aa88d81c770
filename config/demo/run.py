"""What `manage.py demo` and `manage.py smoke` share: the stack with the paper exchange, seeded."""

import asyncio
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from config.demo.paper_control import PaperControl
from config.demo.seed import DemoFiles, seed, write_paper_accounts
from config.supervisor.child import ChildSpec
from config.supervisor.stack import PaperOptions, StackOptions, stack


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

    def work() -> None:
        try:
            seed(files)
        finally:
            connection.close()

    await asyncio.to_thread(work)
