/** A process whose worker opens the GPU and ends. Prints the drivers loaded then, and after it. */

import { openGpu } from "../../src/gpu/open_gpu.ts";
import { loadedDrivers } from "../../src/gpu/keep_driver.ts";

const SETTLE_MS = 500;

if (self.name !== "gpu") {
  const worker = new Worker(import.meta.url, { type: "module", name: "gpu" });
  const before = await new Promise<string[]>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<string[]>) => resolve(data);
  });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  console.log(JSON.stringify({ before, after: loadedDrivers() }));
} else {
  const gpu = await openGpu();
  const drivers = loadedDrivers();
  gpu.close();
  (self as unknown as { postMessage(message: string[]): void }).postMessage(drivers);
  self.close();
}
