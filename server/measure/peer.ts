/**
 * llama.cpp on the same model and machine, through `node-llama-cpp` in a process of Node. Installed
 * by npm into the work tree's cache folder on first use; nothing of it is part of the product.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { StreamCounts, StreamReport } from "./single_stream.ts";

/** Backends of llama.cpp that can be asked for. */
export const PEER_BACKENDS = ["vulkan", "cpu"] as const;

/** One of {@link PEER_BACKENDS}. */
export type PeerBackend = typeof PEER_BACKENDS[number];

const PEER_PACKAGE = "node-llama-cpp@3.22.1";
const FOLDER = fileURLToPath(new URL("../../.cache/peer/", import.meta.url));
const SCRIPT = fileURLToPath(new URL("./peer_node_llama_cpp.mjs", import.meta.url));

/** Measures llama.cpp as {@link import("./single_stream.ts").measureStream} measures an engine. */
export async function comparePeer(
  backend: PeerBackend,
  options: StreamCounts & { modelPath: string },
): Promise<StreamReport> {
  await install();
  const { modelPath, prefillCount, depths, decodeCount } = options;
  const script = `${FOLDER}peer.mjs`;
  await Deno.copyFile(SCRIPT, script);
  const args = [script, modelPath, backend, prefillCount, depths.join(","), decodeCount].map(
    String,
  );
  // Without this variable it leaves software Vulkan aside.
  const env = { GGML_VK_VISIBLE_DEVICES: "0" };
  const output = await run("node", args, env);
  const lines = output.trim().split("\n");
  const { devices, prefill, decode } = JSON.parse(lines.at(-1) ?? "{}");
  const name = `llama.cpp (${PEER_PACKAGE}, ${backend})`;
  return { name, device: devices?.[0] ?? "CPU", prefill, decode };
}

async function install(): Promise<void> {
  const isInstalled = await Deno.stat(`${FOLDER}node_modules/node-llama-cpp`).then(
    () => true,
    () => false,
  );
  if (isInstalled) return;
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(`${FOLDER}package.json`, '{ "type": "module" }\n');
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts"];
  await run("npm", ["install", "--prefix", FOLDER, PEER_PACKAGE, ...flags]);
}

async function run(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, env }).output();
  const text = new TextDecoder();
  if (code !== 0) {
    throw new Error(`Cannot run ${command}: exit code ${code}: ${text.decode(stderr).slice(-500)}`);
  }
  return text.decode(stdout);
}
