/** Dawn's WebGPU without a device behind it: Chrome's compiler, Tint, and its validation. */

let opened: Promise<GPU> | undefined;

/** The WebGPU of Dawn's null backend. Fetches the package (51 MB) where it is missing. */
export function dawn(): Promise<GPU> {
  opened ??= load();
  return opened;
}

async function load(): Promise<GPU> {
  // By a variable, as the types that come with the package clash with the runtime's own.
  const name = "webgpu";
  const { create } = await import(name);
  return create(["backend=null"]);
}

/** Checks texts one by one. */
export class Tint {
  readonly #device: GPUDevice;

  private constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Opens a device that has subgroups and every limit. */
  static async open(): Promise<Tint> {
    const adapter = (await (await dawn()).requestAdapter())!;
    const { limits } = adapter;
    const requiredFeatures = ["subgroups" as GPUFeatureName];
    const requiredLimits = {
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    };
    return new Tint(await adapter.requestDevice({ requiredFeatures, requiredLimits }));
  }

  /** What is wrong with a text, null if nothing is. */
  async fault(code: string): Promise<string | null> {
    // The one line that its WGSL needs and the runtime's refuses.
    const usesSubgroups = /\bsubgroup[A-Z_]/.test(code);
    this.#device.pushErrorScope("validation");
    this.#device.createShaderModule({
      code: usesSubgroups ? `enable subgroups;\n${code}` : code,
    });
    return (await this.#device.popErrorScope())?.message ?? null;
  }

  /** Closes the device. */
  close(): void {
    this.#device.destroy();
  }
}
