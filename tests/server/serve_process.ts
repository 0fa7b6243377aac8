/**
 * A server of its own process, for tests of signals; argument `stuck` keeps its engine open, `slow`
 * ends answers after half a second, and any number is the seconds it drains.
 */
import { exitOnSignals, startServer } from "../../server/serve.ts";
import { harness } from "./harness.ts";

const { app, state, engine } = harness(
  () => Deno.args.includes("slow") ? [97, { waitMs: 500 }, 98] : [97, "hang"],
);
if (Deno.args[0] === "stuck") engine.close = () => new Promise(() => {});
const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
exitOnSignals(server, 1000 * Number(Deno.args.find((arg) => /^[\d.]+$/.test(arg)) ?? 0));
console.log(server.url);
await server.finished;
