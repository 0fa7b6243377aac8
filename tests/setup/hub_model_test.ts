import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import {
  ensureHubModel,
  hubModelCachePath,
  parseHubReference,
} from "../../server/setup/hub_model.ts";
import { ProgressLine } from "../../server/setup/progress.ts";
import { SetupError } from "../../server/setup/setup_error.ts";
import { type HubBehaviour, startHub } from "./fake_hub.ts";

const REFERENCE = { repo: "o/r", file: "sub/m.gguf" };
const BYTES = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 31) >> 3);

interface Bench {
  behaviour: HubBehaviour;
  path: string;
  ensure: (token?: string) => Promise<string>;
  refusal: (token?: string) => Promise<string>;
}

function hubTest(
  name: string,
  change: Partial<HubBehaviour>,
  work: (bench: Bench) => Promise<void>,
): void {
  Deno.test(`ensureHubModel() ${name}`, async () => {
    const behaviour: HubBehaviour = { bytes: BYTES, cuts: [], ranges: [], ...change };
    const folder = await Deno.makeTempDir();
    const { hubUrl, stop } = startHub(behaviour);
    const progress = new ProgressLine({ write: () => {}, isTerminal: false });
    const ensure = (token?: string) => {
      const settings = { hubUrl, folder, progress, retryDelayMs: 1 };
      return ensureHubModel(REFERENCE, token === undefined ? settings : { ...settings, token });
    };
    const refusal = async (token?: string) => {
      return (await assertRejects(() => ensure(token), SetupError) as Error).message;
    };
    try {
      const path = hubModelCachePath(REFERENCE, folder);
      await work({ behaviour, path, ensure, refusal });
    } finally {
      await stop();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

hubTest("fetches a file once and leaves no part", {}, async ({ behaviour, path, ensure }) => {
  assertEquals(await ensure(), path);
  assertEquals(await Deno.readFile(path), BYTES);
  behaviour.status = 500; // the hub is gone: what is there is used without it
  assertEquals(await ensure(), path);
  assertEquals(behaviour.ranges, [""]);
  assertEquals([exists(`${path}.part`), exists(`${path}.part.of`)], [false, false]);
});

hubTest(
  "goes on where a cut connection left off",
  { cuts: [50_000, 70_000] },
  async ({ behaviour, path, ensure }) => {
    await ensure();
    assertEquals(await Deno.readFile(path), BYTES);
    assertEquals(behaviour.ranges, ["", "bytes=50000-", "bytes=120000-"]);
  },
);

hubTest(
  "goes on in a later start, and keeps no half file under the final name",
  { cuts: [50_000, 0, 0, 0, 0, 0] },
  async ({ behaviour, path, ensure, refusal }) => {
    assertMatch(await refusal(), /cut at 0\.1 MB .*start again/);
    assertEquals([exists(path), exists(`${path}.part`)], [false, true]);
    behaviour.ranges.length = 0;
    await ensure();
    assertEquals(behaviour.ranges, ["bytes=50000-"]);
    assertEquals(await Deno.readFile(path), BYTES);
  },
);

hubTest(
  "starts over if the file on the hub has changed since it was cut",
  { cuts: [50_000, 0, 0, 0, 0, 0] },
  async ({ behaviour, path, ensure, refusal }) => {
    await refusal();
    behaviour.bytes = BYTES.map((byte) => byte ^ 1);
    behaviour.ranges.length = 0;
    await ensure();
    assertEquals(behaviour.ranges, [""]);
    assertEquals(await Deno.readFile(path), behaviour.bytes);
  },
);

hubTest(
  "starts over if the server sends all of the file instead of the rest",
  { cuts: [50_000], ignoresRanges: true },
  async ({ path, ensure }) => {
    await ensure();
    assertEquals(await Deno.readFile(path), BYTES);
  },
);

hubTest(
  "refuses a file with a wrong checksum and removes it",
  { claimedHash: "0".repeat(64) },
  async ({ path, refusal }) => {
    assertMatch(await refusal(), /its checksum is wrong/);
    assertEquals([exists(path), exists(`${path}.part`)], [false, false]);
  },
);

hubTest("checks a file outside LFS by git's hash", { isSmall: true }, async (bench) => {
  await bench.ensure();
  assertEquals(await Deno.readFile(bench.path), BYTES);
});

hubTest("fetches again what was damaged on the disk", {}, async ({ behaviour, path, ensure }) => {
  await ensure();
  await Deno.truncate(path, 1000);
  await ensure();
  assertEquals(await Deno.readFile(path), BYTES);
  assertEquals(behaviour.ranges.length, 2);
});

hubTest("sends the token", { token: "hf_right" }, async ({ path, ensure, refusal }) => {
  assertMatch(await refusal(""), /wants a token.*HF_TOKEN/);
  assertMatch(await refusal("hf_wrong"), /refuses HF_TOKEN/);
  assertEquals(exists(`${path}.part`), false);
  assertEquals(await ensure("hf_right"), path);
});

hubTest("says that there is no such repository", { status: 404 }, async ({ refusal }) => {
  assertMatch(await refusal(), /^Cannot fetch sub\/m\.gguf of o\/r: the hub has no such/);
});

/** A model in three files, and a hub that has those of `numbers`. */
async function withParts(
  numbers: readonly number[],
  work: (
    bench: { behaviour: HubBehaviour; paths: string[]; ensure: (part: number) => Promise<string> },
  ) => Promise<void>,
): Promise<void> {
  const nameOf = (number: number) => `q/m-0000${number}-of-00003.gguf`;
  const others = numbers.map((number) => [nameOf(number), BYTES.map((byte) => byte ^ number)]);
  const behaviour: HubBehaviour = {
    bytes: BYTES,
    others: Object.fromEntries(others),
    cuts: [],
    ranges: [],
  };
  const folder = await Deno.makeTempDir();
  const { hubUrl, stop } = startHub(behaviour);
  const progress = new ProgressLine({ write: () => {}, isTerminal: false });
  const referenceOf = (part: number) => ({ repo: "o/r", file: nameOf(part) });
  const ensure = (part: number) => {
    return ensureHubModel(referenceOf(part), { hubUrl, folder, progress, retryDelayMs: 1 });
  };
  try {
    const paths = [1, 2, 3].map((part) => hubModelCachePath(referenceOf(part), folder));
    await work({ behaviour, paths, ensure });
  } finally {
    await stop();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("ensureHubModel() fetches all parts of a model, given any of them, and later what is missing", () =>
  withParts([1, 2, 3], async ({ behaviour, paths, ensure }) => {
    assertEquals(await ensure(2), paths[1]);
    for (const [index, path] of paths.entries()) {
      assertEquals(await Deno.readFile(path), BYTES.map((byte) => byte ^ (index + 1)));
    }
    assertEquals(behaviour.ranges, ["", "", ""]);
    await Deno.remove(paths[2]);
    assertEquals(await ensure(1), paths[0]);
    assertEquals(await Deno.readFile(paths[2]), BYTES.map((byte) => byte ^ 3));
    assertEquals(behaviour.ranges.length, 4);
    behaviour.status = 500; // the hub is gone: what is there is used without it
    assertEquals(await ensure(3), paths[2]);
  }));

Deno.test("ensureHubModel() names a part that the hub lacks, before it fetches any", () =>
  withParts([1, 2], async ({ behaviour, ensure }) => {
    const error = await assertRejects(() => ensure(1), SetupError);
    assertMatch((error as Error).message, /m-00003-of-00003\.gguf: o\/r has no such file/);
    assertEquals(behaviour.ranges, []);
  }));

Deno.test("ensureHubModel() says that the repository has no such file", async () => {
  const { hubUrl, stop } = startHub({ bytes: BYTES, cuts: [], ranges: [] });
  const folder = await Deno.makeTempDir();
  const progress = new ProgressLine({ write: () => {}, isTerminal: false });
  try {
    const reference = { repo: "o/r", file: "other.gguf" };
    const error = await assertRejects(() =>
      ensureHubModel(reference, { hubUrl, folder, progress })
    );
    assertMatch((error as Error).message, /o\/r has no such file/);
  } finally {
    await stop();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("parseHubReference() reads the three ways to write a file of the hub", () => {
  const expected = { repo: "owner/re.po-1", file: "a_b.Q4_1.gguf" };
  assertEquals(parseHubReference("owner/re.po-1:a_b.Q4_1.gguf"), expected);
  assertEquals(parseHubReference("owner/re.po-1/a_b.Q4_1.gguf"), expected);
  assertEquals(parseHubReference("hf:owner/re.po-1:a_b.Q4_1.gguf"), expected);
  assertEquals(parseHubReference("o/r/sub/m.gguf"), { repo: "o/r", file: "sub/m.gguf" });
});

for (
  const text of ["m.gguf", "owner/repo", "/o/r/m.gguf", "o/r/../m.gguf", "../r:m.gguf", "o/r:m"]
) {
  Deno.test(`parseHubReference() does not take ${text} for a file of the hub`, () => {
    assertEquals(parseHubReference(text), null);
  });
}

Deno.test("hubModelCachePath() keeps repositories apart", () => {
  const path = hubModelCachePath(REFERENCE, "/c");
  assertEquals(path, join("/c", "o--r", "sub", "m.gguf"));
});
