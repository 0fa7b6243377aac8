import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isWritable, missingPackages, PACKAGE_NAMES } from "../../server/setup/packages.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** npm packages that a module imports, itself or through others. */
async function packagesOf(module: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--config", join(ROOT, "deno.json"), join(ROOT, module)],
    stdin: "null",
    stderr: "null",
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout));
  const missing = modules.find(({ error }: { error?: string }) => error !== undefined);
  assertEquals(missing?.error, undefined);
  return modules.flatMap(({ npmPackage }: { npmPackage?: string }) =>
    npmPackage === undefined ? [] : [/^@?[^@]+/.exec(npmPackage)![0]]
  );
}

Deno.test("PACKAGE_NAMES are the packages that the program and its workers import", async () => {
  const workers = [
    "engine/worker",
    "grammar/worker",
    "tiers/tier_worker",
    "tiers/unpack_worker",
    "tokenizer/prompt_worker",
  ];
  const modules = ["server/main.ts", ...workers.map((name) => `src/${name}.ts`)];
  const imported: string[] = [];
  for (const module of modules) imported.push(...await packagesOf(module));
  assertEquals([...new Set(imported)].sort(), [...PACKAGE_NAMES].sort());
});

Deno.test("what runs before the program imports no package", async () => {
  assertEquals(await packagesOf("server/setup/prepare.ts"), []);
});

interface Lock {
  npm: Record<string, { dependencies?: string[]; scripts?: boolean }>;
}

/** Packages, with version, that `names` and what they depend on stand for in the lock file. */
function lockedWith({ npm }: Lock, names: readonly string[]): string[] {
  const found = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const isVersioned = name.lastIndexOf("@") > 0;
    const key = Object.keys(npm).find((each) =>
      each === name || (!isVersioned && each.startsWith(`${name}@`))
    );
    if (key === undefined) throw new Error(`${name} is not locked`);
    if (found.has(key)) continue;
    found.add(key);
    waiting.push(...npm[key].dependencies ?? []);
  }
  return [...found];
}

Deno.test("no package that the program fetches wants to run a script when it is installed", async () => {
  const lock: Lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  const fetched = lockedWith(lock, PACKAGE_NAMES);
  assert(fetched.length > PACKAGE_NAMES.length);
  // Deno refuses to and says so in a box; most of them report where they are installed.
  assertEquals(fetched.filter((key) => lock.npm[key].scripts), []);
});

/** A checkout that imports hono 1.2.3 under another name, with files in `node_modules`. */
async function checkoutWith(
  files: Record<string, string>,
  work: (root: string) => void,
): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      join(root, "deno.json"),
      JSON.stringify({ imports: { web: "npm:hono@1.2.3", "@std/x": "./x.ts" } }),
    );
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
    }
    work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const PACKAGE = "node_modules/hono/package.json";

for (
  const [state, files, missing] of [
    ["in its version", { [PACKAGE]: '{"version":"1.2.3"}' }, []],
    ["in another version", { [PACKAGE]: '{"version":"1.2.4"}' }, ["hono"]],
    ["cut short", { [PACKAGE]: '{"versi' }, ["hono"]],
    ["not there", {}, ["hono"]],
  ] as const
) {
  Deno.test(`missingPackages() gives ${missing.length} for a package that is ${state}`, () =>
    checkoutWith(files, (root) => assertEquals(missingPackages(root, ["hono"]), [...missing])));
}

Deno.test("isWritable() is false where node_modules is a file, and leaves nothing behind", () =>
  checkoutWith({ "x/node_modules": "" }, (root) => {
    assertEquals(isWritable(join(root, "x")), false);
    assertEquals(isWritable(root), true);
    assertEquals([...Deno.readDirSync(join(root, "node_modules"))], []);
  }));
