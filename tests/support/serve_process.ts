/** `packkv serve` in a process of its own. */

import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** A server that listens. */
export interface ServeProcess {
  readonly url: URL;
  readonly pid: number;
  /** Sends a signal and waits for the end; the exit code. */
  end(signal: Deno.Signal): Promise<number>;
}

/** Starts `packkv serve` with `flags` on a free port, and waits until it is ready. */
export async function startServe(flags: readonly string[]): Promise<ServeProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", CONFIG, MAIN, "serve", "--port", "0", ...flags],
    stdout: "piped",
    stderr: "null",
  }).spawn();
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
