# "futurscam" with the arguments given, in the project's folder and its .venv, which is set up if it is missing.
# Ends with its exit code, or with 2 where .venv could not be set up.
$ErrorActionPreference = 'Continue'  # What a program writes to stderr is no error.
$PSNativeCommandUseErrorActionPreference = $false
$Arguments = $args
if (Test-Path -Path 'Variable:\PSNativeCommandArgumentPassing') {
    $PSNativeCommandArgumentPassing = 'Standard'
}
else {
    # Before 7.3, PowerShell drops empty arguments and does not escape the quotes in others.
    $Arguments = @($args | ForEach-Object { if ("$_" -eq '') { '""' } else { "$_" -replace '(\\*)"', '$1$1\"' } })
}
Push-Location -LiteralPath "$PSScriptRoot\.." -ErrorAction Stop
try {
    $global:LASTEXITCODE = 2  # It stays where what follows cannot even be started.
    & .\scripts\environment.ps1
    if ($LASTEXITCODE -eq 0) {
        $global:LASTEXITCODE = 2
        & .\.venv\Scripts\python.exe -X utf8 -m futurscam_lib @Arguments
    }
}
finally {
    Pop-Location
}
exit $LASTEXITCODE
