"""make chaos [INTENTS=10000] [SEED=…] [DATABASE_URL=an empty one]; prints one JSON line.

Exit code 0 only when nothing was doubled, lost, of a wrong size or left without an end. The
state directory with all logs is kept after a failure, or with --keep.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

SHOWN = 60


def _prepare_environment(state: Path, port: int) -> None:
    """Before Django reads its settings."""
    os.environ["VAR_DIR"] = str(state)
    os.environ["PAPER_EXCHANGE_URL"] = f"http://127.0.0.1:{port}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    os.environ["FANOUT_WORKERS"] = "4"
    for name in ("REDIS_URL", "FAILPOINTS", "FAILPOINTS_SEED"):
        os.environ.pop(name, None)
    if not os.environ.get("DATABASE_URL"):
        os.environ.pop("DATABASE_URL", None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intents", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, which is printed")
    parser.add_argument("--strength", type=float, default=1.0, help="scales all chances; 0: calm")
    parser.add_argument("--quiet", action="store_true", help="only the result")
    parser.add_argument("--keep", action="store_true", help="keep the state directory")
    options = parser.parse_args()
    seed = options.seed or int(time.time()) % 1_000_000

    from config.supervisor.ports import free_port

    state = Path(tempfile.mkdtemp(prefix="tandem-chaos-"))
    port = free_port()
    _prepare_environment(state, port)
    import django

    django.setup()
    from tests.chaos.run import Options, Run

    run = Run(
        Options(options.intents, seed, options.strength, options.quiet),
        state_dir=state,
        paper_port=port,
    )
    figures, verdict = asyncio.run(run())
    print(json.dumps(figures))
    if verdict.passed:
        if not options.keep:
            shutil.rmtree(state, ignore_errors=True)
        return 0
    sentences = verdict.sentences()
    for sentence in sentences[:SHOWN]:
        print(sentence, file=sys.stderr)
    print(
        f"{len(sentences)} findings; again with: make chaos INTENTS={options.intents} SEED={seed}\n"
        f"database, journal of the exchange and logs: {state}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
