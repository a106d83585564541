"""A `systemctl --user` as documented, with instants in the zone that TZ names."""

import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_STATE"])
UNITS = Path(os.environ["XDG_CONFIG_HOME"], "systemd", "user")


def fail(text: str) -> None:
    """Print what went wrong, and end."""
    sys.stderr.write(text + "\n")
    sys.exit(1)


user, verb, *arguments = sys.argv[1:]
with (STATE / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(["systemctl", *sys.argv[1:]]) + "\n")
if user != "--user" or (STATE / "no-session").exists():
    fail("Failed to connect to bus: No medium found")
loaded = (STATE / "loaded").read_text().split() if (STATE / "loaded").exists() else []
if verb == "daemon-reload":
    (STATE / "loaded").write_text("\n".join(unit.name for unit in UNITS.glob("futurscam-etl.*")))
elif verb in {"enable", "restart", "disable"} and arguments[-1] not in loaded:
    fail(f"Failed to {verb} unit: Unit file {arguments[-1]} does not exist.")
elif verb == "show":
    units = json.loads((STATE / "units.json").read_text()) if (STATE / "units.json").exists() else {}
    known = {"LoadState": "loaded" if arguments[-1] in loaded else "not-found", **units.get(arguments[-1], {})}
    for name in arguments[0].removeprefix("--property=").split(","):
        sys.stdout.write(f"{name}={known.get(name, '').replace('ZONE', os.environ.get('TZ', 'CET'))}\n")
