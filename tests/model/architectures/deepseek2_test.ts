import { assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../../src/model/architectures/registry.ts";
import { TINY_DEEPSEEK2_GROUPS } from "../../support/tiny_deepseek2.ts";
import { withTinyModel } from "../../support/tiny_engine.ts";

/** What a file says otherwise that has 16 experts in 4 groups, of which 2 are used. */
const REFUSED: [key: string, value: number, says: string, code: EngineError["code"]][] = [
  ["gating_func", 1, "of 2 of 4 groups by a softmax, as DeepSeek V2", "model_unsupported"],
  ["group_count", 5, "of 2 of 5 groups, and has 16 experts", "model_file_invalid"],
  ["group_count", 16, "of 2 of 16 groups, and has 16 experts", "model_file_invalid"],
  ["group_used_count", 4, "of 4 of 4 groups", "model_file_invalid"],
  ["used_count", 9, "of 2 of 4 groups of 4, and uses 9 experts", "model_file_invalid"],
];

for (const [key, value, says, code] of REFUSED) {
  Deno.test(`readModelPlan() refuses a deepseek2 file that chooses experts ${says}`, () => {
    const metadata = { [`deepseek2.expert_${key}`]: value };
    return withTinyModel({ ...TINY_DEEPSEEK2_GROUPS, metadata }, async (path) => {
      const refused = async () => readModelPlan(await readGguf(path));
      const error = await assertRejects(refused, EngineError, says);
      assertEquals(error.code, code);
    });
  });
}
