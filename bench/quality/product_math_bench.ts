/**
 * What products of activations as codes of 8 bits cost: KL from the model's own f32 products to
 * those, both through an exact cache, on the first tokens of a text.
 *
 *     deno run -A bench/quality/product_math_bench.ts MODEL.gguf TEXT.txt [--tokens N]
 */

import { parseArgs } from "@std/cli/parse-args";
import { Divergence } from "../../src/evaluation/divergence.ts";
import { exactRow } from "../../src/evaluation/exact_row.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { withTextRuns } from "../../src/runtime/text_runs.ts";
import { loadTokenizer } from "../../src/tokenizer/load_tokenizer.ts";

const { tokens, _: [modelPath, textPath] } = parseArgs(Deno.args, { default: { tokens: 1024 } });
const file = await readGguf(String(modelPath));
const tokenizer = await loadTokenizer(String(modelPath));
const text = await Deno.readTextFile(String(textPath));
const ids = tokenizer.tokenize(text.slice(0, 16 * Number(tokens)), { parseSpecial: false }).slice(
  0,
  Number(tokens),
);
const model = await loadModel(file, () => {});

async function logitsOf(
  run: LoadedModel,
  onRow: (position: number, logits: Float32Array) => void,
): Promise<void> {
  await withTextRuns(run, ids.length, (runs) => runs.logits(ids, 0, onRow));
}

const exact: ReturnType<typeof exactRow>[] = [];
await logitsOf(model, (position, logits) => {
  exact[position] = exactRow(logits, ids[position + 1]);
  if (position % 64 === 63) console.error(`f32: ${position + 1} of ${ids.length}`);
});
const divergence = new Divergence();
await logitsOf({ ...model, math: "int8" }, (position, logits) => {
  divergence.add(exact[position], logits, ids[position + 1]);
  if (position % 64 === 63) console.error(`int8: ${position + 1} of ${ids.length}`);
});
console.log(JSON.stringify(divergence.summary()));
model.gpu.close();
