/** A scripted app on a real socket. */

import { startServer } from "../../server/serve.ts";
import type { FakeScript } from "../support/fake_engine.ts";
import { harness, type HarnessOptions } from "./harness.ts";

/** What a test of a served app gets. */
export type ServedApp = ReturnType<typeof harness> & { url: string; stop(): Promise<void> };

/** Runs `body` against a real socket. */
export async function withServer(
  script: FakeScript,
  body: (context: ServedApp) => unknown,
  options: HarnessOptions & { hostname?: string } = {},
): Promise<void> {
  const context = harness(script, options);
  const { app, state } = context;
  const { hostname = "127.0.0.1" } = options;
  const server = await startServer({ app, state, hostname, port: 0, keyCount: 0 });
  try {
    await body({ ...context, url: server.url, stop: server.stop });
  } finally {
    await server.stop();
  }
}
