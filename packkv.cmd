@echo off
rem packkv.cmd: the one command on Windows, as packkv is elsewhere. Finds Deno and runs
rem server/main.ts, which does the rest of the set-up; the driver of the GPU comes with Windows.
rem
rem   PACKKV_DENO   path of the Deno to use, instead of the one of PATH
setlocal
set "root=%~dp0"
set "deno=%PACKKV_DENO%"
if not defined deno set "deno=deno"

call "%deno%" --version >nul 2>nul
if errorlevel 1 (
  echo packkv: Cannot find Deno: install it with "winget install DenoLand.Deno" or "npm install -g deno", or set PACKKV_DENO to its path>&2
  exit /b 1
)

rem Certificates added to the system count too, as they do for npm and pip behind a proxy.
if not defined DENO_TLS_CA_STORE set "DENO_TLS_CA_STORE=mozilla,system"
set "DENO_NO_UPDATE_CHECK=1"

set "packages="
for /f "usebackq delims=" %%p in (`call "%deno%" run -A --no-config --no-lock "%root%server\setup\prepare.ts"`) do set "packages=%%p"
if not defined packages exit /b 1

rem The last line, and not called: arguments stay as they are, and its exit code is this file's.
"%deno%" run -A --quiet "--node-modules-dir=%packages%" --config "%root%deno.json" "%root%server\main.ts" %*
