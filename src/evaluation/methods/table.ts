/** Tables of methods, for people. */

import { aligned } from "../aligned.ts";
import type { MethodReport } from "./compare.ts";
import type { MethodRetrieval } from "./retrieval.ts";

/** A line for each profile and method, the most exact first. */
export function formatMethods(reports: readonly MethodReport[]): string {
  const [{ text, model, tokens, prompts, positions }] = reports;
  const sizes = ["kept", "all in", "ratio"];
  const head = ["profile", "method", ...sizes, "KL", "median", "same top", "ppl", "decode"];
  const rows = reports.map((own) => [
    own.profile,
    own.method,
    `${(100 * own.kept).toFixed(0)}%`,
    `${(own.bytes.all_in / 2 ** 20).toFixed(2)} MiB`,
    own.ratio.toFixed(2),
    own.kl_mean.toFixed(4),
    own.kl_p50.toFixed(4),
    `${(100 * own.same_top).toFixed(1)}%`,
    `${own.ppl.toFixed(2)} (${own.ppl_exact.toFixed(2)})`,
    `${own.decode_ms.toFixed(1)} ms`,
  ]);
  const title = `${model}, ${text}: ${prompts} prompts of ${tokens} tokens, ${positions} positions`;
  return [title, "", ...aligned([head, ...rows])].join("\n");
}

/** A line for each profile and method. */
export function formatMethodRetrieval(reports: readonly MethodRetrieval[]): string {
  const [{ text, model, tokens, documents, all: { cases } }] = reports;
  const head = ["profile", "method", "exact", "tokens", "log p", "codes", "pairs"];
  const share = (value: number) => `${(100 * value).toFixed(1)}%`;
  const rows = reports.map((own) => [
    own.profile,
    own.method,
    share(own.all.exact_match),
    share(own.all.token_match),
    own.all.log_prob.toFixed(3),
    share(own.code.exact_match),
    share(own.pair.exact_match),
  ]);
  const title = `${model}, ${text}: ${documents} documents of ${tokens} tokens, ${cases} questions`;
  return [title, "", ...aligned([head, ...rows])].join("\n");
}
