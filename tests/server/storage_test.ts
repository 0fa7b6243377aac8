/** Slots of a real server whose files cannot be written or read. */

import { assert, assertEquals, assertFalse } from "@std/assert";
import { type ServeProcess, startServe } from "../support/serve_process.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Runs `body` against a server with a folder for slots, in which a prompt ran in slot 0. */
async function withSlots(
  body: (server: ServeProcess, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-storage-" });
  await withTinyModel({ contextLength: 1024 }, async (model) => {
    const flags = ["--model", model, "--profile", "paper", "--slot-save-path", folder];
    // A file over the limit is an error then, and not the end of the process.
    const server = await startServe([...flags, "--log", "off"], { prelude: "trap '' XFSZ" });
    try {
      await fetch(new URL("/v1/completions", server.url), {
        method: "POST",
        body: JSON.stringify({ prompt: tinyPrompt(300, 1), max_tokens: 1 }),
      }).then((response) => response.text());
      await body(server, folder);
    } finally {
      await server.end("SIGINT");
      await Deno.remove(folder, { recursive: true });
    }
  });
}

async function act({ url }: ServeProcess, action: string, filename: string) {
  const response = await fetch(new URL(`/slots/0?action=${action}`, url), {
    method: "POST",
    body: JSON.stringify({ filename }),
  });
  const text = await response.text();
  return { status: response.status, text, error: JSON.parse(text).error };
}

async function limitFileSize({ pid }: ServeProcess, bytes: number): Promise<void> {
  const args = ["--pid", `${pid}`, `--fsize=${bytes}:`];
  const { success } = await new Deno.Command("prlimit", { args }).output();
  assert(success);
}

Deno.test("saving a slot to a full disk answers 507, leaves no file, names no path", () =>
  withSlots(async (server, folder) => {
    await limitFileSize(server, 512);
    const refused = await act(server, "save", "doc");
    assertEquals([refused.status, refused.error.code], [507, "storage_full"]);
    assertEquals(refused.error.type, "server_error");
    assertFalse(refused.text.includes(folder), refused.text);
    assertEquals([...Deno.readDirSync(folder)], []);
  }));

Deno.test("slot errors never carry the server's paths", () =>
  withSlots(async (server, folder) => {
    assertEquals((await act(server, "save", "doc")).status, 200);
    await Deno.mkdir(`${folder}/occupied`);
    await Deno.writeTextFile(`${folder}/short`, "PKVS");
    const answers = [
      [await act(server, "restore", "missing"), 400],
      [await act(server, "restore", "short"), 400],
      [await act(server, "restore", "occupied"), 500],
      [await act(server, "save", "occupied"), 500],
    ] as const;
    await Deno.remove(folder, { recursive: true });
    const gone = [await act(server, "save", "doc"), 500] as const;
    await Deno.mkdir(folder);
    for (const [{ status, text, error }, expected] of [...answers, gone]) {
      assertEquals(status, expected, text);
      assert(error.message.startsWith("Cannot "), text);
      assertFalse(/\/\w+\/|tmp/.test(text), text);
    }
    assertEquals(answers[0][0].error.param, "filename");
  }));
