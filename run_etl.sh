#!/bin/sh
# One run of FuturScam ETL, from wherever it is called: run_etl.sh [arguments of `futurscam run`]
# Sets up .venv if it is missing. Ends with the exit code of the run, or with 2 where .venv could not be set up.
CDPATH='' cd -- "$(dirname -- "$0")" || exit 2
sh scripts/environment.sh || exit 2
exec .venv/bin/python -X utf8 -m futurscam_lib run "$@"
