import {
  ADJUST_SETTINGS_SIZE_BYTES,
  adjustSettingsWords,
  BIAS_SIZE_BYTES,
  LogitsAdjustKernel,
  maskWordCount,
} from "../../src/kernels/logits_adjust/row.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const vocabSize = 49152;
const kernel = await LogitsAdjustKernel.create(gpu, { vocabSize });

const neutral = { repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0, logitBias: [] };
const VARIANTS = [
  { name: "nothing", adjustments: neutral, isMasked: false, wordsPerToken: 2 },
  { name: "mask", adjustments: neutral, isMasked: true, wordsPerToken: 2 },
  {
    name: "penalties",
    adjustments: { ...neutral, repetitionPenalty: 1.1, presencePenalty: 1 },
    isMasked: false,
    wordsPerToken: 3,
  },
];

for (const rowCount of [1, 4]) {
  const logits = gpu.createBufferWith("logits", seededNormals(rowCount * vocabSize, 1, 4));
  const make = (name: string, bytesPerRow: number) =>
    gpu.createBuffer(name, rowCount * bytesPerRow);
  for (const { name, adjustments, isMasked, wordsPerToken } of VARIANTS) {
    const settings = make("settings", ADJUST_SETTINGS_SIZE_BYTES);
    const rows = Uint32Array.from(
      { length: rowCount * 4 },
      (_, i) => i % 4 === 0 || i % 4 === 3 ? i >> 2 : 0,
    );
    for (let row = 0; row < rowCount; row++) {
      const words = adjustSettingsWords(adjustments, { isMasked });
      gpu.write(settings, row * ADJUST_SETTINGS_SIZE_BYTES, words);
    }
    const bound = kernel.bind({
      logits,
      rows: gpu.createBufferWith("rows", rows),
      settings,
      ids: make("ids", 4),
      mask: make("mask", maskWordCount(vocabSize) * 4),
      bias: make("bias", BIAS_SIZE_BYTES),
      counts: make("counts", vocabSize * 4),
      adjusted: make("adjusted", vocabSize * 4),
    });
    const options = {
      group: `logits_adjust [${rowCount}, ${vocabSize}]`,
      baseline: name === "nothing",
      work: { bytes: rowCount * vocabSize * 4 * wordsPerToken },
    };
    benchKernel(name, options, context, (pass) => kernel.encode(pass, bound, rowCount));
  }
}
