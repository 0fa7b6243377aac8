/** An engine whose step loop runs in this thread, where a test reaches all that it drives. */

import { EventQueue } from "../../src/engine/event_queue.ts";
import { loadOptions } from "../../src/engine/load_options.ts";
import { toGenerateMessage } from "../../src/engine/request.ts";
import { StepLoop } from "../../src/engine/step_loop.ts";
import type {
  EngineOptions,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
} from "../../src/engine/types.ts";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { calibrationSource } from "../../src/runtime/calibration_source.ts";
import { loadRuntime, type Runtime } from "../../src/runtime/load.ts";

/** See the module. */
export class LoopHere {
  readonly runtime: Runtime;
  readonly #loop: StepLoop;
  readonly #ended: Promise<void>;
  readonly #queues = new Map<number, EventQueue<GenerateEvent>>();
  #failure: Error | null = null;
  #nextId = 1;

  private constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.#loop = new StepLoop(runtime, (message) => {
      if (message.type === "event") this.#queues.get(message.sequenceId)?.push(message.event);
      if (message.type !== "sequence_failed") return;
      const { code, message: text } = message.failure;
      this.#queues.get(message.sequenceId)?.fail(new EngineError(code, text));
    });
    this.#ended = this.#loop.run();
    this.#ended.catch((error) => {
      this.#failure = error;
      for (const queue of this.#queues.values()) queue.fail(error);
    });
  }

  /**
   * Loads a model of an uncalibrated profile, or one whose calibration is known.
   *
   * @param eosIds Tokens that end answers, in place of those of the file.
   */
  static async open(
    { modelPath, ...options }: EngineOptions,
    eosIds: readonly number[] = [],
  ): Promise<LoopHere> {
    const file = await readGguf(modelPath);
    const { metadata, ...header } = file;
    const asked = loadOptions(options);
    const runtime = await loadRuntime({
      ...asked,
      header: { ...header, metadata: metadata.valuesWithout("tokenizer.") },
      eosIds,
      calibration: await calibrationSource(file, asked.profile),
      sharedLayers: [],
    }, () => {});
    return new LoopHere(runtime);
  }

  /** As that of an engine; a grammar is not followed. */
  async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent> {
    const sequenceId = this.#nextId++;
    const queue = new EventQueue<GenerateEvent>();
    this.#queues.set(sequenceId, queue);
    if (this.#failure !== null) queue.fail(this.#failure);
    this.#loop.generate(toGenerateMessage(request, sequenceId, null));
    try {
      for await (const event of queue) {
        yield event;
        if (event.type === "finish") return;
      }
    } finally {
      this.#queues.delete(sequenceId);
      this.#loop.abort(sequenceId);
    }
  }

  /** As that of an engine. */
  stats(): EngineStats {
    return this.#loop.stats();
  }

  /** Ends the loop and frees the device; throws what ended the loop before. */
  async close(): Promise<void> {
    try {
      await this.#loop.stop();
      await this.#ended;
    } finally {
      this.runtime.gpu.close();
    }
  }
}
