/**
 * `packkv bench serve`: load on a running OpenAI server, ours or another.
 *
 * @module
 */

import { StopReason } from "../measure/load/client.ts";
import { type LoadReport, measureLoad } from "../measure/load/measure.ts";
import { LoadError } from "../measure/load/outcome.ts";
import type { LengthRange, LoadShape, Workload } from "../measure/load/plan.ts";
import { normaliseUrl } from "../measure/load/probe.ts";
import { formatLoadReport } from "../measure/load/table.ts";
import { ProgressLine } from "../setup/progress.ts";
import { SetupError } from "../setup/setup_error.ts";
import type { Command } from "./command.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

const REQUESTS_DEFAULT = 16;
const PROMPT_TOKENS_DEFAULT = "128";
const OUTPUT_TOKENS_DEFAULT = "32";
const TIMEOUT_SECONDS_DEFAULT = 600;
const LENGTH_MAX = 2 ** 20;
const INTERRUPTED_EXIT_CODE = 130;

/** The command. */
export const benchServeCommand: Command = {
  name: "bench serve",
  summary: "measure latency and throughput of a running OpenAI server",
  usage: "--url URL [flags]",
  flags: {
    url: { value: "URL", help: "the server, as http://127.0.0.1:8000; the only host it contacts" },
    requests: { value: "N", help: `requests to send (default: ${REQUESTS_DEFAULT})` },
    concurrency: { value: "C", help: "requests at a time (default: 1)" },
    rate: { value: "R", help: "instead: requests a second, at random times (Poisson)" },
    "prompt-tokens": {
      value: "A[-B]",
      help: `prompt lengths, drawn from A to B (default: ${PROMPT_TOKENS_DEFAULT})`,
    },
    "output-tokens": {
      value: "A[-B]",
      help: `answer lengths, drawn from A to B (default: ${OUTPUT_TOKENS_DEFAULT})`,
    },
    "prefix-share": { value: "F", help: "share of a prompt that all have, 0 to 1 (default: 0)" },
    seed: { value: "S", help: "seed of lengths, prompts and times (default: 0)" },
    model: { value: "ID", help: "model to ask for (default: the first that the server lists)" },
    "api-key": { value: "KEY", help: "key to send as bearer token" },
    "timeout-s": {
      value: "S",
      help: `longest time of the run in seconds (default: ${TIMEOUT_SECONDS_DEFAULT})`,
    },
    json: { help: "print one JSON object" },
  },
  examples: [
    "packkv bench serve --url http://127.0.0.1:8000 --concurrency 4",
    "packkv bench serve --url http://127.0.0.1:8000 --rate 2 --prompt-tokens 100-2000 --json",
  ],
  notes: [
    "Sends streamed /v1/completions. A first request finds out whether prompts can be token ids;",
    "if not, they are words. Tokens are counted by the streams' usage. Ctrl-C prints what there",
    "is; exit code 1 says that a request failed. The same seed sends the same prompts: a server",
    "that keeps prefixes has them cached the second time.",
  ],
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, benchServeCommand.flags);
  flags.refusePositionals();
  const url = readUrl(flags);
  const workload = readWorkload(flags);
  const timeoutSeconds = flags.number("timeout-s", { min: 0.001, max: 86_400 }) ??
    TIMEOUT_SECONDS_DEFAULT;
  const { signal, release } = listenForInterrupt();
  const progress = new ProgressLine();
  try {
    const report = await measureLoad({
      server: { url, apiKey: flags.text("api-key"), model: flags.text("model"), signal },
      workload,
      timeoutMs: timeoutSeconds * 1000,
      onProgress: progress.update,
    });
    progress.finish();
    console.log(flags.has("json") ? JSON.stringify(report) : formatLoadReport(report));
    return exitCodeOf(report);
  } catch (error) {
    progress.finish();
    throw error instanceof LoadError ? new SetupError(error.message, { cause: error }) : error;
  } finally {
    release();
  }
}

function exitCodeOf({ stoppedBy, summary, unsentCount }: LoadReport): number {
  if (stoppedBy === "interrupted") return INTERRUPTED_EXIT_CODE;
  return summary.failedCount > 0 || unsentCount > 0 ? 1 : 0;
}

/** The first Ctrl-C aborts the signal; a second one ends the process. */
function listenForInterrupt(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onInterrupt = () => {
    if (controller.signal.aborted) Deno.exit(INTERRUPTED_EXIT_CODE);
    controller.abort(new StopReason("interrupted"));
  };
  Deno.addSignalListener("SIGINT", onInterrupt);
  return {
    signal: controller.signal,
    release: () => Deno.removeSignalListener("SIGINT", onInterrupt),
  };
}

function readUrl(flags: Flags): string {
  const url = flags.text("url");
  if (url === null) throw new UsageError("Cannot measure: --url URL is missing");
  try {
    return normaliseUrl(url);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * Reads the flags that describe the workload.
 *
 * @throws {UsageError} If one is out of range, or both `--rate` and `--concurrency` are given.
 */
export function readWorkload(flags: Flags): Workload {
  return {
    requestCount: flags.number("requests", { min: 1, max: 100_000, isInteger: true }) ??
      REQUESTS_DEFAULT,
    shape: readShape(flags),
    promptTokens: readLengths(flags, "prompt-tokens", PROMPT_TOKENS_DEFAULT),
    outputTokens: readLengths(flags, "output-tokens", OUTPUT_TOKENS_DEFAULT),
    prefixShare: flags.number("prefix-share", { min: 0, max: 1 }) ?? 0,
    seed: flags.number("seed", { min: 0, max: 2 ** 32 - 1, isInteger: true }) ?? 0,
  };
}

function readShape(flags: Flags): LoadShape {
  const requestsPerSecond = flags.number("rate", { min: 0.001, max: 10_000 });
  const concurrency = flags.number("concurrency", { min: 1, max: 4096, isInteger: true });
  if (requestsPerSecond === null) return { type: "concurrency", concurrency: concurrency ?? 1 };
  if (concurrency === null) return { type: "rate", requestsPerSecond };
  throw new UsageError("Cannot use --rate with --concurrency: one of them says when to send");
}

function readLengths(flags: Flags, name: string, fallback: string): LengthRange {
  const text = flags.text(name) ?? fallback;
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [min, max] = [Number(first), Number(last)];
  if (min >= 1 && max >= min && max <= LENGTH_MAX) return { min, max };
  throw new UsageError(
    `Cannot use --${name} ${text}: must be whole numbers from 1 to ${LENGTH_MAX}, as 64 or 64-256`,
  );
}
