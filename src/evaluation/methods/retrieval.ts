/**
 * What methods leave to be found: each question is the end of a prompt of its own, since methods
 * look at a prompt's last queries. The first token of an answer comes from the whole prompt.
 *
 * @module
 */

import { logSumExp } from "../../core/log_sum_exp.ts";
import type { LoadedModel, OnProgress } from "../../runtime/load_model.ts";
import type { RetrievalCase, RetrievalTask } from "../retrieval/cases.ts";
import { type CaseResult, type RetrievalScore, score } from "../retrieval/retrieval.ts";
import { forEachMethod } from "./compare.ts";
import type { Method, MethodProfile } from "./methods.ts";
import type { PromptRuns } from "../../runtime/prompt_runs.ts";

/** What one profile with one method finds; names as printed. */
export interface MethodRetrieval {
  kind: "method retrieval";
  text: string;
  model: string;
  profile: string;
  method: string;
  documents: number;
  /** Tokens of a document. */
  tokens: number;
  all: RetrievalScore;
  code: RetrievalScore;
  pair: RetrievalScore;
}

/** Asks every question with each profile and method. */
export async function methodRetrieval(
  model: LoadedModel,
  { textName, tasks, profiles, methods }: {
    textName: string;
    tasks: readonly RetrievalTask[];
    profiles: readonly MethodProfile[];
    methods: readonly Method[];
  },
  onProgress: OnProgress,
): Promise<MethodRetrieval[]> {
  const reports: MethodRetrieval[] = [];
  const runCount = profiles.length * methods.length;
  const prompts = tasks.flatMap(({ documentIds, cases }) =>
    cases.map(({ questionIds, answerIds }) => {
      return { promptIds: [...documentIds, ...questionIds], followIds: answerIds };
    })
  );
  for (const profile of profiles) {
    await forEachMethod(model, { profile, methods, prompts }, async (method, runs) => {
      const results: Scored[] = [];
      for (const { documentIds, cases } of tasks) {
        for (const own of cases) {
          const what = `${profile.name}, ${method.name}: question ${results.length + 1}`;
          const onRead = (share: number) => {
            const done = (results.length + share) / prompts.length;
            onProgress(what, (reports.length + done) / runCount);
          };
          results.push({
            own,
            ...await ask(runs, { documentIds, own, keep: method.keep, onRead }),
          });
        }
      }
      const ofKind = (kind: string) => score(results.filter(({ own }) => own.kind === kind));
      reports.push({
        kind: "method retrieval",
        text: textName,
        model: model.shape.name,
        profile: profile.name,
        method: method.name,
        documents: tasks.length,
        tokens: tasks[0].documentIds.length,
        all: score(results),
        code: ofKind("code"),
        pair: ofKind("pair"),
      });
    });
  }
  return reports;
}

type Scored = CaseResult & { own: RetrievalCase };

async function ask(
  runs: PromptRuns,
  { documentIds, own, ...options }: {
    documentIds: readonly number[];
    own: RetrievalCase;
    keep: string | null;
    onRead: (share: number) => void;
  },
): Promise<CaseResult> {
  const { questionIds, answerIds } = own;
  let matchCount = 0;
  let logProb = 0;
  await runs.follow([...documentIds, ...questionIds], answerIds, {
    ...options,
    onLogits(index, logits) {
      const { logSum, topId } = logSumExp(logits);
      if (topId === answerIds[index]) matchCount++;
      logProb += logits[answerIds[index]] - logSum;
    },
  });
  return { isMatch: matchCount === answerIds.length, matchCount, logProb };
}
