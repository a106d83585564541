@echo off
rem One run of FuturScam ETL, from wherever it is called: run_etl.bat [arguments of "futurscam run"]
rem Sets up .venv if it is missing. Ends with the exit code of the run, or with 2 where .venv could not be set up.
setlocal EnableExtensions DisableDelayedExpansion
cd /d "%~dp0"
if errorlevel 1 exit /b 2
call scripts\environment.bat
if errorlevel 1 exit /b 2
.venv\Scripts\python.exe -X utf8 -m futurscam_lib run %*
exit /b %ERRORLEVEL%
