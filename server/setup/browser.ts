/**
 * A Chromium for the tests of the web page: looked for, and installed where that is possible.
 *
 * @module
 */

import { canInstallPackages, canRun, installCommand, installPackages } from "./debian.ts";

const PACKAGES = ["chromium"];
const CANDIDATES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Name or path of a Chromium that runs: `PACKKV_TEST_BROWSER`, or one of PATH; null if none. */
export async function findBrowser(): Promise<string | null> {
  const named = Deno.env.get("PACKKV_TEST_BROWSER");
  for (const candidate of named ? [named] : CANDIDATES) {
    if (await canRun([candidate])) return candidate;
  }
  return null;
}

/**
 * Like {@link findBrowser}, but installs Debian's where this user may.
 *
 * @param say Called with what is done, or with the command that would do it.
 * @throws {SetupError} If the installation fails.
 */
export async function ensureBrowser(say: (message: string) => void): Promise<string | null> {
  const found = await findBrowser();
  if (found !== null) return found;
  if (await canInstallPackages()) {
    say("no Chromium found: installing chromium with apt-get, for the tests of the web page");
    await installPackages(PACKAGES);
    return await findBrowser();
  }
  say(
    "no Chromium found: the tests of the web page are left out; install one " +
      `(Debian: ${installCommand(PACKAGES)}), or set PACKKV_TEST_BROWSER to its path`,
  );
  return null;
}
