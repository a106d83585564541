# Sets up .venv in the present folder, unless it is there. Ends with 0, or with 2 and the reason on stderr.
$ErrorActionPreference = 'Continue'  # What a program writes to stderr is no error.
$PSNativeCommandUseErrorActionPreference = $false
$Python = '.\.venv\Scripts\python.exe'
$What = '.[alerts,export,local-server]'  # All that an operator needs; the versions are those that were tested.
$Usable = 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))'

function Write-Line([string] $Text) {
    [Console]::Error.WriteLine($Text)
}

function Test-Program([string] $Program, [string[]] $Arguments) {
    # Where the Microsoft Store only offers Python, its python.exe fails with any argument.
    if (-not (Get-Command -Name $Program -CommandType Application -ErrorAction SilentlyContinue)) {
        return $false
    }
    & $Program @Arguments 2>$null | Out-Null
    return $LASTEXITCODE -eq 0
}

function Test-Environment {
    # The command is what an installation puts there last: without it, .venv was not finished.
    return (Test-Path -LiteralPath $Python) -and (Test-Path -LiteralPath '.\.venv\Scripts\futurscam.exe')
}

function New-Folder {
    try {
        $null = [IO.Directory]::CreateDirectory((Join-Path -Path (Get-Location).ProviderPath -ChildPath '.venv'))
    }
    catch {
        $Reason = $_.Exception.GetBaseException().Message
        Write-Line "The folder .venv cannot be made in $PWD ($Reason). Nothing has run. Give this account the right to write there, or put the project elsewhere."
        exit 2
    }
}

function Exit-Unless-Done {
    if ($LASTEXITCODE -ne 0) {
        Write-Line 'Setting up .venv failed; the lines above say why. Nothing has run. Start this again once that is mended.'
        exit 2
    }
}

function Exit-When-Done {
    if (Test-Environment) {
        exit 0
    }
    Write-Line "The folder .venv in $PWD is incomplete, and setting it up again did not complete it. Nothing has run. Delete it and start this again."
    exit 2
}

if (Test-Environment) {
    exit 0
}
if (Test-Path -LiteralPath '.\.venv\bin') {
    Write-Line "The folder .venv in $PWD was made for another system. Nothing has run. Delete it and start this again; on Linux and macOS use run_etl.sh."
    exit 2
}
Write-Line 'Setting up .venv, once. This needs the network and takes some minutes.'
if (Test-Program 'uv' @('--version')) {
    New-Folder
    & uv venv --quiet --allow-existing .venv
    Exit-Unless-Done
    & uv pip install --quiet --python .venv -c constraints.txt -e $What
    Exit-Unless-Done
    Exit-When-Done
}
foreach ($Candidate in @('py -3.13', 'py -3.12', 'py -3.11', 'python', 'python3')) {
    $Words = @($Candidate -split ' ')
    $Program = $Words[0]
    $Options = @($Words | Select-Object -Skip 1)
    if (Test-Program $Program ($Options + @('-c', $Usable))) {
        New-Folder
        & $Program @Options -m venv .venv
        Exit-Unless-Done
        & $Python -m pip install --quiet -c constraints.txt -e $What
        Exit-Unless-Done
        Exit-When-Done
    }
}
Write-Line 'FuturScam ETL needs uv, or Python 3.11, 3.12 or 3.13 (64 bit), and found neither.'
Write-Line 'Get uv from https://docs.astral.sh/uv/ or Python from https://www.python.org/downloads/ and start this again.'
exit 2
