/** A process whose worker opens the GPU and ends. Prints what is loaded then, and after it. */

import { loadedLibraries } from "../../src/gpu/keep_libraries.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";

const SETTLE_MS = 500;

if (self.name !== "gpu") {
  const worker = new Worker(import.meta.url, { type: "module", name: "gpu" });
  const before = await new Promise<string[]>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<string[]>) => resolve(data);
  });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  console.log(JSON.stringify({ before, after: loadedLibraries() }));
} else {
  const gpu = await openGpu();
  const libraries = loadedLibraries();
  gpu.close();
  (self as unknown as { postMessage(message: string[]): void }).postMessage(libraries);
  self.close();
}
