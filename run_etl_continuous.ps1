<#
.SYNOPSIS
Runs FuturScam ETL every so many minutes until it is stopped.

.DESCRIPTION
Sets up .venv if it is missing, then runs now and every so many minutes.
Ctrl+C ends it gently: an active run is finished first. Where its output
goes through a pipe, Ctrl+C kills it; use "futurscam stop" there.

    .\run_etl_continuous.ps1 [[-IntervalMinutes] MINUTES] [arguments]

Arguments:

    -IntervalMinutes MINUTES
        From the start of a run to that of the next: 0.05 to 1440,
        by default 60. The name may be left out if the number is first.
    --source NAMES, --dry-run, ...
        Passed on to each "futurscam run". NAMES is one source, or several
        with commas.
    --help
        Sets up .venv if it is missing, then shows the help of
        "futurscam loop".
    -Help, -?
        Shows this help. Nothing is set up.

.EXAMPLE
.\run_etl_continuous.ps1

A run every hour.

.EXAMPLE
.\run_etl_continuous.ps1 30

A run every 30 minutes; the same as -IntervalMinutes 30.

.EXAMPLE
.\run_etl_continuous.ps1 30 --source folder,boond

Every 30 minutes, these two sources only.

.NOTES
Exit codes:

    0  ended by "futurscam stop"
    1  the loop failed
    2  wrong usage or settings, or .venv could not be set up
    4  the operator must act
    5  another loop is active

"powershell -File" passes the exit code on; with "powershell -Command"
any failure is 1.
After Ctrl+C, PowerShell itself may end with 1.
#>

if (-not (Test-Path -LiteralPath "$PSScriptRoot\scripts\futurscam.ps1")) {
    [Console]::Error.WriteLine("The folder scripts in $PSScriptRoot is incomplete. Nothing has run. Copy the whole project there again.")
    exit 2
}
& "$PSScriptRoot\scripts\futurscam.ps1" $PSCommandPath 'loop' @args
exit $LASTEXITCODE
