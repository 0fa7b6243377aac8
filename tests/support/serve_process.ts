/** `packkv serve` in a process of its own. */

import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Program and arguments of `packkv serve` from this checkout, without flags. */
export const SERVE_COMMAND: readonly string[] = [
  Deno.execPath(),
  ...["run", "-A", "--no-check", "--config", CONFIG, MAIN, "serve"],
];

/** A server that listens. */
export interface ServeProcess {
  readonly url: URL;
  readonly pid: number;
  /** Sends a signal and waits for the end; the exit code. */
  end(signal: Deno.Signal): Promise<number>;
}

/**
 * Starts `packkv serve` with `flags` on a free port, and waits until it is ready.
 *
 * @param prelude What a shell does before it becomes the server.
 */
export async function startServe(
  flags: readonly string[],
  { prelude }: { prelude?: string } = {},
): Promise<ServeProcess> {
  const command = [...SERVE_COMMAND, "--port", "0", ...flags];
  const [program, ...rest] = prelude === undefined
    ? command
    : ["sh", "-c", `${prelude}; exec "$@"`, "sh", ...command];
  const output = { stdout: "piped", stderr: "null" } as const;
  const child = new Deno.Command(program, { args: rest, ...output }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  let found: RegExpExecArray | null = null;
  while (found === null) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The server ended: ${said}`);
    found = /listening on (http\S+)\n/.exec(said += value);
  }
  return {
    url: new URL(found[1]),
    pid: child.pid,
    async end(signal) {
      child.kill(signal);
      await reader.cancel();
      return (await child.status).code;
    },
  };
}
