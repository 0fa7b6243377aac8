/**
 * How much work one submit may be, by what work took before: systems end commands that keep a
 * display's GPU for too long, on macOS after some hundred milliseconds.
 *
 * @module
 */

/** Longest that one submit should take on a GPU, milliseconds. */
export const SUBMIT_MS_MAX = 100;

/** Layers of a submit as long as nothing was measured. */
const LAYERS_AT_FIRST = 4;

/** Work of a step: layers of decode rows, and layers of a slice times its rows. */
export interface StepWork {
  decodeLayers: number;
  sliceRowLayers: number;
}

/** Estimates time from the last steps. */
export class SubmitBudget {
  readonly #limitMs: number;
  #msPerDecodeLayer: number | null = null;
  #msPerSliceRowLayer: number | null = null;

  /** @param limitMs Longest submit; infinite for a device that nothing interrupts. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Layers of decode rows that one submit may be; at least 1. */
  get decodeLayers(): number {
    return this.#layers(this.#msPerDecodeLayer);
  }

  /** Layers of a slice of so many rows that one submit may be; at least 1. */
  sliceLayers(rowCount: number): number {
    const perRow = this.#msPerSliceRowLayer;
    return this.#layers(perRow === null ? null : perRow * rowCount);
  }

  /** What so many layers of decode rows take, in milliseconds; null if none was measured. */
  decodeMs(layerCount: number): number | null {
    return this.#msPerDecodeLayer === null ? null : layerCount * this.#msPerDecodeLayer;
  }

  /** Learns what a step took, milliseconds above 0: more at once, less by halves. */
  measured({ decodeLayers, sliceRowLayers }: StepWork, tookMs: number): void {
    if (decodeLayers > 0 && sliceRowLayers > 0) {
      // Which of them took it is not known: both, by what they took before.
      const [perDecode, perSlice] = [this.#msPerDecodeLayer, this.#msPerSliceRowLayer];
      if (perDecode === null || perSlice === null) return;
      const expectedMs = decodeLayers * perDecode + sliceRowLayers * perSlice;
      this.#msPerDecodeLayer = learnt(perDecode, perDecode * tookMs / expectedMs);
      this.#msPerSliceRowLayer = learnt(perSlice, perSlice * tookMs / expectedMs);
    } else if (decodeLayers > 0) {
      this.#msPerDecodeLayer = learnt(this.#msPerDecodeLayer, tookMs / decodeLayers);
    } else if (sliceRowLayers > 0) {
      this.#msPerSliceRowLayer = learnt(this.#msPerSliceRowLayer, tookMs / sliceRowLayers);
    }
  }

  #layers(msPerLayer: number | null): number {
    if (this.#limitMs === Infinity) return Infinity;
    if (msPerLayer === null) return LAYERS_AT_FIRST;
    return Math.max(1, Math.floor(this.#limitMs / msPerLayer));
  }
}

function learnt(before: number | null, now: number): number {
  return before === null ? now : Math.max(now, (before + now) / 2);
}
