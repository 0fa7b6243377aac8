import { assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { WeightFormat } from "../../src/kernels/weight_formats.ts";
import { productMath } from "../../src/model/product_math.ts";
import type { LayerWeights, ModelWeights } from "../../src/model/weights.ts";

const weight = (format: WeightFormat) => ({ parts: [{ format }] });
const gated = (format: WeightFormat) => ({
  gateUp: { pairs: weight(format) },
  down: weight(format),
});

const ofExperts = (format: WeightFormat) => ({
  router: weight("q4k"),
  gateUp: { gate: { format }, up: { format } },
  down: { format },
});

/** A model of one layer. */
function modelOf(layer: object, more: object = {}): ModelWeights {
  const plain = {
    heads: weight("q4k"),
    latent: null,
    attentionOutput: weight("q4k"),
    gated: gated("q4k"),
    experts: null,
    shared: null,
    input: null,
  };
  const layers = [{ ...plain, ...layer } as unknown as LayerWeights];
  return { layers, layerInputs: null, head: weight("q6k"), ...more } as unknown as ModelWeights;
}

Deno.test("products in int8 name all that stays in f32: routers of experts, of a layer's input, and heads of latents", () => {
  const noteOf = (model: ModelWeights) => productMath("int8", model).note;
  assertEquals(noteOf(modelOf({})), null);
  assertEquals(noteOf(modelOf({ gated: gated("f16") })), "weights of f16 in f32");
  const experts = { gated: null, experts: ofExperts("q4k"), shared: gated("f16") };
  assertEquals(noteOf(modelOf(experts)), "weights of f16 and routers of experts in f32");
  const others = { gated: null, experts: ofExperts("mxfp4") };
  assertEquals(noteOf(modelOf(others)), "weights of mxfp4 and routers of experts in f32");
  const input = { gate: weight("f32"), output: weight("q4k") };
  assertEquals(noteOf(modelOf({ input })), "weights of f32 in f32");
  const layerInputs = { projection: weight("f16") };
  assertEquals(noteOf(modelOf({}, { layerInputs })), "weights of f16 in f32");
  const latent = {
    queryDown: null,
    contentQueries: weight("q4k"),
    turnedQueries: weight("q4k"),
    down: weight("q4k"),
  };
  assertEquals(noteOf(modelOf({ heads: null, latent })), "heads of latents in f32");
});

Deno.test("products in int8 are refused where only routers could have codes, and all is named", () => {
  const layer = {
    heads: weight("f16"),
    attentionOutput: weight("f16"),
    gated: null,
    experts: ofExperts("mxfp4"),
  };
  assertThrows(
    () => productMath("int8", modelOf(layer, { head: weight("f16") })),
    EngineError,
    "the model's weights are f16, mxfp4, and routers of experts; wanted",
  );
});
