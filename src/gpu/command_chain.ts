/** Commands of a step in one buffer or several, each of which is submitted by itself. */
export class CommandChain {
  readonly #device: GPUDevice;
  readonly #finished: GPUCommandBuffer[] = [];
  #encoder: GPUCommandEncoder;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#encoder = device.createCommandEncoder();
  }

  /** What records now; another one after {@link cut} or {@link submit}. */
  get encoder(): GPUCommandEncoder {
    return this.#encoder;
  }

  /** Ends a buffer, between passes: what follows is in the next. */
  cut(): void {
    this.#finished.push(this.#encoder.finish());
    this.#encoder = this.#device.createCommandEncoder();
  }

  /** Submits what is encoded so far, between passes: what is queued from now on runs behind it. */
  submit(): void {
    this.cut();
    for (const buffer of this.#finished.splice(0)) this.#device.queue.submit([buffer]);
  }

  /** All that are not submitted, in the order of submission. */
  finish(): readonly GPUCommandBuffer[] {
    return [...this.#finished, this.#encoder.finish()];
  }
}

/** A compute pass of a chain, which others may follow under the same name. */
export class ChainedPass {
  readonly commands: CommandChain;
  readonly #label: string;
  #pass: GPUComputePassEncoder;

  /** Begins it. */
  constructor(commands: CommandChain, label: string) {
    this.commands = commands;
    this.#label = label;
    this.#pass = commands.encoder.beginComputePass({ label });
  }

  /** What records now. */
  get pass(): GPUComputePassEncoder {
    return this.#pass;
  }

  /** Ends a command buffer and goes on in the next. */
  cut(): void {
    this.between(() => this.commands.cut());
  }

  /** Ends the pass, and begins another one behind what `encode` encodes or submits. */
  between(encode: () => void): void {
    this.#pass.end();
    encode();
    this.#pass = this.commands.encoder.beginComputePass({ label: this.#label });
  }

  /** Ends it. */
  end(): void {
    this.#pass.end();
  }
}
