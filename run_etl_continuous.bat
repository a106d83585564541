@echo off
rem FuturScam ETL every N minutes until it is stopped: run_etl_continuous.bat [N] [arguments of "futurscam run"]
rem Ends with the exit code of "futurscam loop", or with 2 where .venv could not be set up.
setlocal EnableExtensions DisableDelayedExpansion
if "%~1"=="/?" goto help
if "%~1"=="-h" goto help
if "%~1"=="--help" goto help
cd /d "%~dp0"
if errorlevel 1 exit /b 2
call scripts\environment.bat
if errorlevel 1 exit /b 2
set "first=%~1"
if not defined first goto hourly
if "%first:~0,1%"=="-" goto hourly
set etl_arguments=%*
rem What follows N: "shift" does not take it from %*, and a second expansion would change what it holds.
for /f "tokens=1*" %%A in ('set etl_arguments') do .venv\Scripts\python.exe -X utf8 -m futurscam_lib loop --interval "%first%" -- %%B
exit /b %ERRORLEVEL%

:hourly
.venv\Scripts\python.exe -X utf8 -m futurscam_lib loop --interval 60 -- %*
exit /b %ERRORLEVEL%

:help
echo Runs FuturScam ETL every N minutes, until Ctrl+C or "futurscam stop".
echo.
echo     run_etl_continuous.bat [N] [arguments of "futurscam run"]
echo.
echo N is 60 where it is not given. "futurscam loop --help" says more.
exit /b 0
