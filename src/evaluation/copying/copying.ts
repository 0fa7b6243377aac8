/**
 * Copying from far back: a piece of text, other text, and the piece again, fed as it was. The
 * tokens of the second time that the model finds most likely are those that it would write itself:
 * greedy decoding copies up to the first that is another. Every codec does the same pieces, so that
 * differences to the exact cache are paired.
 *
 * @module
 */

import { logSumExp } from "../../core/log_sum_exp.ts";
import { average, type Interval, interval } from "../interval.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { LoadedModel } from "../../runtime/load_model.ts";
import { createSequenceRun } from "../../runtime/sequence_run.ts";
import type { Tokenizer } from "../../tokenizer/types.ts";
import { withBos } from "../../tokenizer/with_bos.ts";
import { describeInForce, type EvalCodec, EXACT, runOptions } from "../codecs.ts";
import { EvalState, fileIdentity, idsDigest } from "../state.ts";
import { makePiece, type Piece, PIECE_KINDS, type PieceKind } from "./pieces.ts";

/** What to measure. */
export interface CopyingPlan {
  /** What stands between a piece and its copy. */
  filler: { name: string; text: string };
  /** Tokens of it. */
  distance: number;
  /** Pieces of each kind. */
  pieceCount: number;
  /** Of the first piece of a kind; each has one more than the one before. */
  seed: number;
  codecs: readonly EvalCodec[];
  tokenizer: Tokenizer;
}

/** How well some pieces were copied; shares of 0 to 1. */
export interface CopyingScore {
  pieces: number;
  /** Of tokens that were the most likely ones. */
  tokens: number;
  /** Of a piece's characters before the first wrong token: what greedy decoding copies. */
  copied: number;
  /** Of parts (cells, fields, names, lines) without a wrong token. */
  parts: number;
}

/** What one codec copies; names as printed. */
export interface CopyingReport {
  kind: "copying";
  codec: string;
  profile: string;
  model: string;
  filler: string;
  distance: number;
  seed: number;
  all: CopyingScore;
  by_kind: Record<PieceKind, CopyingScore>;
  /** Differences to the exact cache, piece by piece. */
  against_exact: { tokens: Interval; copied: Interval; parts: Interval };
}

/** Scores of one piece, in the order of its kind and seed. */
interface PieceResult {
  text: string;
  codec: string;
  tokens: number;
  copied: number;
  parts: number;
}

/** A piece with its tokens. */
interface Task {
  name: string;
  piece: Piece;
  /** BOS, piece, filler and the given lines of the copy. */
  promptIds: readonly number[];
  /** The rest of the copy, and where in the piece each token ends, in characters. */
  copyIds: readonly number[];
  ends: readonly number[];
}

/**
 * Has every codec copy every piece.
 *
 * @throws {RangeError} If the filler is too short, or a piece with it longer than the model's
 * context.
 */
export async function evaluateCopying(
  model: LoadedModel,
  plan: CopyingPlan,
  options: { stateFolder?: string; onProgress?: (message: string, share: number) => void } = {},
): Promise<CopyingReport[]> {
  const tasks = PIECE_KINDS.flatMap((kind) =>
    Array.from({ length: plan.pieceCount }, (_, index) => makeTask(plan, kind, plan.seed + index))
  );
  for (const { promptIds, copyIds } of tasks) {
    const tokenCount = promptIds.length + copyIds.length;
    if (tokenCount <= model.shape.contextLengthTrained) continue;
    throw new RangeError(
      `Cannot copy over ${plan.distance} tokens: a prompt with its piece has ${tokenCount}, more ` +
        `than the model's context of ${model.shape.contextLengthTrained}`,
    );
  }
  const others = plan.codecs.filter(({ name }) => name !== EXACT.name);
  const codecs = [EXACT, ...others];
  const words = await describeInForce(codecs, model, (text) => options.onProgress?.(text, 0));
  const state = await EvalState.open<PieceResult>(options.stateFolder ?? null, {
    model: await fileIdentity(model.file.path, model.shape.name),
    texts: tasks.map(({ name, promptIds }) => `${name}, sha256 ${idsDigest(promptIds)}`),
    codecs: [...words.values()],
    contexts: [plan.distance],
    from: plan.seed,
  });
  try {
    for (const [index, codec] of codecs.entries()) {
      for (const [at, task] of tasks.entries()) {
        if (state.report(task.name, codec.name) !== null) continue;
        const share = (index + at / tasks.length) / codecs.length;
        options.onProgress?.(`${codec.name}: ${task.name}`, share);
        const copied = await copy(model, task, codec);
        await model.gpu.throwIfFailedByNow();
        await state.addReport({ text: task.name, codec: codec.name, ...copied });
      }
    }
    const resultsOf = (codec: string) => tasks.map(({ name }) => state.report(name, codec)!);
    return codecs.map(({ name }) =>
      makeReport(model, plan, {
        codec: name,
        words: words.get(name)!,
        tasks,
        results: resultsOf(name),
        exact: resultsOf(EXACT.name),
      })
    );
  } finally {
    await state.close();
  }
}

function makeTask(plan: CopyingPlan, kind: PieceKind, seed: number): Task {
  const { tokenizer, filler, distance } = plan;
  const tokenize = (text: string) => tokenizer.tokenize(text, { parseSpecial: false });
  const fill = tokenize(filler.text).slice(0, distance);
  if (fill.length < distance) {
    throw new RangeError(`Cannot copy over ${distance} tokens: ${filler.name} has ${fill.length}`);
  }
  const piece = makePiece(kind, seed);
  const { given } = piece;
  const copyIds = tokenize(piece.text.slice(given));
  let end = given;
  const ends = copyIds.map((_, index) => {
    end = given + tokenizer.detokenize(copyIds.slice(0, index + 1)).length;
    return Math.min(end, piece.text.length);
  });
  const before = [...tokenize(`${piece.text}\n\n`), ...fill];
  const again = tokenize(`\n\n${piece.text.slice(0, given)}`);
  const promptIds = withBos(tokenizer, [...before, ...again]);
  return { name: `${kind} ${seed}`, piece, promptIds, copyIds, ends };
}

async function copy(
  model: LoadedModel,
  task: Task,
  codec: EvalCodec,
): Promise<Omit<PieceResult, "text" | "codec">> {
  const ids = [...task.promptIds, ...task.copyIds];
  const run = await createSequenceRun(model, {
    promptIds: ids,
    ...await runOptions(codec, model, () => {}),
  });
  const isRight: boolean[] = [];
  try {
    for (let position = 0; position < ids.length; position += BLOCK_TOKEN_COUNT) {
      const wantsLogits = position + BLOCK_TOKEN_COUNT >= task.promptIds.length;
      const rows = await run.nextSlice({ wantsLogits });
      for (const [row, logits] of rows.entries()) {
        const next = position + row + 1;
        if (next < task.promptIds.length || next >= ids.length) continue;
        isRight.push(logSumExp(logits).topId === ids[next]);
      }
    }
  } finally {
    run.destroy();
  }
  return scorePiece(task, isRight);
}

/** Scores of a piece of which each token of the copy was right or not. */
export function scorePiece(
  { piece, ends }: Pick<Task, "piece" | "ends">,
  isRight: readonly boolean[],
): { tokens: number; copied: number; parts: number } {
  const { given } = piece;
  const starts = ends.map((_, index) => index === 0 ? given : ends[index - 1]);
  const firstWrong = isRight.indexOf(false);
  const copiedEnd = firstWrong === -1 ? piece.text.length : starts[firstWrong];
  const own = piece.parts.filter(({ start }) => start >= given);
  const right = own.filter(({ start, end }) =>
    isRight.every((each, index) => each || ends[index] <= start || starts[index] >= end)
  );
  return {
    tokens: isRight.filter((each) => each).length / isRight.length,
    copied: (copiedEnd - given) / (piece.text.length - given),
    parts: right.length / own.length,
  };
}

function makeReport(
  model: LoadedModel,
  { filler, distance, seed }: CopyingPlan,
  facts: {
    codec: string;
    words: string;
    tasks: readonly Task[];
    results: readonly PieceResult[];
    exact: readonly PieceResult[];
  },
): CopyingReport {
  const { codec, words, tasks, results, exact } = facts;
  const score = (own: readonly PieceResult[]): CopyingScore => ({
    pieces: own.length,
    tokens: average(own.map(({ tokens }) => tokens)),
    copied: average(own.map(({ copied }) => copied)),
    parts: average(own.map(({ parts }) => parts)),
  });
  const ofKind = (kind: PieceKind) =>
    score(results.filter((_, index) => tasks[index].piece.kind === kind));
  const difference = (name: "tokens" | "copied" | "parts") =>
    interval(results.map((result, index) => result[name] - exact[index][name]));
  return {
    kind: "copying",
    codec,
    profile: words,
    model: model.shape.name,
    filler: filler.name,
    distance,
    seed,
    all: score(results),
    by_kind: {
      table: ofKind("table"),
      json: ofKind("json"),
      names: ofKind("names"),
      code: ofKind("code"),
      call: ofKind("call"),
    },
    against_exact: {
      tokens: difference("tokens"),
      copied: difference("copied"),
      parts: difference("parts"),
    },
  };
}
