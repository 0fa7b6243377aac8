/** Real Redis or Valkey servers in processes of their own, without files. */

import { createClient } from "@redis/client";
import { canInstallPackages, canRun, installPackages } from "../../server/setup/debian.ts";
import { freePorts } from "./free_ports.ts";
import { eventually } from "./waiting.ts";

/** A store that answers. */
export interface StoreProcess {
  readonly url: string;
  readonly port: number;
  /** Where nodes of a cluster speak with each other; as good as none of a single server. */
  readonly busPort: number;
  /** Sends a signal; `SIGSTOP` pauses it, `SIGCONT` lets it go on. */
  kill(signal: Deno.Signal): void;
  /** Runs `body` with a client of its own. */
  use<T>(body: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T>;
}

/** Runs `body` with a store, and ends it. */
export async function withStore(
  body: (store: StoreProcess) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  await withServers(freePorts(1), args, ([store]) => body(store));
}

/** Runs `body` with a cluster of three nodes that share the slots, and ends them. */
export async function withStoreCluster(
  body: (nodes: readonly StoreProcess[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-cluster-" });
  const args = ["--cluster-enabled", "yes", "--dir", folder, "--cluster-node-timeout", "2000"];
  try {
    await withServers(freePorts(3), args, async (nodes) => {
      const bounds = [0, 5461, 10_923, 16_384];
      for (const [index, node] of nodes.entries()) {
        await node.use((client) =>
          client.clusterAddSlotsRange({ start: bounds[index], end: bounds[index + 1] - 1 })
        );
      }
      for (const { port, busPort } of nodes.slice(1)) {
        const meet = ["CLUSTER", "MEET", "127.0.0.1", String(port), String(busPort)];
        await nodes[0].use((client) => client.sendCommand(meet));
      }
      for (const node of nodes) await node.use(clusterReady);
      await body(nodes);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function clusterReady(client: ReturnType<typeof createClient>): Promise<void> {
  await eventually(async () => String(await client.clusterInfo()).includes("cluster_state:ok"));
}

async function withServers(
  ports: readonly number[],
  args: readonly string[],
  body: (stores: readonly StoreProcess[]) => Promise<void>,
): Promise<void> {
  const program = await storeProgram();
  const isCluster = args.includes("--cluster-enabled");
  const [first] = ports;
  // By default 10,000 above, which may be no port at all.
  const busPorts = freePorts(ports.length, ports);
  const children = ports.map((port, index) => {
    const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const bus = isCluster ? ["--cluster-port", String(busPorts[index])] : [];
    const file = isCluster ? ["--cluster-config-file", `nodes-${first}-${index}.conf`] : [];
    const output = { stdin: "null", stdout: "null", stderr: "null" } as const;
    const all = [...own, ...bus, ...file, ...args];
    return new Deno.Command(program, { args: all, ...output }).spawn();
  });
  const stores = ports.map((port, index): StoreProcess => {
    const url = `redis://127.0.0.1:${port}`;
    const child = children[index];
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
    return { url, port, busPort: busPorts[index], kill: (signal) => child.kill(signal), use };
  });
  try {
    for (const store of stores) await store.use((client) => client.ping());
    await body(stores);
  } finally {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // The test ended it.
      }
      await child.status;
    }
  }
}

async function storeProgram(): Promise<string> {
  const programs = ["valkey-server", "redis-server"];
  for (const program of programs) if (await canRun([program])) return program;
  if (await canInstallPackages()) await installPackages(["redis-server"]);
  if (await canRun(["redis-server"])) return "redis-server";
  throw new Error("Cannot test the store: install valkey-server or redis-server");
}
