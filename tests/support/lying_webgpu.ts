/** The runtime's WebGPU whose adapter says one thing and does another. */

/** What it says, and what is changed in what it does. */
export interface Lie {
  /** Sizes of subgroups that the adapter names. */
  says?: { subgroupMinSize: number; subgroupMaxSize: number };
  /** Features that it refuses. */
  refuses?: readonly string[];
  /** Bytes of buffers for which it has room. */
  memoryBytes?: number;
  /** Called with what adapters are asked for. */
  onAsked?: (options: GPURequestAdapterOptions) => void;
  /** Changes every WGSL text. */
  compiles?: (code: string) => string;
}

/** WebGPU that lies. */
export function lyingWebgpu(lie: Lie): GPU {
  const { says, refuses = [], compiles = (code) => code, onAsked = () => {} } = lie;
  return changed(navigator.gpu, {
    requestAdapter: async (options: GPURequestAdapterOptions) => {
      onAsked(options);
      const adapter = (await navigator.gpu.requestAdapter(options))!;
      return changed(adapter, {
        info: changed(adapter.info, { ...says }),
        requestDevice: async (asked: GPUDeviceDescriptor) => {
          const isRefused = (feature: string) => refuses.includes(feature);
          if ([...asked.requiredFeatures ?? []].some(isRefused)) throw new TypeError("no feature");
          const device = await adapter.requestDevice(asked);
          return changed(device, {
            ...(lie.memoryBytes === undefined ? {} : withMemory(device, lie.memoryBytes)),
            createShaderModule: (descriptor: GPUShaderModuleDescriptor) =>
              device.createShaderModule({ ...descriptor, code: compiles(descriptor.code) }),
          });
        },
      });
    },
  });
}

/** What a device with so much memory does: an allocation too many is an error of its scope. */
function withMemory(device: GPUDevice, memoryBytes: number): Record<string, unknown> {
  let usedBytes = 0;
  let isFull = false;
  const scopes: string[] = [];
  return {
    createBuffer: (descriptor: GPUBufferDescriptor) => {
      if (usedBytes + descriptor.size > memoryBytes) {
        isFull = true;
        return device.createBuffer({ ...descriptor, size: 16 });
      }
      usedBytes += descriptor.size;
      const buffer = device.createBuffer(descriptor);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        usedBytes -= descriptor.size;
        destroy();
      };
      return buffer;
    },
    pushErrorScope: (filter: GPUErrorFilter) => {
      scopes.push(filter);
      device.pushErrorScope(filter);
    },
    popErrorScope: async () => {
      const isMemory = scopes.pop() === "out-of-memory";
      const error = await device.popErrorScope();
      if (!isMemory || !isFull) return error;
      isFull = false;
      return new GPUOutOfMemoryError("Not enough memory left.");
    },
  };
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
