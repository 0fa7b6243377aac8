/**
 * Dawn, the WebGPU of Chrome: an npm package with a native library, fetched when it is first asked
 * for. It finds adapters by name, and looks at bounds and uniformity as the standard says.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";

/** Of the package, what is used here. */
interface DawnPackage {
  /** @param settings Each `name=value`. */
  create(settings: readonly string[]): GPU;
}

/** How long a turn rests in which Dawn looks for results. */
const REST_MS = 0.25;

/** Of this thread, by the name of the adapter: Dawn lives as long as something refers to it. */
const opened = new Map<string, GPU>();

/**
 * Dawn's WebGPU of this thread.
 *
 * @param adapterName Part of the name of the adapters that it finds, in the case it is written in;
 * all if left out.
 * @throws {EngineError} `adapter_missing` if the package cannot be fetched or loaded.
 */
export async function openDawn(adapterName = ""): Promise<GPU> {
  const found = opened.get(adapterName);
  if (found !== undefined) return found;
  const { create } = await loadDawn();
  if (opened.size === 0) restInTurns();
  const gpu = create(adapterName === "" ? [] : [`adapter=${adapterName}`]);
  opened.set(adapterName, gpu);
  return gpu;
}

async function loadDawn(): Promise<DawnPackage> {
  // By a variable, as the types that come with the package clash with the runtime's own, and so
  // that nobody fetches it who does not ask for it.
  const name = "webgpu";
  try {
    return await import(name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(
      "adapter_missing",
      `Cannot load Dawn, the npm package webgpu (51 MB, fetched once): ${reason}`,
      { cause },
    );
  }
}

/**
 * While something is awaited, Dawn looks for results in each turn of the thread's loop, which it
 * calls for by `setImmediate`: 12,000 times a second, with a core kept busy by nothing. On a CPU
 * device that is a core less for kernels. Such a turn rests first.
 */
function restInTurns(): void {
  const { setImmediate } = globalThis;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const rested = (callback: (...args: unknown[]) => void, ...args: unknown[]) =>
    setImmediate(() => {
      if (isNative(callback)) Atomics.wait(cell, 0, 0, REST_MS);
      callback(...args);
    });
  globalThis.setImmediate = rested as typeof setImmediate;
}

/** Whether a function is no JavaScript, as those of Dawn. */
function isNative(callback: unknown): boolean {
  return Function.prototype.toString.call(callback).endsWith("{ [native code] }");
}
