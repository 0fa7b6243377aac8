/**
 * An engine that answers by script, with a tokenizer of bytes: HTTP tests need no model.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { EngineError, type EngineErrorCode } from "../../src/core/errors.ts";
import { PAPER_PROFILE } from "../../src/codec/paper/settings.ts";
import type {
  Engine,
  EngineInfo,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  SlotAction,
  SlotInfo,
  SlotOutcome,
  TokenLogprobs,
} from "../../src/engine/types.ts";
import type { ChatTemplate, Tokenizer } from "../../src/tokenizer/types.ts";
import { directPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import type { ServedModel } from "../../server/state.ts";
import { GIVE_UP_MS } from "./waiting.ts";

/** Id of the fake's end token; ids below 256 are bytes. */
export const FAKE_EOS_ID = 256;
/** Id of another control token, written `<|c|>`. */
export const FAKE_CONTROL_ID = 257;

/** How long each request seems to have waited. */
const QUEUE_MS = 1;
const CONTROL_NAMES = ["<|end|>", "<|c|>"];

/**
 * What the fake does next: give a token, tell that so much of the prompt is processed, wait for a
 * time or a promise, fail, or give nothing until it is aborted.
 */
export type FakeStep =
  | number
  | { prefilledCount: number }
  | { waitMs: number }
  | { until: Promise<void> }
  | Error
  | "hang";

/** Longer than a test may wait for anything. */
const HANG_MS = 2 * GIVE_UP_MS;

/** The steps of one generation; steps before the first token come before its `prefill` event. */
export type FakeScript = (request: GenerateRequest, callIndex: number) => readonly FakeStep[];

/** Steps that give the bytes of `text`, one token each. */
export function tokensOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** One token for each byte, two control tokens. */
export const FAKE_TOKENIZER: Tokenizer = {
  vocabSize: 258,
  hasTexts: true,
  eosIds: [FAKE_EOS_ID],
  bosId: null,
  addBos: false,
  addedEosId: null,
  tokenize(text, { parseSpecial }) {
    if (!parseSpecial) return tokensOf(text);
    return text.split(/(<\|end\|>|<\|c\|>)/).flatMap((piece) => {
      const controlIndex = CONTROL_NAMES.indexOf(piece);
      return controlIndex < 0 ? tokensOf(piece) : [FAKE_EOS_ID + controlIndex];
    });
  },
  detokenize(ids) {
    const bytes = ids.flatMap((id) => [...FAKE_TOKENIZER.tokenBytes(id)]);
    return new TextDecoder().decode(new Uint8Array(bytes));
  },
  textOf: (ids) => FAKE_TOKENIZER.detokenize(ids),
  tokenBytes: (id) =>
    id < 256 ? Uint8Array.of(id) : new TextEncoder().encode(CONTROL_NAMES[id - 256]),
  isControl: (id) => id >= 256,
};

/** Writes `[role]content` for each message and `[assistant]` at the end. */
export const FAKE_TEMPLATE: ChatTemplate = {
  source: "",
  reads: () => false,
  render(messages, { addGenerationPrompt }) {
    const texts = messages.map(({ role, content }) => `[${role}]${content}`);
    const text = texts.join("") + (addGenerationPrompt ? "[assistant]" : "");
    return { ids: FAKE_TOKENIZER.tokenize(text, { parseSpecial: false }), text };
  },
};

const INFO: EngineInfo = {
  modelName: "fake",
  modelPath: "/models/fake.gguf",
  modelSizeBytes: 1000,
  parameterCount: 2000,
  vocabSize: 258,
  contextLengthTrained: 400,
  contextLength: 200,
  profile: "paper (k-rel 0.1, v-rel 0.2, pack 16)",
  codec: { settings: PAPER_PROFILE, layerSteps: null, calibration: null },
  adapter: "fake adapter",
  adapterIsFallback: true,
  webgpu: "deno",
  sequenceCountMax: 4,
  waitingCountMax: 64,
  stepTokenCountMax: 16,
  windowTokenCount: 128,
  sharesPrefixes: true,
  speculates: true,
  keep: null,
  read: null,
  math: { mode: "f32", note: null },
  sharedLayers: [],
  tokenBytes: 1024,
  hostCapacityBytes: 0,
  diskFolder: null,
  storeAddress: null,
  diskCapacityBytes: 0,
  weightBytes: 900,
  embeddingWidth: 2,
  pooling: null,
  layerReaches: [512, null],
  windowBytes: 300,
  tableBytes: 40,
  summaryBytes: 0,
  cacheCapacityBytes: 5000,
  cacheWantedBytes: null,
  tuning: { source: "tables", note: "not tuned: a fake", choices: [] },
  heldContext: { tokenCount: 200, wholeSizeBytes: null },
  blockCapacity: 7,
};

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

/** Lets everything else that waits have its turn; a timer of 0 ms takes 1 to 5 of them. */
function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => resolve()));
}

/** Log-probability `-id / 100`; the ids after `id` are the alternatives. */
function reportOf(id: number, topCount: number): TokenLogprobs {
  const top = Array.from({ length: topCount }, (_, rank) => {
    return { id: (id + rank) % INFO.vocabSize, logprob: -id / 100 - rank };
  });
  return { id, logprob: -id / 100, top };
}

/** The scripted engine; keeps what it was asked, and how each generation ended. */
export class FakeEngine implements Engine {
  readonly info: EngineInfo;
  readonly failed: Promise<{ code: EngineErrorCode; message: string }>;
  readonly requests: GenerateRequest[] = [];
  /** Generations that are running, most that ran at a time, and that ended by an abort. */
  activeCount = 0;
  activeCountMax = 0;
  abortedCount = 0;
  readonly slotActions: [slot: number, action: SlotAction][] = [];
  /** Told of every prompt. */
  cachedTokenCount = 0;
  isClosed = false;
  /** Ends the engine as a lost device would. */
  readonly fail: (failure: { code: EngineErrorCode; message: string }) => void;
  readonly #script: FakeScript;
  #generatedTokenCount = 0;

  constructor(script: FakeScript, info: Partial<EngineInfo> = {}) {
    this.#script = script;
    this.info = { ...INFO, ...info };
    const { promise, resolve } = Promise.withResolvers<
      { code: EngineErrorCode; message: string }
    >();
    this.failed = promise;
    this.fail = resolve;
  }

  async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent> {
    const steps = this.#script(request, this.requests.length);
    this.requests.push(request);
    this.activeCountMax = Math.max(this.activeCountMax, ++this.activeCount);
    let isOver = false;
    try {
      yield* this.#run(request, steps);
      isOver = true;
    } finally {
      this.activeCount--;
      if (!isOver && request.signal?.aborted) this.abortedCount++;
    }
  }

  async *#run(
    request: GenerateRequest,
    steps: readonly FakeStep[],
  ): AsyncGenerator<GenerateEvent> {
    const { signal } = request;
    const promptTokenCount = request.promptIds.length;
    let completionTokenCount = 0;
    let isPrefilled = false;
    if (request.promptLogprobs !== undefined) {
      const topCount = request.promptLogprobs;
      const entries = request.promptIds.slice(1).map((id) => reportOf(id, topCount));
      yield { type: "prompt_logprobs", position: 1, entries };
    }
    if (request.pooling !== undefined) {
      // A vector that depends on all ids, or on the last one.
      const ids = request.pooling === "mean" ? request.promptIds : request.promptIds.slice(-1);
      yield { type: "embedding", values: Float32Array.of(3, ids.reduce((sum, id) => sum + id, 0)) };
    }
    for (const step of steps) {
      if (step instanceof Error) throw step;
      if (step === "hang") await delay(HANG_MS, signal);
      else if (typeof step === "object" && "prefilledCount" in step) {
        const { cachedTokenCount } = this;
        const processedTokenCount = step.prefilledCount;
        const counts = { processedTokenCount, promptTokenCount, cachedTokenCount };
        yield { type: "prefill", ...counts, queueMs: QUEUE_MS };
      } else if (typeof step === "object" && "until" in step) await step.until;
      else if (typeof step === "object") await delay(step.waitMs, signal);
      else {
        await turnOfLoop();
        if (!isPrefilled) {
          yield {
            type: "prefill",
            processedTokenCount: promptTokenCount,
            promptTokenCount,
            cachedTokenCount: this.cachedTokenCount,
            queueMs: QUEUE_MS,
          };
        }
        isPrefilled = true;
        this.#generatedTokenCount++;
        completionTokenCount++;
        const { logprobs } = request;
        yield {
          type: "token",
          id: step,
          ...(logprobs === undefined ? {} : { logprobs: reportOf(step, logprobs) }),
        };
      }
      if (signal?.aborted) throw new EngineError("aborted", "Cannot go on: aborted");
      if (completionTokenCount === request.maxTokens) break;
    }
    const reason = completionTokenCount === request.maxTokens ? "length" : "stop";
    const timings = { queueMs: QUEUE_MS, prefillMs: 100, decodeMs: 500 };
    yield {
      type: "finish",
      reason,
      promptTokenCount,
      completionTokenCount,
      cachedTokenCount: this.cachedTokenCount,
      timings,
    };
  }

  stats(): Promise<EngineStats> {
    return Promise.resolve({
      runningSequenceCount: this.activeCount,
      waitingSequenceCount: 0,
      cacheUsage: 0.25,
      retainedBytes: 3000,
      hostBytes: 0,
      store: null,
      diskBytes: 0,
      sharedBlockCount: 2,
      rereadTokenCount: 9,
      prefixQueryCount: 100,
      prefixHitCount: 64,
      cacheBytes: { raw: 6000, payload: 900, packed: 1000, allocated: 1024 },
      layerBytes: [
        { reach: 512, keyValueLayer: 0, window: 200, packed: 0, packedTokens: 0 },
        { reach: null, keyValueLayer: 1, window: 100, packed: 1000, packedTokens: 64 },
      ],
      deviceBytes: 7000,
      stepCount: this.#generatedTokenCount,
      promptTokenCount: this.requests.reduce((sum, { promptIds }) => sum + promptIds.length, 0),
      generatedTokenCount: this.#generatedTokenCount,
      sealingSeconds: 0.5,
      sealedBlockCount: 11,
      savedBlockCount: 5,
      preemptionCount: 7,
      readableTokenCount: 0,
      describableRecordCount: 0,
      describedRecordCount: 0,
      readTokenCount: 0,
      fetchedBlockCount: 13,
      fetchedPromptBlockCount: 17,
      valueBytes: { host: 600, device: 200 },
      draftTokenCount: 40,
      acceptedTokenCount: 30,
      loadedBlockCount: 3,
    });
  }

  slots(): Promise<SlotInfo[]> {
    const idle = { phase: "idle" as const, cachedTokenCount: 0, generatedTokenCount: 0 };
    const counts = { storedTokenCount: 0, rawBytes: 0, packedBytes: 0, promptTokenCount: 0 };
    return Promise.resolve([{ slot: 0, ...idle, ...counts, kept: null }]);
  }

  actOnSlot(slot: number, action: SlotAction): Promise<SlotOutcome> {
    this.slotActions.push([slot, action]);
    return Promise.resolve({ tokenCount: 128, sizeBytes: 5000 });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** A loaded model around `engine`. */
export function fakeModel(engine: Engine): ServedModel {
  const prompts = directPromptReader(FAKE_TOKENIZER, FAKE_TEMPLATE);
  return { engine, tokenizer: FAKE_TOKENIZER, chatTemplate: FAKE_TEMPLATE, prompts };
}
