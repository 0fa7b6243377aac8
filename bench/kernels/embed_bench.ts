import { rowOf } from "../../tests/support/attention_case.ts";
import { rowWords } from "../../src/core/row.ts";
import { EmbedKernel } from "../../src/kernels/embed/row.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { elementsSizeBytes } from "../../src/gguf/tensor_types.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const [vocabSize, columnCount] = [49152, 576];
const bytes = new Uint8Array(elementsSizeBytes("Q8_0", vocabSize * columnCount));
const source = { type: "Q8_0", bytes, rowCount: vocabSize } as const;
const packed = packWeights([source], { columnCount, bindingSizeMax: 2 ** 27 });
const kernel = await EmbedKernel.create(gpu, uploadWeights(gpu, "weights", packed));

for (const rowCount of [1, 64]) {
  const rows = Array.from({ length: rowCount }, (_, index) => {
    return { ...rowOf({ slot: 0, position: index, blockCount: 0 }, 0), idIndex: index };
  });
  const bound = kernel.bind({
    ids: gpu.createBufferWith("ids", Uint32Array.from(rows, ({ idIndex }) => idIndex * 701)),
    rows: gpu.createBufferWith("rows", rowWords(rows)),
    x: gpu.createBuffer("x", rowCount * columnCount * 4),
  });
  const work = { bytes: rowCount * (columnCount * (4 + 1) + columnCount / 8) };
  const options = { group: `embed Q8_0 [${rowCount}, ${columnCount}]`, baseline: true, work };
  benchKernel("one workgroup per row", options, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
