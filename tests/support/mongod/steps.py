"""Steps are told on standard error, so that standard output holds answers only."""

import sys


def say(step: str) -> None:
    """Tell the person in front of the terminal what is being done."""
    print(f"== {step}", file=sys.stderr, flush=True)
