/**
 * `packkv doctor`: what this machine has, lacks, and how to mend it.
 *
 * @module
 */

import { describeFindings, inspectMachine } from "../setup/doctor.ts";
import { ensureDawn } from "../setup/packages.ts";
import { deviceReport } from "../../src/device_report/device_report.ts";
import { adapterOf, inspectDevice } from "../../src/runtime/inspect_device.ts";
import { ADAPTER_FLAGS, readAdapter } from "./adapter_flags.ts";
import type { AdapterOptions } from "../../src/core/adapter_options.ts";
import type { Command } from "./command.ts";
import { describeDevice } from "./doctor_device.ts";
import { parseFlags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** The command. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "show what this machine has and what is missing",
  usage: "",
  flags: {
    gpu: {
      value: "FILE",
      help: "measure the GPU instead, and write a report as JSON; - for stdout",
    },
    ...ADAPTER_FLAGS,
  },
  examples: ["packkv doctor", "packkv doctor --gpu gpu.json", "packkv doctor --adapter low-power"],
  notes: [
    "The exit code is 1 if something needed is missing, or a kernel of --gpu is wrong.",
    "The report of --gpu names device, driver and system, and nothing else; nothing is sent.",
  ],
  async run(args: readonly string[]): Promise<number> {
    const flags = parseFlags(args, doctorCommand.flags);
    flags.refusePositionals();
    const path = flags.text("gpu");
    const adapter = readAdapter(flags);
    await ensureDawn(adapter.webgpu);
    if (path !== null) return await reportGpu(path, adapter);
    const findings = await inspectMachine(() => adapterOf(adapter), adapter.webgpu);
    const hasAdapter = findings.some(({ name, mend }) => name === "adapter" && !mend);
    if (hasAdapter) findings.push(...describeDevice(await inspectDevice(adapter)));
    console.log(describeFindings(findings));
    return findings.some(({ mend }) => mend !== undefined) ? 1 : 0;
  },
};

async function reportGpu(path: string, adapter: AdapterOptions): Promise<number> {
  const file = path === "-" ? null : await openReport(path);
  const report = await deviceReport(adapter);
  const json = `${JSON.stringify(report, null, 2)}\n`;
  await new Response(json).body!.pipeTo((file ?? Deno.stdout).writable);
  const products = report.products.map(({ name, type, rowCount, ...rest }) => {
    return { ...rest, name: `${name}, ${type}, ${rowCount} rows` };
  });
  const wrong = [...products, ...report.kernels].filter(({ isRight }) => !isRight);
  for (const { model, name, error } of wrong) {
    console.error(`wrong: ${name} of ${model}: error ${error}`);
  }
  return wrong.length > 0 ? 1 : 0;
}

/** Before anything is measured. */
async function openReport(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: true, truncate: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot write --gpu ${path}: ${reason}`);
  }
}
