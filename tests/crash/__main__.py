"""make crash [ACCOUNTS=200] [SECONDS=60] [DATABASE_URL=an empty one]; prints one JSON line.

Exit code 0 only when every account ended as set and each loss beyond a limit is explained. With
--rows each account's loss is printed before; the state directory with all logs is kept after a
failure, or with --keep.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys

from tests.bench.stack import prepare

SHOWN = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rows", action="store_true", help="each loss beyond its limit")
    parser.add_argument("--quiet", action="store_true", help="only the result")
    parser.add_argument("--keep", action="store_true", help="keep the state directory")
    options = parser.parse_args()
    state, port = prepare()
    from tests.crash.run import Options, Run

    run = Run(
        Options(options.accounts, options.seconds, options.quiet),
        state_dir=state,
        paper_port=port,
    )
    figures, verdict = asyncio.run(run())
    if options.rows:
        print((state / "rows.jsonl").read_text(encoding="utf-8"), end="")
    print(json.dumps(figures))
    if verdict.passed:
        if not options.keep:
            shutil.rmtree(state, ignore_errors=True)
        return 0
    sentences = verdict.sentences()
    for sentence in sentences[:SHOWN]:
        print(sentence, file=sys.stderr)
    print(
        f"{len(sentences)} findings; database, journal of the exchange and logs: {state}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
