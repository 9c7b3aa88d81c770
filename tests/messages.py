"""Compile the translations, or check that each compiled file is that of its source.

The compiled files are committed, so that running Tandem needs no gettext.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sources() -> list[Path]:
    return sorted(
        path for path in ROOT.glob("**/locale/*/LC_MESSAGES/*.po") if ".venv" not in path.parts
    )


def compiled(source: Path) -> bytes:
    """What msgfmt makes of it; its own checks (placeholders, syntax) raise."""
    command = ["msgfmt", "--check", "--output-file=-", str(source)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def main(arguments: list[str]) -> int:
    if shutil.which("msgfmt") is None:
        print("msgfmt is missing (on Debian: apt install gettext)", file=sys.stderr)
        return 1
    stale = []
    for source in sources():
        target, content = source.with_suffix(".mo"), compiled(source)
        if "--check" not in arguments:
            target.write_bytes(content)
        elif not target.exists() or target.read_bytes() != content:
            stale.append(source)
    for source in stale:
        print(f"{source.relative_to(ROOT)} was not compiled: run `make messages`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
