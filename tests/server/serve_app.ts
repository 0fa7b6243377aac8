/** A scripted app on a real socket. */

import { type ServeOptions, startServer } from "../../server/serve.ts";
import type { FakeScript } from "../support/fake_engine.ts";
import { harness, type HarnessOptions } from "./harness.ts";

/** What a test of a served app gets. */
export type ServedApp = ReturnType<typeof harness> & { url: string; stop(): Promise<void> };

/** Runs `body` against a real socket. */
export async function withServer(
  script: FakeScript,
  body: (context: ServedApp) => unknown,
  options: HarnessOptions & Partial<Pick<ServeOptions, "hostname" | "keepAliveMs">> = {},
): Promise<void> {
  const context = harness(script, options);
  const { app, state } = context;
  const served = { hostname: "127.0.0.1", ...options, app, state, port: 0, keyCount: 0 };
  const server = await startServer(served);
  try {
    await body({ ...context, url: server.url, stop: server.stop });
  } finally {
    await server.stop();
  }
}
