/** Layers that share, as an operator finds them and serves with them. */

import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startServe } from "../support/serve_process.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

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

Deno.test("serve --share xquant packs odd layers without codes, /props says so, and another profile is refused", () =>
  withTinyModel({ layerCount: 2, contextLength: 1024 }, async (model) => {
    const flags = ["--model", model, "--share", "xquant:bits=1", "--log", "off"];
    const refused = await packkv("serve", "--port", "0", ...flags, "--profile", "tight");
    assertEquals(refused.code, 2);
    assertMatch(refused.stderr, /Cannot use --profile tight with --share xquant:bits=1/);
    const server = await startServe(flags);
    try {
      const ask = (kv: object) => {
        const request = { prompt: tinyPrompt(330, 3), max_tokens: 400, ignore_eos: true, kv };
        const body = JSON.stringify({ ...request, stream: true });
        return fetch(new URL("/v1/completions", server.url), { method: "POST", body });
      };
      const { error } = await (await ask({ bits: "2" })).json();
      assertEquals(error.param, "kv.bits");
      const answer = await ask({ profile: "xquant", bits: "1", shrink: 1 });
      assertEquals(answer.status, 200);
      const reader = answer.body!.getReader();
      await reader.read();
      const { kv_profile, memory } = await (await fetch(new URL("/props", server.url))).json();
      await reader.cancel();
      assertEquals(kv_profile, "xquant (bits 1, shrink 1)");
      const [even, odd] = memory.layers;
      assert(even.packed_tokens >= 192, `${even.packed_tokens} tokens are packed`);
      assertEquals(odd.packed_tokens, even.packed_tokens);
      // By block of two heads of 32 channels: 32 + 64 minima and steps a head, 64 * 64 bits.
      const perBlock = (bytes: number) => bytes / (even.packed_tokens / 64);
      assertEquals(perBlock(odd.packed_bytes), 4 * 2 * 96);
      assertEquals(perBlock(even.packed_bytes), 4 * (2 * 96 + 2 * 2 * 64));
    } finally {
      await server.end("SIGINT");
    }
  }));
