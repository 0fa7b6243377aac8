import { assertEquals, assertMatch } from "@std/assert";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const withFolder = () => harness(() => tokensOf("a"), { app: { slotFolder: "/slots folder" } });

Deno.test("GET /slots lists every slot", async () => {
  const { app } = withFolder();
  const slots = await (await app.request("/slots")).json();
  assertEquals(slots, [{
    id: 0,
    n_ctx: 200,
    is_processing: false,
    state: "idle",
    n_prompt_tokens: 0,
    n_prompt_tokens_cache: 0,
    n_decoded: 0,
    n_stored_tokens: 0,
    kv_bytes: { raw: 0, packed: 0 },
    kept: null,
  }]);
});

Deno.test("POST /slots/{id} saves, restores and erases, and tells what it did", async () => {
  const { post, engine } = withFolder();
  const act = async (action: string) => {
    const answer = await post(`/slots/3?action=${action}`, { filename: "doc-1.bin" });
    const { timings, ...body } = await answer.json();
    return [answer.status, body, Object.keys(timings ?? {})];
  };
  const named = { id_slot: 3, filename: "doc-1.bin" };
  assertEquals(await act("save"), [200, { ...named, n_saved: 128, n_written: 5000 }, ["save_ms"]]);
  const read = { ...named, n_restored: 128, n_read: 5000 };
  assertEquals(await act("restore"), [200, read, ["restore_ms"]]);
  assertEquals(await act("erase"), [200, { id_slot: 3, n_erased: 128 }, []]);
  const path = "/slots folder/doc-1.bin";
  assertEquals(engine.slotActions, [
    [3, { type: "save", path }],
    [3, { type: "restore", path }],
    [3, { type: "erase" }],
  ]);
});

const REFUSED: [path: string, body: unknown, message: RegExp][] = [
  ["/slots/x?action=save", { filename: "a" }, /slot "x"/],
  ["/slots/0?action=copy", { filename: "a" }, /"copy".*save, restore or erase/],
  ["/slots/0", { filename: "a" }, /action must be/],
  ["/slots/0?action=save", {}, /plain name/],
  ["/slots/0?action=save", { filename: "../a" }, /plain name/],
  ["/slots/0?action=restore", { filename: "a/b" }, /plain name/],
  ["/slots/0?action=restore", { filename: ".." }, /plain name/],
  ["/slots/0?action=restore", { filename: 7 }, /plain name/],
];

for (const [path, body, message] of REFUSED) {
  Deno.test(`POST ${path} with ${JSON.stringify(body)} answers 400`, async () => {
    const { post, engine } = withFolder();
    const answer = await post(path, body);
    assertEquals(answer.status, 400);
    assertMatch((await answer.json()).error.message, message);
    assertEquals(engine.slotActions, []);
  });
}

Deno.test("POST /slots/{id} without a folder refuses saving and says which flag is missing", async () => {
  const { post } = harness(() => tokensOf("a"));
  const answer = await post("/slots/0?action=save", { filename: "a" });
  assertEquals(answer.status, 400);
  assertMatch((await answer.json()).error.message, /--slot-save-path DIR/);
});
