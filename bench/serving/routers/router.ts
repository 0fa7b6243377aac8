/** Routers that others have written, run with the very files of `server/deploy/routers/`. */

import type { ReplicaPorts } from "./replica.ts";

const FOLDER = new URL("../../../server/deploy/routers/", import.meta.url);

/** A router's file. */
export function routerText(name: string): Promise<string> {
  return Deno.readTextFile(new URL(name, FOLDER));
}

/** How a router is run, by its file. */
const COMMANDS: Readonly<Record<string, (path: string, port: number) => string[]>> = {
  "nginx.conf": (path) => ["nginx", "-p", "/tmp", "-c", path, "-g", "daemon off;"],
  "haproxy.cfg": (path) => ["haproxy", "-f", path],
  "litellm.yaml": (path, port) => [
    "litellm",
    "--config",
    path,
    "--port",
    String(port),
    "--host",
    "127.0.0.1",
  ],
  "sglang.sh": (path) => ["sh", path],
  "vllm.sh": (path) => ["sh", path],
  "vllm-kv-aware.sh": (path) => ["sh", path],
};

/** The files that there are. */
export const ROUTERS = Object.keys(COMMANDS);

/** The header by which clients name their session. */
export function sessionHeader(router: string): string {
  return router === "litellm.yaml" ? "X-LiteLLM-Session-Id" : "X-Session-Id";
}

/**
 * A router's text with the addresses of replicas and its own put in place. Of fewer than three
 * replicas the lines of the others are left out.
 */
export function withAddresses(
  text: string,
  { replicas, port, metricsPort }: {
    replicas: readonly ReplicaPorts[];
    port: number;
    metricsPort: number;
  },
): string {
  const ports = { 8000: "http", 5557: "events", 5558: "replay" } as const;
  const isLeftOut = (name: string) => Number(name.at(-1)) > replicas.length;
  return text
    .replace(/ http:\/\/(replica-\d):8000(?=[ \n])/g, (url, name) => isLeftOut(name) ? "" : url)
    .replace(/^.*(replica-\d).*\n/gm, (line, name) => isLeftOut(name) ? "" : line)
    .replace(/replica-(\d):(8000|5557|5558)/g, (_, number, name: "8000") => {
      return `127.0.0.1:${replicas[Number(number) - 1][ports[name]]}`;
    })
    .replaceAll("--host 0.0.0.0", "--host 127.0.0.1")
    .replace("bind :9000", `bind 127.0.0.1:${port}`)
    .replace("listen 9000", `listen 127.0.0.1:${port}`)
    .replace("--port 9000", `--port ${port}`)
    .replace("29000", String(metricsPort))
    .replaceAll("/tmp/packkv-nginx", `/tmp/packkv-nginx-${port}`);
}

/**
 * Runs `body` with a router that knows a replica, and ends it.
 *
 * @param addresses With `env`, what the router finds in its environment beside what is there.
 */
export async function withRouter(
  router: string,
  { env = {}, ...addresses }: {
    replicas: readonly ReplicaPorts[];
    port: number;
    metricsPort: number;
    env?: Record<string, string>;
  },
  body: (url: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-router-" });
  const text = withAddresses(await routerText(router), addresses);
  const path = `${folder}/${router}`;
  await Deno.writeTextFile(path, text);
  const [program, ...args] = COMMANDS[router](path, addresses.port);
  const errors = `${folder}/errors`;
  const child = new Deno.Command(program, { args, env, stdout: "piped", stderr: "piped" }).spawn();
  const said = Promise.all([toFile(child.stdout, `${folder}/log`), toFile(child.stderr, errors)]);
  const stop = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It has ended.
    }
  };
  try {
    const url = `http://127.0.0.1:${addresses.port}`;
    const ended = child.status.then(async ({ code }) => {
      await said;
      throw new Error(`${router} ended with ${code}: ${await Deno.readTextFile(errors)}`);
    });
    ended.catch(() => {}); // it is to end when `body` has
    await Promise.race([ready(url, env), ended]);
    await body(url);
  } finally {
    stop("SIGTERM");
    const late = setTimeout(() => stop("SIGKILL"), 5000);
    await child.status;
    clearTimeout(late);
    await said;
    if (Deno.env.has("KEEP_LOGS")) console.error(`router's output: ${folder}`);
    else await Deno.remove(folder, { recursive: true });
  }
}

async function toFile(stream: ReadableStream<Uint8Array>, path: string): Promise<void> {
  const file = await Deno.open(path, { create: true, write: true });
  await stream.pipeTo(file.writable);
}

async function ready(url: string, { LITELLM_MASTER_KEY: key }: Record<string, string>) {
  const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  for (let attempt = 0; attempt < 900; attempt++) {
    const response = await fetch(`${url}/v1/models`, { headers }).catch(() => null);
    const text = await response?.text();
    if (response?.ok && text?.includes("local")) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`The router at ${url} lists the model within three minutes`);
}
