/** Commands of a step in one buffer or several, each of which is submitted by itself. */
export class CommandChain {
  readonly #device: GPUDevice;
  readonly #finished: GPUCommandBuffer[] = [];
  #encoder: GPUCommandEncoder;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#encoder = device.createCommandEncoder();
  }

  /** What records now; another one after {@link cut}. */
  get encoder(): GPUCommandEncoder {
    return this.#encoder;
  }

  /** Ends a buffer, between passes: what follows is in the next. */
  cut(): void {
    this.#finished.push(this.#encoder.finish());
    this.#encoder = this.#device.createCommandEncoder();
  }

  /** All of them, in the order of submission. */
  finish(): readonly GPUCommandBuffer[] {
    return [...this.#finished, this.#encoder.finish()];
  }
}
