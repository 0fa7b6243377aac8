/**
 * `packkv bench`: speed of one stream on this machine, by profile, and beside llama.cpp if asked.
 *
 * @module
 */

import { createEngine, type EngineOptions, type ProfileOptions } from "../../mod.ts";
import { comparePeer, PEER_BACKENDS, type PeerBackend } from "../measure/peer.ts";
import {
  formatStreamReport,
  measureStream,
  medianReports,
  type StreamCounts,
  type StreamReport,
} from "../measure/single_stream.ts";
import { ensureDawn } from "../setup/packages.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import { ADAPTER_FLAGS, readEngineAdapter } from "./adapter_flags.ts";
import type { Command } from "./command.ts";
import { PROFILE_NAMES } from "../../src/codec/profile.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { MATH_FLAG, readMath } from "./math_flag.ts";
import { UsageError } from "./usage_error.ts";

const PREFILL_DEFAULT = 512;
const DEPTHS_DEFAULT = "128,4096";
const DECODE_DEFAULT = 32;

/** The command. */
export const benchCommand: Command = {
  name: "bench",
  summary: "measure prefill and decode speed of one stream",
  usage: "[flags]",
  flags: {
    model: { value: "MODEL", help: "GGUF file (default: SmolLM2-135M-Instruct)" },
    profiles: { value: "NAMES", help: "profiles to compare (default: balanced,paper,exact)" },
    prefill: { value: "N", help: `prompt tokens of the prefill run (default: ${PREFILL_DEFAULT})` },
    depths: { value: "N,N", help: `depths of the decode runs (default: ${DEPTHS_DEFAULT})` },
    decode: { value: "N", help: `tokens decoded at each depth (default: ${DECODE_DEFAULT})` },
    peer: {
      value: "BACKENDS",
      help: `also run llama.cpp, ${PEER_BACKENDS.join(" or ")}, by node-llama-cpp (needs npm)`,
    },
    math: MATH_FLAG,
    ...ADAPTER_FLAGS,
    rounds: { value: "N", help: "times that all of them take their turn; medians (default: 1)" },
    json: { help: "print one JSON object" },
  },
  examples: ["packkv bench", "packkv bench --depths 128 --peer vulkan,cpu --rounds 3"],
  notes: [
    "A running server is measured by `packkv bench serve`, kernels alone by",
    "`deno bench -A bench/kernels`.",
  ],
  needsGpu: true,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, benchCommand.flags);
  flags.refusePositionals();
  const range = { min: 1, max: 2 ** 20, isInteger: true };
  const counts = {
    prefillCount: flags.number("prefill", range) ?? PREFILL_DEFAULT,
    decodeCount: flags.number("decode", range) ?? DECODE_DEFAULT,
    depths: readDepths(flags.text("depths") ?? DEPTHS_DEFAULT),
  };
  const profiles = readProfiles(flags);
  const peers = readPeers(flags);
  const roundCount = flags.number("rounds", { min: 1, max: 99, isInteger: true }) ?? 1;
  const options = { math: readMath(flags), ...readEngineAdapter(flags) };
  const modelPath = await ensureModel(flags.text("model"));
  const progress = new ProgressLine();
  await ensureDawn(options.webgpu, progress);
  const rounds: StreamReport[][] = [];
  // One after the other and all of them again: what else the machine does is the same for all.
  while (rounds.length < roundCount) {
    const reports: StreamReport[] = [];
    for (const profile of profiles) {
      reports.push(await measureProfile(profile, { modelPath, ...options }, { counts, progress }));
    }
    for (const peer of peers) {
      progress.update(`running llama.cpp (${peer})`);
      reports.push(await comparePeer(peer, { modelPath, ...counts }));
    }
    rounds.push(reports);
  }
  const reports = medianReports(rounds);
  progress.finish();
  console.log(flags.has("json") ? JSON.stringify(reports) : formatStreamReport(reports));
  return 0;
}

async function measureProfile(
  profile: ProfileOptions,
  options: EngineOptions,
  { counts, progress }: { counts: StreamCounts; progress: ProgressLine },
): Promise<StreamReport> {
  const { update: onProgress } = progress;
  const engine = await createEngine({ ...options, profile, sequenceCountMax: 1, onProgress });
  try {
    return await measureStream(engine, { ...counts, onProgress });
  } finally {
    await engine.close();
  }
}

function readPeers(flags: Flags): PeerBackend[] {
  const text = flags.text("peer");
  if (text === null) return [];
  return text.split(",").map((name) => {
    const found = PEER_BACKENDS.find((each) => each === name);
    if (found !== undefined) return found;
    const wanted = `must be ${PEER_BACKENDS.join(" or ")}, or both with a comma`;
    throw new UsageError(`Cannot use --peer ${text}: ${wanted}`);
  });
}

function readDepths(text: string): number[] {
  const depths = text.split(",").map(Number);
  if (depths.every((depth) => Number.isInteger(depth) && depth >= 1)) return depths;
  throw new UsageError(`Cannot use --depths ${text}: must be whole numbers, as in 128,4096`);
}

function readProfiles(flags: Flags): ProfileOptions[] {
  return (flags.text("profiles") ?? "balanced,paper,exact").split(",").map((name) => {
    const found = PROFILE_NAMES.find((each) => each === name);
    if (found !== undefined) return { name: found };
    throw new UsageError(`Cannot use profile ${name}: must be one of ${PROFILE_NAMES.join(", ")}`);
  });
}
