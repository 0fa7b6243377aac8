/**
 * `packkv models`: models with short names, and which of them would fit this machine.
 *
 * @module
 */

import { CATALOGUE, type CatalogueEntry, isCached } from "../setup/catalogue.ts";
import { fittingContext } from "../setup/model_fit.ts";
import type { Command } from "./command.ts";
import { parseFlags } from "./flags.ts";

/** The command. */
export const modelsCommand: Command = {
  name: "models",
  summary: "list models with short names, and what would fit this machine",
  usage: "[flags]",
  flags: {
    memory: { value: "GIB", help: "memory of the device (default: what this machine has free)" },
  },
  examples: ["packkv models", "packkv models --memory 24"],
  notes: [
    "Contexts are estimates for one sequence: the file's size, and the bytes of a token in f16 and",
    "at the ratio that `balanced` has on the default model. Sizes of the hub's files are rounded.",
  ],
  async run(args: readonly string[]): Promise<number> {
    const flags = parseFlags(args, modelsCommand.flags);
    flags.refusePositionals();
    const gibibytes = flags.number("memory", { min: 0.1, max: 2 ** 20, unit: "GiB" });
    const { available } = Deno.systemMemoryInfo();
    const memoryBytes = gibibytes === null ? available : gibibytes * 2 ** 30;
    const rows = await Promise.all(CATALOGUE.map(async (entry) => {
      return { entry, cached: await isCached(entry) };
    }));
    console.log(describeModels(rows, memoryBytes));
    return 0;
  },
};

/** A model, and whether its file is on this machine. */
interface ModelRow {
  entry: CatalogueEntry;
  cached: boolean;
}

/** The table for people. */
export function describeModels(rows: readonly ModelRow[], memoryBytes: number): string {
  const head = ["model", "size", "here", "exact", "balanced", "trained", "from"];
  const table = rows.map(({ entry, cached }) => [
    entry.name,
    formatSize(entry.sizeBytes),
    cached ? "yes" : "no",
    formatFit(fittingContext(entry, "exact", memoryBytes)),
    formatFit(fittingContext(entry, "balanced", memoryBytes)),
    String(entry.contextLengthTrained),
    entry.origin,
  ]);
  const widths = head.map((_, column) => {
    return Math.max(...[head, ...table].map((row) => row[column].length));
  });
  const lines = [head, ...table].map((row) => {
    return row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd();
  });
  const memory = `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`;
  return [...lines, "", `tokens of context that fit ${memory}, by profile`].join("\n");
}

function formatSize(sizeBytes: number): string {
  return sizeBytes < 1e9
    ? `${Math.round(sizeBytes / 1e6)} MB`
    : `${(sizeBytes / 1e9).toFixed(1)} GB`;
}

function formatFit(tokenCount: number): string {
  return tokenCount === 0 ? "does not fit" : String(tokenCount);
}
