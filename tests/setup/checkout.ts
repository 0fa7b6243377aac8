/** A copy of the program that another user is given and cannot write. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of this checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What a program is made of. */
export const PROGRAM = [
  "packkv",
  "deno.json",
  "deno.lock",
  "mod.ts",
  "server",
  "src",
  "shaders",
  "bench",
];
/** `nobody`; a user without privileges is its own. */
const OTHER_UID = 65_534;
/** No address leads anywhere: a fetch fails at once. */
const OFFLINE = { HTTPS_PROXY: "http://127.0.0.1:9", HTTP_PROXY: "http://127.0.0.1:9" };

/** What a command said. */
export interface Outcome {
  code: number;
  out: string;
  errors: string;
}

/** The copy, and how its commands are run. */
export interface Checkout {
  root: string;
  /** Home of the other user. */
  home: string;
  /** A command of the script, not yet started: as that user, without a network. */
  command: (args: readonly string[], env?: Record<string, string>) => Deno.Command;
  run: (args: readonly string[], env?: Record<string, string>) => Promise<Outcome>;
}

/** Runs a line of a shell, with arguments. */
export async function shell(line: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-euc", line, "sh", ...args],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** A copy of the program that another user is given and cannot write. */
export async function withCheckout(
  { isSetUp }: { isSetUp: boolean },
  work: (checkout: Checkout) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const [root, home, deno] = ["packkv serve", "home", "deno"].map((name) => join(folder, name));
  try {
    await Deno.mkdir(root);
    await Deno.mkdir(home);
    // The one that runs may lie in a folder that others cannot enter.
    await Deno.copyFile(Deno.execPath(), deno);
    await shell('to=$1; cd "$2"; shift 2; cp -R "$@" "$to"', root, ROOT, ...PROGRAM);
    if (isSetUp) await shell('PACKKV_DENO=$1 "$2/packkv" version >&2', deno, root);
    await shell('chmod -R a+rX,a-w "$1/packkv serve"; chmod a+rx "$1" "$1/deno"', folder);
    const isRoot = Deno.uid() === 0;
    if (isRoot) await shell('chown -R "$1" "$2"', String(OTHER_UID), home);
    const command = (args: readonly string[], env: Record<string, string> = {}) =>
      new Deno.Command("/bin/sh", {
        args: [join(root, "packkv"), ...args],
        cwd: folder,
        clearEnv: true,
        env: {
          PATH: Deno.env.get("PATH") ?? "",
          HOME: home,
          PACKKV_DENO: deno,
          NO_COLOR: "1",
          ...OFFLINE,
          ...env,
        },
        ...(isRoot ? { uid: OTHER_UID, gid: OTHER_UID } : {}),
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      });
    const run = async (args: readonly string[], env?: Record<string, string>) => {
      const { code, stdout, stderr } = await command(args, env).output();
      const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code, out, errors };
    };
    await work({ root, home, command, run });
  } finally {
    await shell('chmod -R u+w "$1"', folder);
    await Deno.remove(folder, { recursive: true });
  }
}

/** The URL a server prints once it listens. */
export async function urlOf(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let said = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    said += text;
    const found = /listening on (http\S+)\n/.exec(said);
    if (found !== null) return found[1];
  }
  throw new Error(`The server ended: ${said}`);
}
