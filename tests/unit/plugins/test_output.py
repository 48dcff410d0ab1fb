"""What a log line needs to be written."""

import subprocess
import sys

DIES = """
import logging, os, sys
from mongojobs.plugins.output import LogHandler

logging.getLogger().addHandler(LogHandler(sys.stdout.buffer, at_once=True))
logging.getLogger().setLevel("INFO")
logging.info("its last words")
os._exit(3)
"""


class TestALine:
    def test_is_written_at_once_for_a_process_that_may_end_without_a_word(self):
        died = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=False)

        assert (died.returncode, died.stdout) == (3, "its last words\n")
