import { assertEquals } from "@std/assert";
import { FAKE_EOS_ID, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

Deno.test("GET /v1/models lists the model with what is in force", async () => {
  const { app } = harness(() => [], { app: { aliases: ["other"] } });
  for (const path of ["/v1/models", "/models"]) {
    const { object, data } = await (await app.request(path)).json();
    assertEquals([object, data.length], ["list", 1]);
    const { created, created_at, ...model } = data[0];
    assertEquals(created_at, new Date(created * 1000).toISOString());
    assertEquals(model, {
      id: "fake",
      object: "model",
      owned_by: "packkv",
      aliases: ["other"],
      status: { value: "loaded" },
      max_model_len: 200,
      context_length: 200,
      context_window: 200,
      max_input_tokens: 200,
      max_tokens: 200,
      type: "model",
      display_name: "fake",
      lifecycle: "active",
      ...{ line: null, capabilities: null, deprecated_at: null, retires_at: null },
      meta: {
        n_vocab: 258,
        n_ctx_train: 400,
        n_ctx: 200,
        n_params: 2000,
        size: 1000,
        kv_profile: "paper (k-rel 0.1, v-rel 0.2, pack 16)",
        adapter: "fake adapter",
        adapter_is_fallback: true,
      },
    });
  }
});

Deno.test("GET /v1/models/{id} finds the id, also with a slash, and its aliases", async () => {
  const { app } = harness(() => [], { app: { modelId: "me/fake", aliases: ["other"] } });
  for (const id of ["me/fake", "me%2Ffake", "other"]) {
    const response = await app.request(`/v1/models/${id}`);
    assertEquals([id, response.status], [id, 200]);
    assertEquals((await response.json()).id, "me/fake");
  }
  const unknown = await app.request("/v1/models/nope");
  assertEquals([unknown.status, (await unknown.json()).error.code], [404, "model_not_found"]);
});

Deno.test("GET /props tells context, profile, adapter and bytes", async () => {
  const { app } = harness(() => []);
  const props = await (await app.request("/props")).json();
  assertEquals(props.default_generation_settings.n_ctx, 200);
  assertEquals(props.total_slots, 4);
  assertEquals(props.kv_profile, "paper (k-rel 0.1, v-rel 0.2, pack 16)");
  assertEquals(props.math, { mode: "f32", note: null });
  assertEquals(props.kv_codec, {
    profile: "paper",
    k_rel: 0.1,
    v_rel: 0.2,
    pack_size: 16,
    repack: "none",
    layer_steps: null,
    calibration: null,
  });
  assertEquals(props.limits, {
    sequences: 4,
    queue: 64,
    step_tokens: 16,
    window_tokens: 128,
    shares_prefixes: true,
    speculates: true,
    keep: null,
    read: null,
    shared_layers: [],
    kv_host_bytes: 0,
    kv_disk_folder: null,
    kv_disk_bytes: 0,
    kv_store: null,
    body_bytes: 16 * 2 ** 20,
    request_seconds: 3600,
    drain_seconds: 0,
    ping_seconds: 15,
  });
  assertEquals(props.memory, {
    weight_bytes: 900,
    cache_capacity_bytes: 5000,
    cache_usage: 0.25,
    window_bytes: 300,
    table_bytes: 40,
    token_bytes: 1024,
    summary_bytes: 0,
    value_host_bytes: 600,
    value_device_bytes: 200,
    all_in_bytes: 1024 + 300 + 40 + 200,
    cache_bytes: { raw: 6000, payload: 900, packed: 1000, allocated: 1024 },
    layers: [
      { window_tokens: 512, kv_layer: 0, window_bytes: 200, packed_bytes: 0, packed_tokens: 0 },
      {
        window_tokens: null,
        kv_layer: 1,
        window_bytes: 100,
        packed_bytes: 1000,
        packed_tokens: 64,
      },
    ],
    device_bytes: 7000,
  });
});

Deno.test("POST /tokenize knows llama.cpp's and vLLM's fields", async () => {
  const { post } = harness(() => []);
  const cases: [object, number[]][] = [
    [{ content: "a<|end|>" }, [97, FAKE_EOS_ID]],
    [{ content: "<|end|>", parse_special: false }, tokensOf("<|end|>")],
    [{ prompt: "ab" }, [97, 98]],
    [{ messages: [{ role: "user", content: "x" }] }, tokensOf("[user]x[assistant]")],
  ];
  for (const [body, tokens] of cases) {
    const answer = await (await post("/tokenize", body)).json();
    assertEquals(answer, { tokens, count: tokens.length, max_model_len: 200 });
  }
  const empty = await post("/tokenize", {});
  assertEquals([empty.status, (await empty.json()).error.param], [400, "content"]);
});

Deno.test("POST /detokenize gives the text and refuses ids that are not there", async () => {
  const { post } = harness(() => []);
  const answer = await (await post("/detokenize", { tokens: tokensOf("aé") })).json();
  assertEquals(answer, { content: "aé", prompt: "aé" });
  const wrong = await post("/detokenize", { tokens: [258] });
  assertEquals([wrong.status, (await wrong.json()).error.param], [400, "tokens"]);
});

Deno.test("POST /apply-template renders without generating", async () => {
  const { post, engine } = harness(() => []);
  const answer = await post("/apply-template", { messages: [{ role: "user", content: "x" }] });
  assertEquals(await answer.json(), { prompt: "[user]x[assistant]" });
  assertEquals(engine.requests.length, 0);
});
