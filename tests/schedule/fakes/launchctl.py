"""A `launchctl` as documented: nothing is loaded twice, and unloaded agents are unknown."""

import json
import os
import plistlib
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_STATE"])
AGENT = STATE / "agent.json"


def end(code: int, text: str) -> None:
    """Print a text, and end."""
    (sys.stderr if code else sys.stdout).write(text)
    sys.exit(code)


verb, target, *arguments = sys.argv[1:]
with (STATE / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(["launchctl", *sys.argv[1:]]) + "\n")
if verb == "bootstrap":
    if AGENT.exists() or (STATE / "no-session").exists():
        end(5, "Bootstrap failed: 5: Input/output error\n")
    AGENT.write_text(json.dumps(plistlib.loads(Path(arguments[0]).read_bytes())))
    end(0, "")
if not AGENT.exists():
    end(113, f"Bad request.\nCould not find service in domain for {target}\n")
if verb == "bootout":
    AGENT.unlink()
    end(0, "")
end(0, (STATE / "print.txt").read_text())
