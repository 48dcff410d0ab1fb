"""Whether a type checker knows every type in the package: run it as a module, as ``scripts/check --types`` does."""

import json
import subprocess
import sys
import tempfile

UNTYPED_BASES = ("mongojobs.enqueuing.documents.", "mongojobs.django.")
"""Where classes derive from those of MongoEngine and Django, which say nothing of their types."""


def main() -> None:
    """End with 1 and what is not known, if anything is."""
    with tempfile.TemporaryDirectory() as elsewhere:  # pyright would take the repository for the package
        told = subprocess.run(
            [sys.executable, "-m", "pyright", "--outputjson", "--ignoreexternal", "--verifytypes", "mongojobs"],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    report = json.loads(told)["typeCompleteness"]
    missing = [
        f"{symbol['name']}: {problem['message']}"
        for symbol in report["symbols"]
        for problem in symbol["diagnostics"]
        if not symbol["name"].startswith(UNTYPED_BASES)
    ]
    sys.stdout.write("\n".join([f"{len(report['symbols'])} symbols, {len(missing)} problems", *missing, ""]))
    sys.exit(bool(missing) or not report["symbols"])


if __name__ == "__main__":
    main()
