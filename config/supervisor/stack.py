"""Which processes the embedded default consists of, and how each is started."""

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands

from config.supervisor.child import ChildSpec
from config.supervisor.ports import LOOPBACK, http_answers
from config.supervisor.valkey import answers, socket_of, valkey_argv

STATE_STAGE, VENUE_STAGE, RELAY_STAGE, WORKER_STAGE, SOURCE_STAGE, DEMO_STAGE = range(6)
"""Started in this order and ended in the opposite one: no work comes in while workers end."""

# An order waits for nothing but orders, the look-up of an unclear one for nothing but look-ups:
# neither stands behind a thousand accounts to be read or a slow mail server.
WORKERS = {
    "worker-orders": ("signals,orders", 2),
    "worker-lookups": ("sync", 2),
    "worker-general": ("accounts,notify,default", 2),
}
ALL_QUEUES = ",".join(queues for queues, _ in WORKERS.values())


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """How the stack's own paper exchange is run."""

    port: int
    accounts_file: Path
    control_token: str
    state_file: Path | None = None
    feed: str = "walk"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class StackOptions:
    port: int
    host: str = LOOPBACK
    paper: PaperOptions | None = None


def manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *arguments)


def celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", *arguments)


def worker_argv(name: str, queues: str, processes: int) -> tuple[str, ...]:
    """No gossip, mingle or heartbeat: they are chatter between many workers, and cost when idle."""
    return celery(
        *("-A", "config", "worker"),
        *("--hostname", f"{name}@%h"),
        *("--queues", queues),
        *("--pool", "prefork", "--concurrency", str(processes)),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        *("--loglevel", "INFO"),
    )


def paper_argv(options: PaperOptions) -> tuple[str, ...]:
    """`manage.py paper_exchange` is the same program; without Django it is half the memory."""
    return (
        *(sys.executable, "-m", "venues.paper"),
        *("--host", LOOPBACK, "--port", str(options.port)),
        *("--feed", options.feed, "--seed", str(options.seed)),
        *("--accounts", str(options.accounts_file)),
        f"--control-token={options.control_token}",  # it may begin with a dash
        *(("--state", str(options.state_file)) if options.state_file else ()),
    )


def stack(options: StackOptions) -> list[ChildSpec]:
    """The processes of DESIGN §5; a Valkey only when REDIS_URL was not given."""
    base = {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    specs: list[ChildSpec] = []
    socket = socket_of(settings.REDIS_URL)
    if socket is not None and not os.environ.get("REDIS_URL"):
        specs.append(
            ChildSpec(
                name="valkey",
                argv=tuple(
                    valkey_argv(
                        socket_path=socket, directory=settings.VAR_DIR / "valkey", durable=True
                    )
                ),
                stage=STATE_STAGE,
                ready=partial(answers, socket),
            )
        )
    if options.paper is not None:
        specs.append(
            ChildSpec(
                name="paper-exchange",
                argv=paper_argv(options.paper),
                stage=VENUE_STAGE,
                env=base,
                ready=partial(
                    http_answers, f"http://{LOOPBACK}:{options.paper.port}/api/v5/public/time"
                ),
            )
        )
    specs.append(ChildSpec(name="relay", argv=manage("relay"), stage=RELAY_STAGE, env=base))
    if "streamer" in get_commands():
        specs.append(
            ChildSpec(name="streamer", argv=manage("streamer"), stage=RELAY_STAGE, env=base)
        )
    specs += [
        ChildSpec(
            name=name,
            argv=worker_argv(name, queues, processes),
            stage=WORKER_STAGE,
            env=base,
            # It finishes what is sent, and ends by itself after config.celery.DRAIN_SECONDS.
            stop_seconds=30,
        )
        for name, (queues, processes) in WORKERS.items()
    ]
    specs += [
        ChildSpec(
            name="beat",
            argv=celery("-A", "config", "beat", "--pidfile=", "--loglevel", "WARNING"),
            stage=SOURCE_STAGE,
            env=base,
        ),
        ChildSpec(
            name="web",
            argv=(
                *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
                *("--host", options.host, "--port", str(options.port)),
                *("--ws", "websockets-sansio", "--lifespan", "off", "--no-access-log"),
                # Open WebSockets would otherwise hold the shutdown for ever.
                *("--timeout-graceful-shutdown", "3"),
            ),
            stage=SOURCE_STAGE,
            env=base,
            ready=partial(http_answers, f"http://{LOOPBACK}:{options.port}/"),
        ),
    ]
    return specs
