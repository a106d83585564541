#!/bin/sh
# Sets up .venv in the present folder, unless it is there. Ends with 0, or with 2 and the reason on stderr.
what='.[alerts,export,local-server]'  # All that an operator needs; the versions are those that were tested.
usable='import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))'

say() {
    printf '%s\n' "$1" >&2
}

failed() {
    say 'Setting up .venv failed; the lines above say why. Nothing has run. Start this again once that is mended.'
    exit 2
}

# The command is what an installation puts there last: without it, .venv was not finished.
if [ -x .venv/bin/python ] && [ -x .venv/bin/futurscam ]; then
    exit 0
fi
say 'Setting up .venv, once. This needs the network and takes some minutes.'
if uv --version >/dev/null 2>&1; then
    uv venv --quiet --allow-existing .venv >&2 || failed
    uv pip install --quiet --python .venv -c constraints.txt -e "$what" >&2 || failed
    exit 0
fi
for python in python3.13 python3.12 python3.11 python3 python; do
    if "$python" -c "$usable" >/dev/null 2>&1; then
        "$python" -m venv .venv >&2 || failed
        .venv/bin/python -m pip install --quiet -c constraints.txt -e "$what" >&2 || failed
        exit 0
    fi
done
say 'FuturScam ETL needs uv, or Python 3.11, 3.12 or 3.13 (64 bit), and found neither.'
say 'Get uv from https://docs.astral.sh/uv/ or Python from https://www.python.org/downloads/ and start this again.'
exit 2
