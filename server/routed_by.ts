/** Most characters of what a router says. */
const ROUTED_LENGTH_MAX = 128;

/** By name in the log: headers of which the first that is there counts. */
const HEADERS = {
  session: ["X-Session-Id", "X-Session-Token"],
  fairness_id: ["X-Gateway-Inference-Fairness-Id"],
  objective: ["X-Gateway-Inference-Objective"],
} as const;

/**
 * What routers say of a request, if they do: its session, and the tenant and the objective, which
 * stands for a priority, of the Gateway API's inference extension. At most 128 characters each.
 */
export function routedBy(headers: Headers): Partial<Record<keyof typeof HEADERS, string>> {
  const said = Object.entries(HEADERS).map(([name, keys]) => {
    const value = keys.map((key) => headers.get(key)).find((each) => each !== null);
    return [name, value?.slice(0, ROUTED_LENGTH_MAX)];
  });
  return Object.fromEntries(said.filter(([, value]) => value !== undefined));
}
