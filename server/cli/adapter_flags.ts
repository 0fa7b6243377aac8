/**
 * `--webgpu` and `--adapter`: whose WebGPU opens which GPU.
 *
 * @module
 */

import type { EngineOptions } from "../../mod.ts";
import {
  type AdapterOptions,
  WEBGPU_NAMES,
  type WebGpuName,
} from "../../src/core/adapter_options.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

const POWERS = ["high-performance", "low-power"] as const;

/** The flags of all commands that open a GPU. */
export const ADAPTER_FLAGS = {
  webgpu: {
    value: "NAME",
    choices: WEBGPU_NAMES,
    help: "whose WebGPU: Deno's own (default), or Dawn, Chrome's (51 MB, fetched once)",
  },
  adapter: {
    value: "KIND",
    help: `which GPU of several: ${POWERS.join(" (default) or ")}, or with Dawn part of its name`,
  },
} as const satisfies FlagSpecs;

/**
 * What the two flags ask for; what is left out has its default.
 *
 * @throws {UsageError} For the name of an adapter where only Dawn knows names.
 */
export function readAdapter(flags: Flags): AdapterOptions {
  const webgpu = flags.text("webgpu") as WebGpuName | null;
  const adapter = flags.text("adapter");
  const power = POWERS.find((name) => name === adapter);
  const isDawn = webgpu === "dawn";
  if (adapter !== null && power === undefined && !isDawn) {
    throw new UsageError(
      `Cannot use ${flags.label("adapter")}: must be ${POWERS.join(" or ")}; Deno's own WebGPU ` +
        "finds no adapter by its name, --webgpu dawn does",
    );
  }
  return {
    ...(isDawn ? { webgpu } : {}),
    ...(power === "low-power" ? { power } : {}),
    ...(adapter !== null && power === undefined ? { adapterName: adapter } : {}),
  };
}

/** What the two flags ask for, as options of an engine. */
export function readEngineAdapter(
  flags: Flags,
): Pick<EngineOptions, "webgpu" | "adapterPower" | "adapterName"> {
  return engineAdapter(readAdapter(flags));
}

/** An adapter as options of an engine. */
export function engineAdapter(
  { power, ...options }: AdapterOptions,
): Pick<EngineOptions, "webgpu" | "adapterPower" | "adapterName"> {
  return { ...options, ...(power === "low-power" ? { adapterPower: power } : {}) };
}
