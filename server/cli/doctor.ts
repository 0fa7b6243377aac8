/**
 * `packkv doctor`: what this machine has, lacks, and how to mend it.
 *
 * @module
 */

import { describeFindings, inspectMachine } from "../setup/doctor.ts";
import { inspectDevice } from "../../src/runtime/inspect_device.ts";
import type { Command } from "./command.ts";
import { describeDevice } from "./doctor_device.ts";
import { parseFlags } from "./flags.ts";

/** The command. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "show what this machine has and what is missing",
  usage: "",
  flags: {},
  examples: ["packkv doctor"],
  notes: ["The exit code is 1 if something needed is missing."],
  async run(args: readonly string[]): Promise<number> {
    parseFlags(args, doctorCommand.flags).refusePositionals();
    const findings = await inspectMachine();
    const hasAdapter = findings.some(({ name, mend }) => name === "adapter" && !mend);
    if (hasAdapter) findings.push(...describeDevice(await inspectDevice()));
    console.log(describeFindings(findings));
    return findings.some(({ mend }) => mend !== undefined) ? 1 : 0;
  },
};
