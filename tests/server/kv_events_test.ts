import { assertEquals, assertThrows } from "@std/assert";
import { batchOf, blockNumber, EVENT_FORMS } from "../../server/kv_events/encode.ts";
import { parseEndpoint } from "../../server/kv_events/endpoint.ts";
import { BlockEventPublisher } from "../../server/kv_events/publisher.ts";
import { SetupError } from "../../server/setup/setup_error.ts";

const [FIRST, SECOND] = ["ffffffffffffffff0123456789abcdef", "00000000000000030123456789abcdef"];
const STORED = {
  type: "stored",
  medium: "gpu",
  name: SECOND,
  parentName: FIRST,
  tokenIds: [70_000, 1],
} as const;
const REMOVED = { type: "removed", medium: "disk", name: FIRST } as const;

Deno.test("batches have vLLM's fields in vLLM's order, as arrays, as maps, or as maps in an array", () => {
  const [arrays, maps, mapsInArray] = EVENT_FORMS.map((form) =>
    batchOf([STORED, REMOVED, { type: "cleared" }], { form, timeSeconds: 1.5 })
  );
  const [parent, hash] = [2n ** 63n - 1n, 1n];
  assertEquals([blockNumber(FIRST), blockNumber(SECOND)], [parent, hash]);
  assertEquals(arrays, [1.5, [
    ["BlockStored", [hash], parent, [70_000, 1], 64, null, "gpu", null],
    ["BlockRemoved", [parent], "disk"],
    ["AllBlocksCleared"],
  ], 0]);
  const stored = {
    type: "BlockStored",
    block_hashes: [hash],
    parent_block_hash: parent,
    token_ids: [70_000, 1],
    block_size: 64,
    lora_id: null,
    medium: "gpu",
    lora_name: null,
  };
  const removed = { type: "BlockRemoved", block_hashes: [parent], medium: "disk" };
  const events = [stored, removed, { type: "AllBlocksCleared" }];
  assertEquals(maps, { ts: 1.5, events, data_parallel_rank: 0 });
  assertEquals(mapsInArray, [1.5, events, 0]);
});

const ENDPOINTS: Record<string, ReturnType<typeof parseEndpoint>> = {
  "tcp://*:5557": { isBound: true, hostname: "0.0.0.0", port: 5557 },
  "tcp://[::]:5557": { isBound: true, hostname: "::", port: 5557 },
  "tcp://router:9": { isBound: false, hostname: "router", port: 9 },
};

Deno.test("addresses with * or :: are bound, others connected to", () => {
  for (const [text, endpoint] of Object.entries(ENDPOINTS)) {
    assertEquals(parseEndpoint(text), endpoint);
  }
});

for (const text of ["ipc:///tmp/x", "tcp://*", "tcp://*:0", "tcp://*:70000", "router:9", ""]) {
  Deno.test(`"${text}" is refused as an address, with what one looks like`, () => {
    assertThrows(() => parseEndpoint(text), RangeError, "wanted tcp://*:PORT or tcp://HOST:PORT");
  });
}

Deno.test("an address that cannot be bound is named with the reason", () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const endpoint = { isBound: true, hostname: "127.0.0.1", port };
  const options = { endpoint, replay: null, topic: "kv@a@b", form: "arrays" } as const;
  try {
    assertThrows(
      () => BlockEventPublisher.open(options),
      SetupError,
      `Cannot publish events of blocks at 127.0.0.1:${port}: `,
    );
  } finally {
    taken.close();
  }
});
