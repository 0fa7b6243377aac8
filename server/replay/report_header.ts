/**
 * What was done to a conversation before the model read it: said in a header.
 *
 * @module
 */

import type { ReplayReport } from "./conversations.ts";

/** The header: `answers=3; lines=date,billing-header`. */
export const REPLAY_HEADER = "X-PackKV-Replay";

/** The same answer, saying what was done to its conversation, if anything was. */
export function withReport(response: Response, report: ReplayReport | null): Response {
  if (report === null) return response;
  const { replayedCount, lineForms } = report;
  const parts = [
    ...(replayedCount > 0 ? [`answers=${replayedCount}`] : []),
    ...(lineForms.length > 0 ? [`lines=${lineForms.join(",")}`] : []),
  ];
  if (parts.length > 0) response.headers.set(REPLAY_HEADER, parts.join("; "));
  return response;
}
