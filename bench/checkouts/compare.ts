/**
 * Measures two checkouts by turns on one machine: decode, prefill and many streams, by the clock
 * and by processor time, which counts where others use the machine too.
 *
 *     deno task compare BEFORE AFTER FILE.json
 *
 * Each run is a process of its own with the configuration of its checkout; who begins a round
 * changes. Exits with 1 if something takes more than 3% more processor time than before.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { fileURLToPath } from "node:url";
import { median } from "../../server/measure/median.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import type { Cost, Counts } from "./measure.ts";

const MEASURE = fileURLToPath(new URL("./measure.ts", import.meta.url));

/** More than this times the processor time of before is slower. */
export const SLOWER = 1.03;

const DEFAULTS = {
  model: "",
  prefills: "512,4096",
  depths: "128,4096",
  streams: "8",
  tokens: "32",
  rounds: "3",
};

const SIDES = ["before", "after"] as const;
type Side = typeof SIDES[number];

/** What one round gave. */
export type Round = Readonly<Record<Side, readonly Cost[]>>;

/** One measurement in both checkouts: medians of the rounds, milliseconds of a token. */
export interface Comparison {
  name: string;
  before: Omit<Cost, "name">;
  after: Omit<Cost, "name">;
  /** After by before. */
  ratio: Omit<Cost, "name">;
  isSlower: boolean;
}

/** Medians and ratios of all rounds, which have the same measurements in the same order. */
export function compared(rounds: readonly Round[]): Comparison[] {
  return rounds[0].before.map(({ name }, index) => {
    const of = (side: Side) => {
      const costs = rounds.map((round) => round[side][index]);
      return {
        wallMs: median(costs.map(({ wallMs }) => wallMs)),
        processorMs: median(costs.map(({ processorMs }) => processorMs)),
      };
    };
    const [before, after] = SIDES.map(of);
    const ratio = {
      wallMs: after.wallMs / before.wallMs,
      processorMs: after.processorMs / before.processorMs,
    };
    return { name, before, after, ratio, isSlower: ratio.processorMs > SLOWER };
  });
}

/** Runs a program to its end; what it printed. */
async function output(
  program: string,
  args: readonly string[],
  cwd = Deno.cwd(),
): Promise<string> {
  const command = new Deno.Command(program, { args: [...args], cwd, stderr: "inherit" });
  const { success, stdout } = await command.output();
  if (!success) throw new Error(`Cannot measure: ${program} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout).trim();
}

interface Checkout {
  root: string;
  commit: string;
  packages: string;
}

async function checkoutAt(path: string): Promise<Checkout> {
  const root = await Deno.realPath(path);
  const prepare = `${root}/server/setup/prepare.ts`;
  return {
    root,
    commit: await output("git", ["-C", root, "describe", "--always", "--dirty"]),
    packages: await output(Deno.execPath(), ["run", "-A", "--no-config", "--no-lock", prepare]),
  };
}

async function measured(
  { root, packages }: Checkout,
  { modelPath, counts }: { modelPath: string; counts: Counts },
): Promise<Cost[]> {
  const text = await output(Deno.execPath(), [
    ...["run", "-A", "--quiet", "--no-check", "--no-lock", `--node-modules-dir=${packages}`],
    ...[`--config=${root}/deno.json`, MEASURE, root, modelPath, JSON.stringify(counts)],
  ], root);
  return JSON.parse(text.split("\n").at(-1)!);
}

function table(comparisons: readonly Comparison[]): string {
  return comparisons.map(({ name, before, after, ratio, isSlower }) =>
    `${name.padEnd(16)} ${before.processorMs.toFixed(2).padStart(8)} → ` +
    `${after.processorMs.toFixed(2).padStart(8)} ms of processor ${ratio.processorMs.toFixed(3)}` +
    `${isSlower ? " SLOWER" : ""}, by the clock ${ratio.wallMs.toFixed(3)}`
  ).join("\n");
}

function numbers(text: string): number[] {
  const values = text.split(",").map(Number);
  if (values.every((value) => Number.isInteger(value) && value > 0)) return values;
  throw new TypeError(`Cannot measure ${text}: must be whole numbers, as in 512,4096`);
}

if (import.meta.main) {
  const flags = parseArgs(Deno.args, { string: Object.keys(DEFAULTS), default: DEFAULTS });
  const [beforePath, afterPath, file] = flags._.map(String);
  if (file === undefined) {
    throw new TypeError("Cannot compare: name two checkouts and a JSON file for the result");
  }
  const [[streamCount], [tokenCount], [roundCount]] = [flags.streams, flags.tokens, flags.rounds]
    .map((text) => numbers(String(text)));
  const counts = {
    prefills: numbers(String(flags.prefills)),
    depths: numbers(String(flags.depths)),
    streamCount,
    tokenCount,
  };
  const modelPath = flags.model ? await Deno.realPath(String(flags.model)) : defaultModelPath();
  const checkouts = { before: await checkoutAt(beforePath), after: await checkoutAt(afterPath) };
  const rounds: Round[] = [];
  while (rounds.length < roundCount) {
    const round: Record<Side, Cost[]> = { before: [], after: [] };
    for (const side of rounds.length % 2 === 0 ? SIDES : SIDES.toReversed()) {
      console.error(`round ${rounds.length + 1} of ${roundCount}: ${side}`);
      round[side] = await measured(checkouts[side], { modelPath, counts });
    }
    rounds.push(round);
  }
  const comparisons = compared(rounds);
  const record = {
    command: `deno task compare ${Deno.args.join(" ")}`,
    date: new Date().toISOString().slice(0, 10),
    before: checkouts.before.commit,
    after: checkouts.after.commit,
    counts,
    comparisons,
    rounds,
  };
  await Deno.writeTextFile(file, `${JSON.stringify(record, null, 2)}\n`);
  console.log(table(comparisons));
  if (comparisons.some(({ isSlower }) => isSlower)) Deno.exit(1);
}
