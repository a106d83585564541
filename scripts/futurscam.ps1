# Runs "futurscam" in the project's folder and its .venv, which is set up if it is missing.
#     futurscam.ps1 PATH-OF-THE-CALLING-SCRIPT VERB [ARGUMENTS], where VERB is "run" or "loop"
# Ends with the exit code of "futurscam", or with 2 if it could not be started.
$ErrorActionPreference = 'Continue'  # What a program writes to stderr is no error.
$PSNativeCommandUseErrorActionPreference = $false

function Stop-Start([string] $Text) {
    [Console]::Error.WriteLine($Text)
    exit 2
}

function ConvertTo-Text([object[]] $Items) {
    # The arguments as they were typed.
    $Texts = @()
    $Torn = $false
    foreach ($Item in $Items) {
        $Text = $Item -join ','  # A comma makes an array.
        $IsName = $Item -is [string] -and $null -ne $Item.PSObject.Properties['<CommandParameterName>']
        if ($Torn -and -not $IsName) {
            $Texts[-1] += ":$Text"
        }
        else {
            $Texts += $Text
        }
        # "-File" splits --since=2026-11-20T10:00 at the colon.
        $Torn = $IsName -and $Text -match '='
    }
    return , $Texts
}

function ConvertTo-Quoted([string] $Text, [bool] $DoubleLast) {
    # The argument as PowerShells before 7.3 must be given it: they drop empty ones and do not escape quotes.
    if ($Text -eq '') {
        return '""'
    }
    $Text = $Text -replace '(\\*)"', '$1$1\"'
    # Before 6, PowerShell puts quotes around white space, but does not double the backslashes before the last quote.
    if ($DoubleLast -and $Text -match '\s') {
        $Text = $Text -replace '(\\+)$', '$1$1'
    }
    return $Text
}

function Get-LoopLine([string[]] $Texts) {
    # The arguments of "futurscam loop".
    if ($Texts -contains '--help') {
        return 'loop', '--help'
    }
    $Minutes = '60'
    $OfRun = @()
    $IsMinutes = $Texts.Count -gt 0 -and $Texts[0] -notlike '-*'
    foreach ($Text in $Texts) {
        if ($IsMinutes) {
            $Minutes = $Text
            $IsMinutes = $false
        }
        elseif ($Text -match '^--?i(nterval(minutes)?)?:?$') {
            $Minutes = ''
            $IsMinutes = $true
        }
        elseif ($Text -ne '--') {
            $OfRun += $Text
        }
    }
    if ($Minutes -notmatch '^([0-9]{1,4}|[0-9]{0,4}[.][0-9]{1,9})$' -or [double] $Minutes -lt 0.05 -or [double] $Minutes -gt 1440) {
        Stop-Start "-IntervalMinutes '$Minutes' is not allowed: give a number of minutes from 0.05 to 1440, such as 30 or 0.5. Nothing has run."
    }
    return @('loop', '--interval', $Minutes, '--') + $OfRun
}

$Starter = $args[0]
$Verb = $args[1]
$Arguments = ConvertTo-Text @($args | Select-Object -Skip 2)
if ($Arguments -match '^-h(elp)?$') {
    Get-Help -Name $Starter -Full
    exit 0
}
if ($Verb -eq 'loop') {
    $Arguments = @(Get-LoopLine $Arguments)
}
else {
    $Arguments = @($Verb) + $Arguments
}
if (Test-Path -Path 'Variable:\PSNativeCommandArgumentPassing') {
    $PSNativeCommandArgumentPassing = 'Standard'
}
else {
    $DoubleLast = $PSVersionTable.PSVersion.Major -lt 6
    $Arguments = @($Arguments | ForEach-Object { ConvertTo-Quoted $_ $DoubleLast })
}
if (-not (Test-Path -LiteralPath "$PSScriptRoot\environment.ps1")) {
    Stop-Start "$PSScriptRoot has no environment.ps1. Nothing has run. Copy the whole project there again."
}
Push-Location -LiteralPath "$PSScriptRoot\.." -ErrorAction Stop
try {
    $global:LASTEXITCODE = 2
    & .\scripts\environment.ps1
    if ($LASTEXITCODE -eq 0) {
        & .\.venv\Scripts\python.exe -X utf8 -m futurscam_lib @Arguments
        if ($LASTEXITCODE -ge 101 -and $LASTEXITCODE -le 109) {
            # What the python.exe of a .venv ends with if the Python behind it cannot be started.
            throw "exit code $LASTEXITCODE"
        }
    }
}
catch {
    $Reason = ("$_" -split '\r?\n')[0]
    Stop-Start "The Python in .venv cannot be started ($Reason). Nothing has run. Delete the folder .venv and start this again to set it up."
}
finally {
    Pop-Location
}
exit $LASTEXITCODE
