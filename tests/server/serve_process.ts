/**
 * A server of its own process, for tests of signals. Argument `stuck` keeps its engine open,
 * `endless` never stops, `held` ends answers once its stdin does, and any number is the seconds it
 * drains. At its end it prints how many turns of 10 ms it has had since the first signal.
 */
import { exitOnSignals, startServer } from "../../server/serve.ts";
import { countTurns } from "../support/waiting.ts";
import { harness } from "./harness.ts";

const has = (word: string) => Deno.args.includes(word);
const stdin = new Response(has("held") ? Deno.stdin.readable : null);
const ended = stdin.arrayBuffer().then(() => {});

const { app, state, engine } = harness(
  () => has("held") ? [97, { until: ended }, 98] : [97, "hang"],
);
if (has("stuck")) engine.close = () => new Promise(() => {});

let turns: ReturnType<typeof countTurns> | null = null;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => turns ??= countTurns(10));
}
addEventListener("unload", () => console.log(turns?.count));

const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
const endless = { ...server, stop: () => server.stop().then(() => new Promise<void>(() => {})) };
const drainSeconds = Number(Deno.args.find((arg) => /^[\d.]+$/.test(arg)) ?? 0);
exitOnSignals(has("endless") ? endless : server, 1000 * drainSeconds);
console.log(server.url);
await server.finished;
