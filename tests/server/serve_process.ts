/** A server of its own process, for tests of signals; argument `stuck` keeps its engine open. */
import { exitOnSignals, startServer } from "../../server/serve.ts";
import { harness } from "./harness.ts";

const { app, state, engine } = harness(() => [97, "hang"]);
if (Deno.args[0] === "stuck") engine.close = () => new Promise(() => {});
const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
exitOnSignals(() => server.stop());
console.log(server.url);
await server.finished;
