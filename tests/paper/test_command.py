"""The command: options, ready line, clean ends, no database, and the module without Django."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.supervisor.ports import free_port
from tests.conftest import PaperStarter
from tests.paper.client import PaperClient, order
from tests.processes.live import wait_for

ROOT = Path(__file__).parents[2]


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v5/public/time", timeout=1) as r:
            return json.load(r)["code"] == "0"
    except OSError:
        return False


@pytest.fixture
def accounts_file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.json"
    path.write_text(
        json.dumps(
            [
                {
                    "apiKey": "key-from-file",
                    "secretKey": "s",
                    "passphrase": "p",
                    "balances": {"USDT": "1234.5"},
                    "posMode": "net_mode",
                    "acctLv": "2",
                    "permissions": ["read", "trade"],
                    "ips": [],
                }
            ]
        )
    )
    return path


@pytest.mark.parametrize("how", [("manage.py", "paper_exchange"), ("-m", "venues.paper")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_with_0(
    accounts_file: Path, how: tuple[str, str], number: signal.Signals
) -> None:
    port = free_port()
    # A database that cannot be reached shows that none is touched.
    environment = {**os.environ, "DATABASE_URL": "mysql://nobody@127.0.0.1:1/none"}
    if how[0] == "manage.py":
        environment.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    else:
        environment.pop("DJANGO_SETTINGS_MODULE", None)
    process = subprocess.Popen(
        [
            sys.executable,
            *how,
            "--port",
            str(port),
            "--feed",
            "static",
            "--seed",
            "3",
            "--accounts",
            str(accounts_file),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(
            lambda: answers(port) or process.poll() is not None,
            seconds=20,
            what="the exchange answers",
        )
        from config.demo.paper_control import PaperAccount

        account = PaperAccount("key-from-file", "s", "p", {})
        client = PaperClient(f"http://127.0.0.1:{port}", account)
        assert client.get("account/balance").row["details"][0]["cashBal"] == "1234.5"
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert f"http://127.0.0.1:{port}" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--accounts", "/nowhere.json"), "/nowhere.json"),
        (("--feed", "/nowhere.csv"), "/nowhere.csv"),
    ],
)
def test_it_says_why_it_cannot_start(arguments: tuple[str, ...], says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "venues.paper", "--port", "0", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_token_there_is_no_control_api() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "venues.paper", "--port", str(port), "--feed", "static"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: answers(port), seconds=20, what="the exchange answers")
        answer = PaperClient(f"http://127.0.0.1:{port}").send("GET", "/control/ledger")
    finally:
        process.terminate()
        process.wait(10)
    assert answer.status == 403


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "paper.state"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_state_survives_a_restart(
    start_paper_exchange: PaperStarter, state: Path, number: signal.Signals
) -> None:
    first = start_paper_exchange("--state", str(state))
    account = first.account()
    client = PaperClient(first.url, account)
    placed = client.post("trade/order", order(clOrdId="kept1", sz="2")).row
    resting = client.post(
        "trade/order",
        order(
            instId="BTC-USDT",
            tdMode="cash",
            ordType="limit",
            px="30000",
            sz="0.01",
            clOrdId="kept2",
        ),
    ).row
    assert resting["sCode"] == "0", resting
    os.kill(first.pid, number)  # kill -9 at once after the answer, in one of the cases
    wait_for(lambda: not answers(first.port), seconds=10, what="the first one is gone")
    second = start_paper_exchange("--state", str(state))
    client = PaperClient(second.url, account)
    row = client.get("trade/order?instId=BTC-USDT-SWAP&clOrdId=kept1").row
    assert (row["ordId"], row["state"]) == (placed["ordId"], "filled")
    assert [p["pos"] for p in client.get("account/positions").data] == ["2"]
    pending = client.get("trade/orders-pending").data
    assert [r["ordId"] for r in pending] == [resting["ordId"]]
    assert client.post("trade/order", order()).row["ordId"] not in {
        placed["ordId"],
        resting["ordId"],
    }


def test_ack_matching_books_without_book_and_pushes(start_paper_exchange: PaperStarter) -> None:
    venue = start_paper_exchange("--matching", "ack")
    account = venue.account()
    client = PaperClient(venue.url, account)
    assert client.post("trade/order", order(sz="2", clOrdId="ack1")).row["sCode"] == "0"
    ledger = venue.control.ledger(account.api_key)
    assert [(o["clOrdId"], o["accFillSz"]) for o in ledger["orders"]] == [("ack1", "2")]
    assert len(ledger["fills"]) == 1
    assert [p["pos"] for p in client.get("account/positions").data] == ["2"]
