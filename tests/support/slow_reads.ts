/** The runtime's WebGPU with slower reads: what a device far away, or a driver that polls, does. */

/** Reads that are slow until they are undone. */
export interface SlowReads {
  /** Reads that had to wait for submitted work. */
  waitCount: number;
  undo(): void;
}

/** Changes a method of a prototype. */
function replace<T extends object, K extends keyof T>(target: T, name: K, by: (own: T[K]) => T[K]) {
  const own = target[name];
  target[name] = by(own);
  return () => {
    target[name] = own;
  };
}

/** Slow reads whose delay can be changed. */
export interface DelayedReads extends SlowReads {
  delayMs: number;
}

/** Every read that waits for submitted work takes `delayMs` more, in which this thread stands. */
export function delayReads(delayMs: number): DelayedReads {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  let hasWork = false;
  const undos = [
    replace(GPUQueue.prototype, "submit", (own) =>
      function (this: GPUQueue, commands) {
        hasWork = true;
        return own.call(this, commands);
      }),
    replace(GPUBuffer.prototype, "mapAsync", (own) =>
      function (this: GPUBuffer, ...args) {
        const mapped = own.apply(this, args);
        if (hasWork) {
          if (reads.delayMs > 0) Atomics.wait(clock, 0, 0, reads.delayMs);
          reads.waitCount++;
        }
        hasWork = false;
        return mapped;
      }),
  ];
  const reads = {
    delayMs,
    waitCount: 0,
    undo: () => undos.forEach((undo) => undo()),
  };
  return reads;
}

/** Slow reads of which several may be under way. */
export interface AwaitedReads extends SlowReads {
  /** Most that were under way at a time. */
  pendingCountMax: number;
}

/** A mapped buffer can be read only once its promise has resolved, as the standard says. */
export function awaitReads(): AwaitedReads {
  const pending = new Set<GPUBuffer>();
  const undos = [
    replace(GPUBuffer.prototype, "mapAsync", (own) =>
      async function (this: GPUBuffer, ...args) {
        pending.add(this);
        reads.waitCount++;
        reads.pendingCountMax = Math.max(reads.pendingCountMax, pending.size);
        try {
          await own.apply(this, args);
        } finally {
          pending.delete(this);
        }
      }),
    replace(GPUBuffer.prototype, "getMappedRange", (own) =>
      function (this: GPUBuffer, ...args) {
        if (pending.has(this)) throw new DOMException("not mapped yet", "OperationError");
        return own.apply(this, args);
      }),
  ];
  const reads = { pendingCountMax: 0, waitCount: 0, undo: () => undos.forEach((undo) => undo()) };
  return reads;
}
