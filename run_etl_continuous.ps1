# FuturScam ETL every so many minutes until it is stopped:
#     .\run_etl_continuous.ps1 [-IntervalMinutes N] [arguments of "futurscam run"]
# Ends with the exit code of "futurscam loop", or with 2 where .venv could not be set up.
[CmdletBinding(PositionalBinding = $false)]
param(
    [string] $IntervalMinutes = '60',
    [switch] $Help,
    [Parameter(ValueFromRemainingArguments = $true)]
    [string[]] $Arguments = @()
)
if ($Help) {
    'Runs FuturScam ETL every N minutes, until Ctrl+C or "futurscam stop".'
    ''
    '    .\run_etl_continuous.ps1 [-IntervalMinutes N] [arguments of "futurscam run"]'
    ''
    'N is 60 where it is not given. "futurscam loop --help" says more.'
    exit 0
}
$Line = @('loop', '--interval', $IntervalMinutes, '--') + $Arguments
& "$PSScriptRoot\scripts\futurscam.ps1" @Line
exit $LASTEXITCODE
