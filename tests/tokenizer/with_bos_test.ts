import { assert, assertEquals } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { idsDigest } from "../../src/evaluation/state.ts";
import { makeRetrievalTask } from "../../src/evaluation/retrieval/cases.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { calibrationIds } from "../../src/runtime/calibration_source.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { TINY_CONTROL } from "../support/tiny_vocabulary.ts";

const BOS = TINY_CONTROL["<|im_start|>"];
const WANTS_BOS = { metadata: { "tokenizer.ggml.add_bos_token": true } };
const TEXT = "hello world. ".repeat(150);

Deno.test("withBos() puts BOS first once, where the model wants it", () => {
  const wanted = { addBos: true, bosId: 7 };
  assertEquals(withBos(wanted, [1, 2]), [7, 1, 2]);
  assertEquals(withBos(wanted, [7, 2]), [7, 2]);
  assertEquals(withBos(wanted, []), [7]);
  assertEquals(withBos({ addBos: false, bosId: 7 }, [1, 2]), [1, 2]);
  assertEquals(withBos({ addBos: true, bosId: null }, [1, 2]), [1, 2]);
});

for (const model of [WANTS_BOS, {}]) {
  const head = model === WANTS_BOS ? [BOS] : [];
  Deno.test(`texts that calibrate and measure a model begin with ${head.length} BOS, as its prompts do`, () =>
    withTinyModel(model, async (path) => {
      const file = await readGguf(path);
      const tokenizer = createTokenizer(file.metadata, file.tensors);
      const plain = tokenizer.tokenize(TEXT, { parseSpecial: false });
      const whole = [...head, ...plain];
      assertEquals(calibrationIds(file, TEXT), whole);
      const options = { tokenCount: 700, caseCount: 1, seed: 1, tokenizer, chatTemplate: null };
      const { documentIds } = makeRetrievalTask(TEXT, options);
      assertEquals(documentIds.filter((id) => id === BOS), head);
      assertEquals(await evaluatedDigest(path), idsDigest(whole.slice(0, 131)));
    }));
}

/** What `packkv eval` says that it has read. */
async function evaluatedDigest(model: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-bos-" });
  try {
    const text = `${folder}/text.txt`;
    await Deno.writeTextFile(text, TEXT);
    const files = ["--model", model, "--text", text, "--state", folder];
    await evalCommand.run([...files, "--tokens", "130", "--profiles", "exact"], new Map());
    const { identity } = JSON.parse(await Deno.readTextFile(`${folder}/eval.json`));
    const found = /sha256 (\w+)/.exec(identity.texts[0]);
    assert(found !== null);
    return found[1];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
