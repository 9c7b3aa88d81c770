"""One paper exchange with standing prices; each test has an account and an address of its own."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from config.demo.paper_control import PaperAccount
from tests.conftest import PaperServer
from tests.paper.client import PaperClient, PaperSocket

_addresses = itertools.count(2)


@pytest.fixture
def source_ip() -> str:
    """Limits per address are counted over all of 127.0.0.0/8: no test may eat another's."""
    number = next(_addresses)
    return f"127.1.{number // 250}.{number % 250 + 1}"


@pytest.fixture
def account(paper_exchange: PaperServer) -> PaperAccount:
    return paper_exchange.account()


@pytest.fixture
def client(
    paper_exchange: PaperServer, account: PaperAccount, source_ip: str
) -> Iterator[PaperClient]:
    made = PaperClient(paper_exchange.url, account, source_ip)
    yield made
    made.close()


@pytest.fixture
def open_socket(
    paper_exchange: PaperServer, source_ip: str
) -> Iterator[Callable[..., PaperSocket]]:
    opened: list[PaperSocket] = []

    def make(kind: str, account: PaperAccount | None = None) -> PaperSocket:
        opened.append(PaperSocket(paper_exchange.url, kind, source_ip))
        if account is not None:
            assert opened[-1].login(account)["event"] == "login"
        return opened[-1]

    yield make
    for made in opened:
        made.close()
