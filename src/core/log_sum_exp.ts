/** `log(sum(exp(logits)))` and the lowest index of the largest logit. */
export function logSumExp(logits: Float32Array): { logSum: number; topId: number } {
  let topId = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[topId]) topId = id;
  const top = logits[topId];
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id] - top);
  return { logSum: top + Math.log(sum), topId };
}
