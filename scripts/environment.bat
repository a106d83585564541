@echo off
rem Sets up .venv in the present folder, unless it is there. Ends with 0, or with 2 and the reason on stderr.
setlocal EnableExtensions DisableDelayedExpansion
rem The command is what an installation puts there last: without it, .venv was not finished.
if exist ".venv\Scripts\python.exe" if exist ".venv\Scripts\futurscam.exe" exit /b 0
echo Setting up .venv, once. This needs the network and takes some minutes. 1>&2
call uv --version >nul 2>&1
if %ERRORLEVEL%==0 goto uv
set "python="
for %%P in ("py -3.13" "py -3.12" "py -3.11" python python3) do call :try %%P
if defined python goto pip
echo FuturScam ETL needs uv, or Python 3.11, 3.12 or 3.13 (64 bit), and found neither. 1>&2
echo Get uv from https://docs.astral.sh/uv/ or Python from https://www.python.org/downloads/ and start this again. 1>&2
exit /b 2

:uv
call uv venv --quiet --allow-existing .venv 1>&2
if not %ERRORLEVEL%==0 goto failed
call uv pip install --quiet --python .venv -c constraints.txt -e ".[alerts,export,local-server]" 1>&2
if not %ERRORLEVEL%==0 goto failed
exit /b 0

:try
if defined python exit /b 0
rem Where the Microsoft Store only offers Python, its python.exe fails with any argument.
call %~1 -c "import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))" >nul 2>&1
if %ERRORLEVEL%==0 set "python=%~1"
exit /b 0

:pip
call %python% -m venv .venv 1>&2
if not %ERRORLEVEL%==0 goto failed
.venv\Scripts\python.exe -m pip install --quiet -c constraints.txt -e ".[alerts,export,local-server]" 1>&2
if not %ERRORLEVEL%==0 goto failed
exit /b 0

:failed
echo Setting up .venv failed; the lines above say why. Nothing has run. Start this again once that is mended. 1>&2
exit /b 2
