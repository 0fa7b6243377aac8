/** Layers that share, as an operator finds them and serves with them. */

import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { startServe } from "../support/serve_process.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

async function packkv(
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [main, config] = ["../../server/main.ts", "../../deno.json"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url))
  );
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", config, main, ...args],
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("layers that calibrate --share finds are served by serve --share, and /props says so", () =>
  withTinyModel({ layerCount: 4, contextLength: 1024 }, async (model) => {
    const map = `${model}.json`;
    const found = await packkv(
      ...["calibrate", "--model", model, "--share", "2", "--share-by", "published"],
      ...["--output", map],
    );
    assertEquals([found.code, found.stdout], [0, `layers that share written to ${map}\n`]);
    const { layers } = JSON.parse(await Deno.readTextFile(map));
    const pairs = layers.map(({ layer, source }: { layer: number; source: number }) => {
      return { layer, source };
    });
    assertEquals(pairs.length, 2);
    const flags = ["--model", model, "--profile", "exact", "--log", "off"];
    const server = await startServe([...flags, "--share", `kvsharer:${map}`]);
    try {
      const { limits, memory } = await (await fetch(new URL("/props", server.url))).json();
      assertEquals(limits.shared_layers, pairs);
      assertEquals(memory.token_bytes, 2 * 2 * 2 * 2 * 32);
      const reading = memory.layers.filter((
        { kv_layer }: { kv_layer: number },
        layer: number,
      ) => kv_layer !== layer);
      assertEquals(reading.length, 2);
    } finally {
      await server.end("SIGINT");
    }
  }));
