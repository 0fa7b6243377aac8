/** The runtime's WebGPU whose adapter says one thing and does another. */

/** What it says, and what is changed in what it does. */
export interface Lie {
  /** Sizes of subgroups that the adapter names. */
  says?: { subgroupMinSize: number; subgroupMaxSize: number };
  /** Features that it refuses. */
  refuses?: readonly string[];
  /** Changes every WGSL text. */
  compiles?: (code: string) => string;
}

/** WebGPU that lies. */
export function lyingWebgpu({ says, refuses = [], compiles = (code) => code }: Lie): GPU {
  return changed(navigator.gpu, {
    requestAdapter: async (options: GPURequestAdapterOptions) => {
      const adapter = (await navigator.gpu.requestAdapter(options))!;
      return changed(adapter, {
        info: changed(adapter.info, { ...says }),
        requestDevice: async (asked: GPUDeviceDescriptor) => {
          const isRefused = (feature: string) => refuses.includes(feature);
          if ([...asked.requiredFeatures ?? []].some(isRefused)) throw new TypeError("no feature");
          const device = await adapter.requestDevice(asked);
          return changed(device, {
            createShaderModule: (descriptor: GPUShaderModuleDescriptor) =>
              device.createShaderModule({ ...descriptor, code: compiles(descriptor.code) }),
          });
        },
      });
    },
  });
}

/** An object with some properties of another's; methods are called on the object itself. */
function changed<T extends object>(target: T, changes: Record<string, unknown>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === "string" && name in changes) return changes[name];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
