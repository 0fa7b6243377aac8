/**
 * `packkv bench streams`: how decoding scales with the number of streams, and how steady one stays.
 *
 * @module
 */

import { createEngine } from "../../mod.ts";
import { formatStreams, measureArrival, measureStreams } from "../measure/many_streams.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { Command } from "./command.ts";
import { CODEC_FLAGS, readProfile } from "./codec_flags.ts";
import { parseFlags } from "./flags.ts";
import { readServingFlags, SERVING_FLAGS } from "./serving_flags.ts";
import { UsageError } from "./usage_error.ts";

const STREAMS_DEFAULT = "1,2,4,8,16";
const TOKENS_DEFAULT = 32;
const CONTEXT_DEFAULT = 8192;

/** The command. */
export const benchStreamsCommand: Command = {
  name: "bench streams",
  summary: "measure decoding of many streams, and of one while a prompt arrives",
  usage: "[flags]",
  flags: {
    ...CODEC_FLAGS,
    streams: { value: "N,N", help: `numbers of streams, to 64 (default: ${STREAMS_DEFAULT})` },
    tokens: { value: "N", help: `tokens of each that count (default: ${TOKENS_DEFAULT})` },
    arrival: { value: "N", help: "tokens of a prompt that arrives beside one stream; 0 for none" },
    "step-tokens": SERVING_FLAGS["step-tokens"],
    json: { help: "print one JSON object" },
  },
  examples: ["packkv bench streams", "packkv bench streams --streams 1,8 --arrival 4096 --json"],
  notes: ["Ratios are to the first number of streams."],
  needsGpu: true,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, benchStreamsCommand.flags);
  flags.refusePositionals();
  const text = flags.text("streams") ?? STREAMS_DEFAULT;
  const streamCounts = text.split(",").map(Number);
  if (!streamCounts.every((count) => Number.isInteger(count) && count >= 1 && count <= 64)) {
    throw new UsageError(`Cannot use --streams ${text}: must be whole numbers to 64, as in 1,8`);
  }
  const tokenCount = flags.number("tokens", { min: 1, max: 1000, isInteger: true });
  const arrival = flags.number("arrival", { min: 0, max: CONTEXT_DEFAULT - 1, isInteger: true });
  const progress = new ProgressLine();
  const engine = await createEngine({
    modelPath: await ensureModel(flags.text("model")),
    profile: readProfile(flags),
    sequenceCountMax: Math.max(2, ...streamCounts),
    ...readServingFlags(flags),
    onProgress: progress.update,
  });
  try {
    progress.update("measuring");
    await measureStreams(engine, [1], 8); // the first steps of each kernel are slower
    const rates = await measureStreams(engine, streamCounts, tokenCount ?? TOKENS_DEFAULT);
    const gaps = arrival ? await measureArrival(engine, arrival) : null;
    progress.finish();
    const { adapter, profile, stepTokenCountMax } = engine.info;
    const report = { adapter, profile, stepTokenCountMax, rates, gaps };
    console.log(flags.has("json") ? JSON.stringify(report) : formatStreams(rates, gaps));
  } finally {
    progress.finish();
    await engine.close();
  }
  return 0;
}
