/**
 * Programs of the machine: looking for them, and installing Debian packages where that is possible.
 *
 * @module
 */

import { SetupError } from "./setup_error.ts";

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
 * Installs Debian packages; what `apt-get` prints goes to stderr. Package lists are fetched only if
 * the first try fails: a bare machine has none, an old one has stale ones.
 *
 * @throws {SetupError} If `apt-get` fails.
 */
export async function installPackages(packages: readonly string[]): Promise<void> {
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  if (await aptGet(install)) return;
  if (await aptGet(["update"]) && await aptGet(install)) return;
  throw new SetupError(`Cannot install ${packages.join(" ")}: apt-get failed (see above)`);
}

async function aptGet(args: readonly string[]): Promise<boolean> {
  const child = new Deno.Command("apt-get", {
    args: ["-o", "DPkg::Lock::Timeout=120", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
  return (await child.status).success;
}
