# One run of FuturScam ETL, from wherever it is called: .\run_etl.ps1 [arguments of "futurscam run"]
# Sets up .venv if it is missing. Ends with the exit code of the run, or with 2 where .venv could not be set up.
& "$PSScriptRoot\scripts\futurscam.ps1" 'run' @args
exit $LASTEXITCODE
