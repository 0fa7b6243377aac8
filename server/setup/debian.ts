/**
 * Programs of the machine: looking for them, and installing Debian packages where that is possible.
 *
 * @module
 */

import { SetupError } from "./setup_error.ts";

const SHOWN_LINE_COUNT = 12;

/** Whether `command --version` runs and succeeds; a name alone may be there without working. */
export async function canRun(command: readonly string[]): Promise<boolean> {
  try {
    const [program, ...args] = command;
    const run = new Deno.Command(program, {
      args: [...args, "--version"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    return (await run.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return false;
    }
    throw error;
  }
}

/** Whether packages can be installed without asking: root on a machine with `apt-get`. */
export async function canInstallPackages(): Promise<boolean> {
  return Deno.build.os === "linux" && Deno.uid() === 0 && await canRun(["apt-get"]);
}

/** Version of an installed Debian package; null if it is not installed, or this is no Debian. */
export async function packageVersion(name: string): Promise<string | null> {
  try {
    const query = new Deno.Command("dpkg-query", {
      args: ["--show", "--showformat=${db:Status-Status} ${Version}", name],
      stdin: "null",
      stderr: "null",
    });
    const { success, stdout } = await query.output();
    const [status, version] = new TextDecoder().decode(stdout).split(" ");
    return success && status === "installed" ? version : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The command that installs Debian packages, as this user has to type it. */
export function installCommand(packages: readonly string[]): string {
  const aptGet = Deno.uid() === 0 ? "apt-get" : "sudo apt-get";
  return `${aptGet} update && ${aptGet} install ${packages.join(" ")}`;
}

/**
 * Installs Debian packages, quietly. Package lists are fetched only if the first try fails: a bare
 * machine has none, an old one has stale ones.
 *
 * @throws {SetupError} If `apt-get` fails, with the end of what it said.
 */
export async function installPackages(packages: readonly string[]): Promise<void> {
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  if (await aptGet(install) === null) return;
  const complaint = await aptGet(["update"]) ?? await aptGet(install);
  if (complaint === null) return;
  throw new SetupError(`Cannot install ${packages.join(" ")}: apt-get failed:\n${complaint}`);
}

/** Null if it succeeds, else the end of what it said. */
async function aptGet(args: readonly string[]): Promise<string | null> {
  const { success, stdout, stderr } = await new Deno.Command("apt-get", {
    args: ["-q", "-o", "DPkg::Lock::Timeout=120", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
  }).output();
  return success ? null : endOf(stdout, stderr);
}

/** The last lines that a program printed, indented. */
export function endOf(...outputs: readonly Uint8Array[]): string {
  const said = outputs.map((bytes) => new TextDecoder().decode(bytes)).join("\n");
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-SHOWN_LINE_COUNT).map((line) => `  ${line}`).join("\n");
}
