"""A `powershell -Command` that prints the state, and fails without one."""

import os
import sys
from pathlib import Path

answer = Path(os.environ["FAKE_STATE"], "past.json")
if sys.argv[1:4] != ["-NoProfile", "-NonInteractive", "-Command"] or not answer.exists():
    sys.stderr.write("Get-ScheduledTask : le terme n'est pas reconnu.")
    sys.exit(1)
sys.stdout.write(answer.read_text("utf-8"))
