/** The tier that speaks with a store: real servers of it, alone, as a cluster, and far away. */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { StoredBlock } from "../../src/tiers/block_format.ts";
import { StoreConnection } from "../../src/tiers/store_connection.ts";
import { StoreTier, type StoreTierOptions } from "../../src/tiers/store_tier.ts";
import { freePorts } from "../support/free_ports.ts";
import { withStore, withStoreCluster } from "../support/store_process.ts";
import { withTcpProxy } from "../support/tcp_proxy.ts";
import { FORMAT, makeBlock } from "../support/disk_blocks.ts";
import { countTurns, eventually } from "../support/waiting.ts";

const BLOCKS = Array.from(
  { length: 24 },
  (_, seed) => makeBlock(seed, seed % 2 ? "raw" : "sealed"),
);
const KEYS = BLOCKS.map(({ key }) => key);

/** Runs `body` with a tier, and with its messages kept from the terminal. */
async function withTier(
  options: Partial<StoreTierOptions> & { url: string },
  body: (tier: StoreTier, messages: string[]) => Promise<void>,
): Promise<void> {
  const messages: string[] = [];
  const { error } = console;
  console.error = (message: string) => messages.push(message);
  const defaults = { ttlSeconds: 60, writeBytesPerSecond: null, timeoutMs: 1000 };
  const tier = await StoreTier.open({
    format: FORMAT,
    keyPrefix: "packkv:test:",
    ...defaults,
    ...options,
  });
  try {
    await body(tier, messages);
  } finally {
    tier.close();
    console.error = error;
  }
}

async function readAll(
  tier: StoreTier,
  { keys = KEYS, savedMs = 0 }: { keys?: readonly string[]; savedMs?: number } = {},
): Promise<StoredBlock[]> {
  const blocks: StoredBlock[] = [];
  await tier.read(keys, { found: (block) => blocks.push(block), savedMs });
  return blocks;
}

const wanted = BLOCKS.map(({ key }) => ({ sealed: key, near: null, raw: null }));

/** What work gives, and its milliseconds in turns of this thread, which has the proxy's timers. */
async function timed<T>(work: Promise<T>): Promise<{ result: T; tookMs: number }> {
  const turns = countTurns(10);
  const result = await work;
  turns.stop();
  return { result, tookMs: 10 * turns.count };
}

Deno.test("StoreTier writes, looks and reads many blocks in few round trips", () =>
  withStore((store) =>
    withTcpProxy(
      store.port,
      (proxy) =>
        withTier({ url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 60_000 }, async (tier) => {
          const delayMs = 200;
          proxy.behaviour.delayMs = delayMs;
          const written = await timed(tier.write(BLOCKS));
          assertEquals(written.result, BLOCKS.map(() => "there"));
          // One after the other they would be 48; a busy machine packs for a while.
          assertLess(written.tookMs, 12 * delayMs);
          const looked = await timed(tier.look(wanted));
          assertEquals([...looked.result], KEYS);
          const read = await timed(readAll(tier));
          assertEquals(read.result.toSorted((a, b) => a.key < b.key ? -1 : 1), BLOCKS);
          assertLess(looked.tookMs + read.tookMs, 8 * delayMs);
        }),
    )
  ));

/** Runs `body` with a tier whose store has all blocks and sends them in about a second. */
async function withSlowStore(body: (tier: StoreTier) => Promise<void>): Promise<void> {
  await withStore((store) =>
    withTcpProxy(store.port, async (proxy) => {
      await withTier({ url: store.url, timeoutMs: 60_000 }, async (patient) => {
        assertEquals(await patient.write(BLOCKS), BLOCKS.map(() => "there"));
        proxy.behaviour.bytesPerSecond = patient.counts.writtenBytes;
      });
      await withTier({ url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 600 }, body);
    })
  );
}

Deno.test("of a slow store StoreTier gives in time what has come, and goes on with it", () =>
  withSlowStore(async (tier) => {
    const { result: blocks, tookMs } = await timed(readAll(tier, { savedMs: 0 }));
    assertLess(tookMs, 900);
    assertGreater(blocks.length, 0);
    assertGreater(KEYS.length, blocks.length);
    const { isUp, failureCount, lateBlockCount } = tier.counts;
    assertEquals([isUp, failureCount, lateBlockCount], [true, 0, KEYS.length - blocks.length]);
  }));

Deno.test("of a slow store StoreTier waits for all that comes sooner than it could be read again", () =>
  withSlowStore(async (tier) => {
    const { result: blocks, tookMs } = await timed(readAll(tier, { savedMs: 60_000 }));
    assertEquals([blocks.length, tier.counts.lateBlockCount], [KEYS.length, 0]);
    assertGreater(tookMs, 600);
  }));

Deno.test("a question that is given less than a time-out says nothing against a slow store, one given all does", () =>
  withStore((store) =>
    withTcpProxy(store.port, async (proxy) => {
      const address = { url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 500 };
      const connection = await StoreConnection.open(address);
      const { error } = console;
      console.error = () => {};
      try {
        proxy.behaviour.delayMs = 60_000;
        const size = (leftMs: number) => {
          const endMs = performance.now() + leftMs;
          const options = { leftMs: () => endMs - performance.now() };
          return connection.ask((client) => client.strLen("a"), options);
        };
        assertEquals([await size(20), connection.isUp, connection.failureCount], [null, true, 0]);
        assertEquals([await size(500), connection.isUp, connection.failureCount], [null, false, 1]);
      } finally {
        connection.close();
        console.error = error;
      }
    })
  ));

Deno.test("StoreTier spreads blocks over a cluster, and finds them; without a node all are misses", () =>
  withStoreCluster(async (nodes) => {
    await withTier({ url: nodes[0].url }, async (tier, messages) => {
      assertEquals(await tier.write(BLOCKS), BLOCKS.map(() => "there"));
      const counts = await Promise.all(nodes.map((node) => node.use((client) => client.dbSize())));
      assertEquals(counts.reduce((sum, count) => sum + count), BLOCKS.length);
      for (const count of counts) assertGreater(count, 0);
      assertEquals([...await tier.look(wanted)], KEYS);
      assertEquals((await readAll(tier)).length, BLOCKS.length);
      nodes[2].kill("SIGKILL");
      const turns = countTurns(10);
      await eventually(() => !tier.counts.isUp);
      assertEquals([...await tier.look(wanted)], []);
      assertEquals(await tier.write(BLOCKS), BLOCKS.map(() => "skipped"));
      turns.stop();
      assert(turns.count < 250, "nothing waits for a node that is gone");
      assert(messages.some((message) => message.includes("the store of blocks fails")));
    });
  }));

Deno.test("what a store does not allow is said with its reason, of reads once", () =>
  withStore(async (store) => {
    const rights = ["on", ">secret", "~*", "+strlen"];
    await store.use((client) => client.aclSetUser("looker", rights));
    await withTier({ url: store.url.replace("//", "//looker:secret@") }, async (tier, messages) => {
      const [outcome] = await tier.write([BLOCKS[0]]);
      assert(outcome instanceof Error && outcome.message.includes("NOPERM"), String(outcome));
      assertEquals(await readAll(tier), []);
      assertEquals(messages.length, 1);
      assert(messages[0].startsWith("packkv: the store of blocks refuses: NOPERM"), messages[0]);
      assert(tier.counts.isUp);
    });
  }));

Deno.test("a full store refuses writes with its reason, and still gives what it has", () =>
  withStore((store) =>
    withTier({ url: store.url }, async (tier) => {
      assertEquals(await tier.write(BLOCKS.slice(0, 2)), ["there", "there"]);
      await store.use(async (client) => {
        await client.configSet("maxmemory-policy", "noeviction");
        await client.configSet("maxmemory", "1");
      });
      const [outcome] = await tier.write([BLOCKS[2]]);
      assert(outcome instanceof Error && outcome.message.includes("OOM"), String(outcome));
      assertEquals(
        await readAll(tier, { keys: KEYS.slice(0, 3) }).then((blocks) => blocks.length),
        2,
      );
    })
  ));

Deno.test("a store behind TLS is used if its certificate's authority is trusted, and not otherwise", async () => {
  const folder = await Deno.makeTempDir({ prefix: "packkv-tls-" });
  const script = `
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \\
      -keyout ca.key -out ca.pem -subj "/CN=authority"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\
      -keyout key.pem -out request.pem -subj "/CN=localhost"
    echo subjectAltName=DNS:localhost > names
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 \\
      -out cert.pem -extfile names`;
  const made = await new Deno.Command("sh", { args: ["-ec", script], cwd: folder }).output();
  assert(made.success, new TextDecoder().decode(made.stderr));
  const [tlsPort] = freePorts(1);
  const keys = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"];
  const trust = ["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no", "--dir", folder];
  const ask = async (env: Record<string, string>) => {
    const program = new URL("./store_over_tls.ts", import.meta.url).pathname;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const url = `rediss://localhost:${tlsPort}`;
    const args = ["run", "-A", "--no-check", "--quiet", "--config", config, program, url];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, env, stderr: "null" })
      .output();
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    await withStore(async () => {
      assertEquals(await ask({ DENO_CERT: `${folder}/ca.pem` }), "0");
      assertEquals(await ask({}), "null");
    }, ["--dir", folder, "--tls-port", String(tlsPort), ...keys, ...trust]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
