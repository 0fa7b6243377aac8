/** Which GPU is opened, as plain values. */

/** Whose WebGPU: `deno` is the runtime's own, `dawn` that of Chrome. */
export type WebGpuName = "deno" | "dawn";

/** All names. */
export const WEBGPU_NAMES = ["deno", "dawn"] as const satisfies readonly WebGpuName[];

/** Which adapter. */
export interface AdapterOptions {
  /** Whose WebGPU: the runtime's own if left out. */
  webgpu?: WebGpuName;
  /** Which one of several; `high-performance` if left out. */
  power?: "high-performance" | "low-power";
  /** Part of its name; only Dawn finds adapters by it. */
  adapterName?: string;
}
