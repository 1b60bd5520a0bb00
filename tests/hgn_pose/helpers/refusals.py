"""How the command line refuses bad input: with one message and the status 2."""

import io
import re
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass

import pytest


@dataclass
class Refusal:
    """What was printed to the standard error, known after the command has ended."""

    message: str = ""


@contextmanager
def refused(match=""):
    """The command inside ends with the status 2 and a message that the pattern is found in."""
    refusal = Refusal()
    printed = io.StringIO()
    with redirect_stderr(printed), pytest.raises(SystemExit) as stop:
        yield refusal
    assert stop.value.code == 2
    before, mark, refusal.message = printed.getvalue().rpartition("error: ")
    assert mark
    assert "Traceback" not in before
    assert re.search(match, refusal.message, re.DOTALL), refusal.message
