/** A real Redis or Valkey server in a process of its own, without files. */

import { createClient } from "@redis/client";
import { canInstallPackages, canRun, installPackages } from "../../server/setup/debian.ts";

/** A store that answers. */
export interface StoreProcess {
  readonly url: string;
  /** Sends a signal; `SIGSTOP` pauses it, `SIGCONT` lets it go on. */
  kill(signal: Deno.Signal): void;
  /** Runs `body` with a client of its own. */
  use<T>(body: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T>;
}

/** Runs `body` with a store, and ends it. */
export async function withStore(body: (store: StoreProcess) => Promise<void>): Promise<void> {
  const program = await storeProgram();
  const port = freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const output = { stdin: "null", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command(program, { args, ...output }).spawn();
  const url = `redis://127.0.0.1:${port}`;
  const use: StoreProcess["use"] = async (work) => {
    const client = createClient({ url, socket: { reconnectStrategy: (n) => n < 100 && 50 } });
    client.on("error", () => {});
    await client.connect();
    try {
      return await work(client as never);
    } finally {
      client.destroy();
    }
  };
  try {
    await use((client) => client.ping());
    await body({ url, kill: (signal) => child.kill(signal), use });
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // The test ended it.
    }
    await child.status;
  }
}

async function storeProgram(): Promise<string> {
  const programs = ["valkey-server", "redis-server"];
  for (const program of programs) if (await canRun([program])) return program;
  if (await canInstallPackages()) await installPackages(["redis-server"]);
  if (await canRun(["redis-server"])) return "redis-server";
  throw new Error("Cannot test the store: install valkey-server or redis-server");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
