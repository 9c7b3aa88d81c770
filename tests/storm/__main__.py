"""make stream-storm [SECONDS=600] [SEED=…] [DATABASE_URL=an empty one]; prints one JSON line.

Exit code 0 only when no change of a leader was followed twice or not at all and the books are the
exchange's. The state directory with all logs is kept after a failure, or with --keep.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time

from tests.bench.stack import prepare

SHOWN = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, which is printed")
    parser.add_argument("--followers", type=int, default=20)
    parser.add_argument("--quiet", action="store_true", help="only the result")
    parser.add_argument("--keep", action="store_true", help="keep the state directory")
    options = parser.parse_args()
    seed = options.seed or int(time.time()) % 1_000_000
    state, port = prepare()
    from tests.storm.run import Options, Run

    run = Run(
        Options(options.seconds, seed, options.followers, options.quiet),
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
        f"{len(sentences)} findings; again with: make stream-storm "
        f"SECONDS={options.seconds:.0f} SEED={seed}\n"
        f"database, journal of the exchange and logs: {state}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
