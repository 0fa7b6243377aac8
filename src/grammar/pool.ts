/**
 * The grammar workers of an engine: which of them knows which grammar, and who follows one.
 *
 * @module
 */

// The workers' libraries, which they load when they start: so that set-up fetches them.
import "@eslint-community/regexpp/package.json" with { type: "json" };
import "@mlc-ai/web-xgrammar/package.json" with { type: "json" };
import { EngineError } from "../core/errors.ts";
import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { BYTE_CHARACTERS } from "../tokenizer/byte_level.ts";
import { tokenBytesTable } from "../tokenizer/token_bytes.ts";
import type { Vocabulary } from "../tokenizer/vocabulary.ts";
import { bounded, widened } from "./limits.ts";
import { SchemaRefusal } from "./refusal.ts";
import {
  type FromGrammarWorker,
  type GrammarSpec,
  type GrammarVocabulary,
  SHARED_HEADER_WORDS,
  SHARED_MASK_COUNT_MAX,
  type ToGrammarWorker,
} from "./types.ts";

const WORKER_COUNT_MAX = 4;
/** Grammars a worker keeps; one that knows as many is replaced when it is idle. */
const GRAMMAR_COUNT_MAX = 64;
/** Longest time to compile a grammar; one of 64 tools takes some 3 s for 50,000 tokens. */
const COMPILE_TIMEOUT_MS = 20_000;

/** A grammar ready to be followed, once. */
export interface GrammarSession {
  /** Goes to the GPU worker: takes {@link ToGrammarSession}. */
  port: MessagePort;
  /** Header and masks, see `types.ts`. */
  shared: SharedArrayBuffer;
  /** Ends it. Idempotent. */
  close(): void;
}

/** Why a grammar cannot be followed. */
interface Failure {
  message: string;
  /** Whether its worker can still compile others. */
  isUsable: boolean;
}

const CLOSED: Failure = { message: "its worker was closed", isUsable: false };

class PooledWorker {
  /** Grammars it knows, or is about to. */
  readonly keys = new Set<string>();
  /** The one it compiles; others do not go to it until then, since compiling may end it. */
  compiling: string | null = null;
  sessionCount = 0;
  readonly #worker: Worker;
  readonly #waiters = new Map<number, PromiseWithResolvers<Failure | null>>();

  constructor(vocabulary: GrammarVocabulary) {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromGrammarWorker>) => {
      this.#waiters.get(data.sessionId)?.resolve(data.type === "failed" ? data : null);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail({ message: event.message, isUsable: false });
    };
    this.#send({ type: "load", vocabulary });
  }

  /** Opens a session; what is wrong with the grammar, or null. */
  async open(message: Extract<ToGrammarWorker, { type: "open" }>): Promise<Failure | null> {
    const waiter = Promise.withResolvers<Failure | null>();
    this.#waiters.set(message.sessionId, waiter);
    const state = `compiling it takes more than ${COMPILE_TIMEOUT_MS / 1000} s`;
    const tooLong = { message: state, isUsable: false };
    const timer = setTimeout(() => waiter.resolve(tooLong), COMPILE_TIMEOUT_MS);
    this.#send(message, [message.port]);
    try {
      return await waiter.promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(message.sessionId);
      this.compiling = null;
    }
  }

  closeSession(sessionId: number): void {
    this.#send({ type: "close", sessionId });
  }

  /**
   * Ends it; it holds no device, so it may be ended from outside. Waiting callers get the reason.
   */
  end(failure: Failure): void {
    this.#fail(failure);
    this.#worker.terminate();
  }

  #fail(failure: Failure): void {
    for (const waiter of this.#waiters.values()) waiter.resolve(failure);
  }

  #send(message: ToGrammarWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}

/** Starts workers when grammars are first wanted. */
export class GrammarPool {
  readonly #vocabulary: Vocabulary;
  #table: GrammarVocabulary | null = null;
  #workers: PooledWorker[] = [];
  #idle: (() => void)[] = [];
  #nextSessionId = 1;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /**
   * Compiles a grammar, unless a worker knows it, and begins to follow it. A grammar is compiled by
   * a worker without sessions: compiling must not delay the tokens of others, and a grammar that
   * ends the worker must not end their sessions. Schemas that are not strict give way to any object
   * if the library cannot compile them.
   *
   * @throws {EngineError} `invalid_request`, param `grammar`, if it cannot be compiled.
   */
  async open(asked: GrammarSpec): Promise<GrammarSession> {
    const spec = this.#bounded(asked);
    let opened = await this.#open(spec);
    if ("message" in opened && !opened.isUsable) {
      const wider = widened(spec);
      if (wider !== null) opened = await this.#open(wider);
    }
    if (!("message" in opened)) return opened;
    const isWhole = /^Cannot /.test(opened.message);
    throw refusal(isWhole ? opened.message : `Cannot follow the grammar: ${opened.message}`);
  }

  #bounded(spec: GrammarSpec): GrammarSpec {
    try {
      return bounded(spec);
    } catch (error) {
      throw error instanceof SchemaRefusal ? refusal(error.message) : error;
    }
  }

  async #open(spec: GrammarSpec): Promise<GrammarSession | Failure> {
    const worker = await this.#workerFor(JSON.stringify(spec));
    const sessionId = this.#nextSessionId++;
    const { port1, port2 } = new MessageChannel();
    const maskWords = divCeil(this.#vocabulary.tokens.length, 32);
    const sharedWords = SHARED_HEADER_WORDS + SHARED_MASK_COUNT_MAX * maskWords;
    const shared = new SharedArrayBuffer(sharedWords * WORD_SIZE_BYTES);
    const failure = await worker.open({ type: "open", sessionId, spec, port: port1, shared });
    // Who waits for a worker may find that this one knows the grammar now.
    for (const wake of this.#idle.splice(0)) wake();
    if (failure !== null) {
      if (failure.isUsable) this.#leave(worker);
      else this.#drop(worker, failure);
      return failure;
    }
    let isOpen = true;
    const close = () => {
      if (!isOpen) return;
      isOpen = false;
      worker.closeSession(sessionId);
      this.#leave(worker);
    };
    return { port: port2, shared, close };
  }

  /** Ends all workers. */
  close(): void {
    for (const worker of this.#workers) worker.end(CLOSED);
    this.#workers = [];
  }

  /** A worker that knows the grammar, or is free to compile it; one more session is counted. */
  async #workerFor(key: string): Promise<PooledWorker> {
    while (true) {
      const worker = this.#choose(key);
      if (worker !== null) {
        if (!worker.keys.has(key)) worker.compiling = key;
        worker.keys.add(key);
        worker.sessionCount++;
        return worker;
      }
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #choose(key: string): PooledWorker | null {
    const knowing = this.#workers.find(({ keys, compiling }) =>
      keys.has(key) && (compiling === null || compiling === key)
    );
    if (knowing) return knowing;
    for (const worker of this.#workers.filter(({ sessionCount }) => sessionCount === 0)) {
      if (worker.keys.size < GRAMMAR_COUNT_MAX) return worker;
      this.#drop(worker, CLOSED);
    }
    if (this.#workers.length === WORKER_COUNT_MAX) return null;
    const worker = new PooledWorker(this.#table ??= grammarVocabulary(this.#vocabulary));
    this.#workers.push(worker);
    return worker;
  }

  #leave(worker: PooledWorker): void {
    if (--worker.sessionCount === 0) this.#idle.shift()?.();
  }

  #drop(worker: PooledWorker, failure: Failure): void {
    worker.end(failure);
    this.#workers = this.#workers.filter((other) => other !== worker);
    this.#idle.shift()?.();
  }
}

function refusal(message: string): EngineError {
  return new EngineError("invalid_request", message, { param: "grammar" });
}

/**
 * Control tokens that are marks around calls, thoughts and messages: texts of grammars have them.
 */
const MARKS = [
  /tool|call|think|args|action|channel|minimax/i,
  /^<\|(?:start|end|eom|message|constrain|open|close|sep)\|>$/,
];

/** Tokens as the library reads them: what is no text must not be taken for it. */
function grammarVocabulary(vocabulary: Vocabulary): GrammarVocabulary {
  const { eosIds } = vocabulary;
  const controls = [...vocabulary.controlIds].filter(([name, id]) =>
    !MARKS.some((mark) => mark.test(name)) || eosIds.includes(id)
  );
  const controlIds = new Set(controls.map(([, id]) => id));
  const tokens = tokenBytesTable(vocabulary).map((bytes, id) =>
    controlIds.has(id) ? "" : Array.from(bytes, (byte) => BYTE_CHARACTERS[byte]).join("")
  );
  return { tokens, eosIds };
}
