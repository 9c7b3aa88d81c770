"""What several stacks on one machine must not take from each other, and how each is started."""

import argparse
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from config.supervisor.ports import claimed
from config.supervisor.stack import PaperOptions, paper_argv
from venues.paper.server.cli import add_arguments

GIVEN = "from config.supervisor.ports import free_port; print(free_port(), flush=True); input()"


def test_a_port_is_given_to_one_process_until_that_ends():
    with subprocess.Popen(
        [sys.executable, "-c", GIVEN],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert not claimed(port)
        other.communicate("\n", timeout=20)
    assert claimed(port)
    assert not claimed(port)


def test_a_control_token_may_begin_with_a_dash():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = PaperOptions(port=1, accounts_file=Path("accounts.json"), control_token="-x")
    _, _, _, *arguments = paper_argv(options)
    assert parser.parse_args(arguments).control_token == "-x"
