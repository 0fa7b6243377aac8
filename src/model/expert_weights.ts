/**
 * Weights of experts on the device: packed expert by expert, so that the host never has more than
 * one of them.
 *
 * @module
 */

import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceExpertWeights } from "../kernels/expert_layout.ts";
import { packWeights, type PackWeightsOptions, type WeightSource } from "./weight_format.ts";

/** Where the weights of experts come from. */
export interface ExpertSources {
  label: string;
  expertCount: number;
  columnCount: number;
  arrangement: NonNullable<PackWeightsOptions["arrangement"]>;
  /** What makes up one expert; of the same types and sizes for all. */
  sourcesOf: (expert: number) => readonly WeightSource[];
}

/**
 * Packs and copies the weights of all experts.
 *
 * @throws {RangeError} If one expert exceeds a binding.
 */
export function uploadExperts(gpu: Gpu, options: ExpertSources): DeviceExpertWeights {
  const { label, expertCount, columnCount, arrangement, sourcesOf } = options;
  const pack = (expert: number) => {
    const bindingSizeMax = Number.MAX_SAFE_INTEGER; // parts are cut between experts
    return packWeights(sourcesOf(expert), { columnCount, arrangement, bindingSizeMax });
  };
  const first = pack(0);
  const [{ format, words: firstWords, scales: firstScales }] = first.parts;
  const wordBytes = firstWords.length * WORD_SIZE_BYTES;
  const scaleBytes = (firstScales?.length ?? 0) * WORD_SIZE_BYTES;
  const { bindingSizeMax } = gpu.facts;
  const perPart = Math.floor(bindingSizeMax / Math.max(wordBytes, scaleBytes));
  if (perPart === 0) {
    throw new RangeError(
      `Cannot bind an expert of ${label}: ${wordBytes} bytes exceed ${bindingSizeMax}`,
    );
  }
  const parts: DeviceExpertWeights["parts"][number][] = [];
  for (let expertStart = 0; expertStart < expertCount; expertStart += perPart) {
    const count = Math.min(perPart, expertCount - expertStart);
    const words = gpu.createBuffer(label, count * wordBytes);
    const scales = scaleBytes > 0 ? gpu.createBuffer(`${label} scales`, count * scaleBytes) : null;
    for (let index = 0; index < count; index++) {
      const packed = expertStart + index === 0 ? first : pack(expertStart + index);
      const [part] = packed.parts;
      gpu.write(words, index * wordBytes, part.words);
      if (scales !== null) gpu.write(scales, index * scaleBytes, part.scales!);
      // Writes are copied by the queue; flushing bounds what it holds.
      gpu.device.queue.submit([]);
    }
    parts.push({ expertStart, expertCount: count, words, scales });
  }
  return { format, expertCount, rowCount: first.rowCount, columnCount, parts };
}
