import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import { type EvalCodec, EXACT } from "../../../src/evaluation/codecs.ts";
import {
  type CopyingPlan,
  evaluateCopying,
  scorePiece,
} from "../../../src/evaluation/copying/copying.ts";
import { interval } from "../../../src/evaluation/interval.ts";
import { formatCopying } from "../../../src/evaluation/copying/copying_table.ts";
import { makePiece, PIECE_KINDS } from "../../../src/evaluation/copying/pieces.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { type LoadedModel, loadModel } from "../../../src/runtime/load_model.ts";
import { createTokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { withTinyModel } from "../../support/tiny_engine.ts";

Deno.test("makePiece() draws texts by their seed, with given lines and parts that are in them", () => {
  for (const kind of PIECE_KINDS) {
    const piece = makePiece(kind, 1);
    assertEquals(makePiece(kind, 1), piece);
    assert(makePiece(kind, 2).text !== piece.text, kind);
    assertEquals(piece.text.slice(0, piece.given).match(/\n/g)?.length, 2);
    assert(piece.parts.filter(({ start }) => start >= piece.given).length >= 8, kind);
    for (const { start, end } of piece.parts) {
      assert(/^[\w.+= ;-]+$/.test(piece.text.slice(start, end)), piece.text.slice(start, end));
    }
  }
  const [first] = makePiece("table", 1).parts;
  assert(makePiece("table", 1).text.startsWith("item,place,count,price\n"));
  assert(first.start > 0);
});

Deno.test("scorePiece() counts tokens, characters before the first wrong one, and parts without any", () => {
  // "a\n" is given; tokens "bb", "cc", "dd", "ee".
  const piece = {
    kind: "names",
    text: "a\nbbccddee",
    given: 2,
    parts: [{ start: 2, end: 5 }, { start: 6, end: 8 }, { start: 8, end: 10 }],
  } as const;
  const ends = [4, 6, 8, 10];
  const perfect = scorePiece({ piece, ends }, [true, true, true, true]);
  assertEquals(perfect, { tokens: 1, copied: 1, parts: 1 });
  // The second token is wrong: it is part of the first part, and what is right behind it counts.
  const spoilt = scorePiece({ piece, ends }, [true, false, true, true]);
  assertEquals(spoilt, { tokens: 0.75, copied: 0.25, parts: 2 / 3 });
});

Deno.test("interval() is the mean and 1.96 standard errors", () => {
  const { mean, margin } = interval([1, 2, 3, 6]);
  assertEquals(mean, 3);
  assertAlmostEquals(margin, 1.96 * Math.sqrt((4 + 1 + 0 + 9) / 3 / 4), 1e-12);
  assertEquals(interval([0.5]), { mean: 0.5, margin: 0 });
});

const PAPER: EvalCodec = {
  name: "paper",
  profile: { name: "paper", keyRel: 0.5, valueRel: 0.5 },
  baseline: null,
};

/** A tiny model and a plan of one piece of each kind. */
function withPlan(body: (model: LoadedModel, plan: CopyingPlan) => Promise<void>): Promise<void> {
  return withTinyModel({ contextLength: 2048 }, async (path) => {
    const file = await readGguf(path);
    const model = await loadModel(file, () => {});
    const plan: CopyingPlan = {
      filler: { name: "f.txt", text: "some words between. ".repeat(20) },
      distance: 100,
      pieceCount: 1,
      seed: 3,
      codecs: [PAPER],
      tokenizer: createTokenizer(file.metadata, file.tensors),
    };
    try {
      await body(model, plan);
    } finally {
      model.gpu.close();
    }
  });
}

Deno.test("evaluateCopying() compares every codec with exact, piece by piece", () =>
  withPlan(async (model, plan) => {
    const [exact, paper] = await evaluateCopying(model, plan);
    assertEquals([exact.codec, paper.codec], [EXACT.name, "paper"]);
    assertEquals(exact.against_exact.tokens, { mean: 0, margin: 0 });
    assertEquals(paper.all.pieces, PIECE_KINDS.length);
    const difference = paper.all.tokens - exact.all.tokens;
    assertAlmostEquals(paper.against_exact.tokens.mean, difference, 1e-12);
    assertEquals(formatCopying([exact, paper]).split("\n").length, 4);
    await assertRejects(
      () => evaluateCopying(model, { ...plan, distance: 5000 }),
      RangeError,
      "Cannot copy over 5000 tokens",
    );
  }));

Deno.test("evaluateCopying() keeps no result of what the device failed in", () =>
  withPlan(async (model, plan) => {
    const stateFolder = await Deno.makeTempDir({ prefix: "packkv-copying-" });
    const buffer = model.gpu.createBuffer("small", 16);
    let pieceCount = 0;
    const onProgress = (message: string) => {
      // In the second piece of the codec.
      if (!message.startsWith("paper: ") || ++pieceCount !== 2) return;
      model.gpu.write(buffer, 16, new Uint32Array(4));
    };
    try {
      const run = () => evaluateCopying(model, plan, { stateFolder, onProgress });
      const { code } = await assertRejects(run, EngineError);
      assertEquals(code, "gpu_validation");
      const [{ name }] = [...Deno.readDirSync(stateFolder)];
      const state = JSON.parse(await Deno.readTextFile(`${stateFolder}/${name}`));
      const codecs = state.reports.map(({ codec }: { codec: string }) => codec);
      assertEquals(codecs, [...PIECE_KINDS.map(() => "exact"), "paper"]);
    } finally {
      await Deno.remove(stateFolder, { recursive: true });
    }
  }));
