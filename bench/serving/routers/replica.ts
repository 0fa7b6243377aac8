/** A server on a port of its own that says which request of which session it answered. */

import { SERVE_COMMAND } from "../../../tests/support/serve_process.ts";

/** A request that a replica ended. */
export interface LogLine {
  session?: string;
  status: number;
  prompt_tokens: number;
  cached_tokens: number;
}

/** Ports of a replica. */
export interface ReplicaPorts {
  http: number;
  events: number;
  replay: number;
}

/** A server that listens. */
export interface Replica {
  readonly ports: ReplicaPorts;
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<unknown>;
}

/** Starts `packkv serve` and waits until it listens; `onLine` gets its lines for requests. */
export async function startReplica(
  ports: ReplicaPorts,
  flags: readonly string[],
  onLine: (line: LogLine) => void,
): Promise<Replica> {
  const [program, ...args] = SERVE_COMMAND;
  const child = new Deno.Command(program, {
    args: [...args, "--log", "json", "--port", String(ports.http), ...flags],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  void readLines(child.stderr, onLine);
  for (let attempt = 0; attempt < 1200; attempt++) {
    const health = await fetch(`http://127.0.0.1:${ports.http}/health`).catch(() => null);
    await health?.body?.cancel();
    if (health?.ok) return { ports, kill: (signal) => child.kill(signal), ended: child.status };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill("SIGKILL");
  throw new Error("A replica listens within two minutes");
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: LogLine) => void,
): Promise<void> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith('{"time"')) onLine(JSON.parse(line));
      else console.error(`replica: ${line}`);
    }
  }
}
