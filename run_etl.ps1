<#
.SYNOPSIS
Does one run of FuturScam ETL.

.DESCRIPTION
Sets up .venv if it is missing, then does one run, from any folder.

    .\run_etl.ps1 [arguments]

Arguments:

    --since INSTANT, --until INSTANT, --source NAMES, --dry-run, ...
        Passed on to "futurscam run". NAMES is one source, or several
        with commas.
    --help
        Sets up .venv if it is missing, then shows all arguments of
        "futurscam run".
    -Help, -?
        Shows this help. Nothing is set up.

.EXAMPLE
.\run_etl.ps1

One run.

.EXAMPLE
.\run_etl.ps1 --since 2026-11-20 --source folder,boond --dry-run

Reads two sources since that day, and writes nothing to MongoDB.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File C:\FuturScam\run_etl.ps1

One run from anywhere, where scripts are not allowed.

.NOTES
Exit codes:

    0  done
    1  the run failed
    2  wrong usage or settings, or .venv could not be set up
    3  something that it needs did not answer; the next run tries again
    4  the operator must act
    5  another run is active

"powershell -File" passes the exit code on; with "powershell -Command"
any failure is 1.
#>

if (-not (Test-Path -LiteralPath "$PSScriptRoot\scripts\futurscam.ps1")) {
    [Console]::Error.WriteLine("The folder scripts in $PSScriptRoot is incomplete. Nothing has run. Copy the whole project there again.")
    exit 2
}
& "$PSScriptRoot\scripts\futurscam.ps1" $PSCommandPath 'run' @args
exit $LASTEXITCODE
