/**
 * The engine's GPU worker on a device that can be made to fail: the query of this module's address
 * names the moment (`load`), messages on the channel `device failure` name the failure, or a file
 * that holds the worker up as long as it is there.
 */

import "../../src/engine/worker.ts";

const { requestDevice } = GPUAdapter.prototype;
let device: GPUDevice | null = null;

GPUAdapter.prototype.requestDevice = async function (descriptor) {
  device = await requestDevice.call(this, descriptor);
  return device;
};

if (new URL(import.meta.url).search === "?load") {
  const { writeBuffer } = GPUQueue.prototype;
  // The first write is that of a weight.
  GPUQueue.prototype.writeBuffer = function (...args: Parameters<typeof writeBuffer>) {
    GPUQueue.prototype.writeBuffer = writeBuffer;
    failValidation();
    writeBuffer.apply(this, args);
  };
}

/** A copy beyond the end of a buffer: refused by validation, outside any error scope. */
function failValidation(): void {
  const buffer = device!.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST });
  device!.queue.writeBuffer(buffer, 16, new Uint32Array(4));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const failures = new BroadcastChannel("device failure");
failures.onmessage = ({ data }) => {
  failures.close();
  if (data === "lost") device!.destroy();
  else if (data === "validation") failValidation();
  else if (data === "exception") throw new Error("made to fail");
  else {
    // A file: made here, and gone once messages have come that are never to be answered.
    Deno.writeTextFileSync(data, "");
    while (exists(data));
    throw new Error("made to fail");
  }
};
