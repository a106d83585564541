"""Where `futurscam` and `python -m futurscam_lib` begin; so small that Ctrl+C is caught while all else is loaded."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command and end with its exit code."""
    try:
        from futurscam_lib.cli.app import main as command
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - what prints otherwise was not loaded
        sys.exit(1)
    command()


if __name__ == "__main__":
    main()
