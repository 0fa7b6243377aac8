/**
 * Measures two checkouts by turns on one machine: decode, prefill and many streams, by the clock
 * and by processor time, which counts where others use the machine too.
 *
 *     deno task compare BEFORE AFTER FILE.json
 *
 * Both models stay loaded, so that what is compared is measured seconds apart: a machine that
 * others use changes its speed within minutes. Who begins a round changes. Exits with 1 if
 * something takes more than 3% more processor time than before.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { median } from "../../server/measure/median.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { type Checkout, checkoutAt, MeasuredEngine } from "./checkout.ts";
import type { Cost, Task } from "./measure.ts";

/** More than this times the processor time of before is slower. */
export const SLOWER = 1.03;

const DEFAULTS = { model: "", prompts: "128,512,4096", streams: "8", tokens: "32", rounds: "5" };

/** Of a prompt that is not measured: blocks are sealed and read. */
const WARM_UP_PROMPT_COUNT = 300;
const WARM_UP_TOKEN_COUNT = 4;

const SIDES = ["before", "after"] as const;
type Side = typeof SIDES[number];

/** What one round gave. */
export type Round = Readonly<Record<Side, readonly Cost[]>>;

/** By the clock, and of the processor. */
type Times<T> = Record<"wallMs" | "processorMs", T>;

/** One measurement in both checkouts, milliseconds of a token. */
export interface Comparison {
  name: string;
  /** Medians of the rounds. */
  before: Times<number>;
  after: Times<number>;
  /** After by before within a round: the median, the least and the most. */
  ratio: Times<number>;
  ratioRange: Times<[least: number, most: number]>;
  isSlower: boolean;
}

/** What all rounds say, which have the same measurements in the same order. */
export function compared(rounds: readonly Round[]): Comparison[] {
  return rounds[0].before.map(({ name }, index) => {
    const costs = (side: Side) => rounds.map((round) => round[side][index]);
    const both = <T>(valueOf: (kind: keyof Times<T>) => T): Times<T> => ({
      wallMs: valueOf("wallMs"),
      processorMs: valueOf("processorMs"),
    });
    const ratiosOf = (kind: keyof Times<number>) =>
      costs("after").map((cost, round) => cost[kind] / rounds[round].before[index][kind]);
    const [before, after] = SIDES.map((side) =>
      both((kind) => median(costs(side).map((cost) => cost[kind])))
    );
    const ratio = both((kind) => median(ratiosOf(kind)));
    const ratioRange = both<[number, number]>((kind) => {
      const ratios = ratiosOf(kind);
      return [Math.min(...ratios), Math.max(...ratios)];
    });
    return { name, before, after, ratio, ratioRange, isSlower: ratio.processorMs > SLOWER };
  });
}

interface Measurement {
  modelPath: string;
  sequenceCountMax: number;
  tasks: readonly Task[];
  roundCount: number;
}

/** Loads both checkouts and measures each task in both, one right after the other. */
async function measuredRounds(
  checkouts: Record<Side, Checkout>,
  { tasks, roundCount, ...options }: Measurement,
): Promise<Round[]> {
  const engines = {
    before: await MeasuredEngine.load(checkouts.before, options),
    after: await MeasuredEngine.load(checkouts.after, options),
  };
  try {
    const [{ kind, count: first }] = tasks;
    const count = kind === "prompt" ? WARM_UP_PROMPT_COUNT : first;
    const warmUp: Task = { kind, count, tokenCount: WARM_UP_TOKEN_COUNT };
    for (const side of SIDES) await engines[side].measure(warmUp);
    const rounds: Round[] = [];
    for (let index = 0; index < roundCount; index++) {
      const costs: Record<Side, Cost[]> = { before: [], after: [] };
      for (const task of tasks) {
        console.error(`round ${index + 1} of ${roundCount}: ${task.kind} ${task.count}`);
        for (const side of index % 2 === 0 ? SIDES : SIDES.toReversed()) {
          costs[side].push(...await engines[side].measure(task));
        }
      }
      rounds.push(costs);
    }
    return rounds;
  } finally {
    for (const side of SIDES) await engines[side].close();
  }
}

function table(comparisons: readonly Comparison[]): string {
  return comparisons.map(({ name, before, after, ratio, ratioRange, isSlower }) => {
    const [least, most] = ratioRange.processorMs.map((value) => value.toFixed(2));
    return `${name.padEnd(16)} ${before.processorMs.toFixed(2).padStart(8)} → ` +
      `${after.processorMs.toFixed(2).padStart(8)} ms of processor ` +
      `${ratio.processorMs.toFixed(3)} (${least} to ${most})${isSlower ? " SLOWER" : ""}, ` +
      `by the clock ${ratio.wallMs.toFixed(3)}`;
  }).join("\n");
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
  const modelPath = flags.model ? await Deno.realPath(String(flags.model)) : defaultModelPath();
  const checkouts = { before: await checkoutAt(beforePath), after: await checkoutAt(afterPath) };
  const prompts = numbers(String(flags.prompts))
    .map((count): Task => ({ kind: "prompt", count, tokenCount }));
  const streams: Task = { kind: "streams", count: streamCount, tokenCount };
  const runOf = (sequenceCountMax: number, tasks: readonly Task[]) =>
    measuredRounds(checkouts, { modelPath, sequenceCountMax, tasks, roundCount });
  const single = await runOf(1, prompts);
  const many = await runOf(Math.max(2, streamCount), [streams]);
  const rounds = single.map(({ before, after }, index): Round => ({
    before: [...before, ...many[index].before],
    after: [...after, ...many[index].after],
  }));
  const comparisons = compared(rounds);
  const record = {
    command: `deno task compare ${Deno.args.join(" ")}`,
    date: new Date().toISOString().slice(0, 10),
    before: checkouts.before.commit,
    after: checkouts.after.commit,
    tasks: [...prompts, streams],
    comparisons,
    rounds,
  };
  await Deno.writeTextFile(file, `${JSON.stringify(record, null, 2)}\n`);
  console.log(table(comparisons));
  if (comparisons.some(({ isSlower }) => isSlower)) Deno.exit(1);
}
