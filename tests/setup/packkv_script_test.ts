import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../../packkv", import.meta.url));
const TOOLS = "sh env tail dirname readlink sed uname mkdir mktemp mv rm chmod id grep cat ldconfig"
  .split(
    " ",
  );
const FAKE_DENO = `#!/bin/sh
if [ "$1" = --version ]; then echo "deno VERSION (stable)"; exit; fi
for last in "$@"; do :; done
case $last in */prepare.ts) echo manual; exit "\${FAKE_PREPARE_CODE:-0}" ;; esac
echo "deno $0"
for a in "$@"; do echo "arg $a"; done
`;

interface Bench {
  /** Folder with spaces in its name that holds `packkv`. */
  root: string;
  home: string;
  /** Puts a program into the only folder of PATH. */
  program: (name: string, text: string) => Promise<void>;
  run: (args?: readonly string[], options?: RunOptions) => Promise<Outcome>;
}

interface RunOptions {
  script?: string;
  cwd?: string;
  env?: Record<string, string>;
}

interface Outcome {
  code: number;
  lines: string[];
  errors: string;
}

async function writeProgram(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, 0o755);
}

function fakeDeno(version: string): string {
  return FAKE_DENO.replace("VERSION", version);
}

/** A package client that puts a Deno of `version` below the folder after `flag`, at `path`. */
function fakeInstaller(name: string, flag: string, path: string, version = "2.9.6"): string {
  return `#!/bin/sh
[ "$1" != --version ] || exit 0
echo ${name} >> "$HOME/calls"
while [ "$1" != ${flag} ]; do shift; done
mkdir -p "$2/${path}"
cat > "$2/${path}/deno" <<'END'
${fakeDeno(version)}END
`;
}

const NPM = fakeInstaller("npm", "--prefix", "node_modules/@deno/any-system");
const PIP = fakeInstaller("pip3", "--target", "bin");

async function linkTools(bin: string): Promise<void> {
  for (const tool of TOOLS) {
    for (const folder of ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]) {
      const isThere = await Deno.stat(join(folder, tool)).then(() => true, () => false);
      if (!isThere) continue;
      await Deno.symlink(join(folder, tool), join(bin, tool));
      break;
    }
  }
}

function scriptTest(name: string, work: (bench: Bench) => Promise<void>): void {
  Deno.test({
    name: `packkv ${name}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const folder = await Deno.makeTempDir();
      const [bin, home, root] = ["bin", "home", "a repository"].map((part) => join(folder, part));
      for (const path of [bin, home, root]) await Deno.mkdir(path);
      await linkTools(bin);
      await Deno.copyFile(SCRIPT, join(root, "packkv"));
      const run = async (args: readonly string[] = ["version"], options: RunOptions = {}) => {
        const { script = join(root, "packkv"), cwd = folder, env = {} } = options;
        const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
          args: [script, ...args],
          cwd,
          env: { PATH: bin, HOME: home, VK_ICD_FILENAMES: "/any.json", ...env },
          clearEnv: true,
        }).output();
        const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        return { code, lines: out.trimEnd().split("\n"), errors };
      };
      const program = (name: string, text: string) => writeProgram(join(bin, name), text);
      try {
        await work({ root, home, program, run });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function calls(home: string): Promise<string> {
  return await Deno.readTextFile(join(home, "calls")).catch(() => "");
}

scriptTest("starts the Deno of PATH with the arguments it was given", async (bench) => {
  const { root, program, run } = bench;
  await program("deno", fakeDeno("2.9.6"));
  const { code, lines } = await run(["run", "two words", "--flag=*"]);
  assertEquals(code, 0);
  assertEquals(lines.slice(1), [
    "arg run",
    "arg -A",
    "arg --quiet",
    "arg --node-modules-dir=manual",
    "arg --config",
    `arg ${await Deno.realPath(root)}/deno.json`,
    `arg ${await Deno.realPath(root)}/server/main.ts`,
    "arg run",
    "arg two words",
    "arg --flag=*",
  ]);
});

for (const version of ["2.10.0", "3.0.1"]) {
  scriptTest(`takes Deno ${version} as new enough`, async ({ program, run }) => {
    await program("deno", fakeDeno(version));
    assertEquals((await run()).code, 0);
  });
}

for (const version of ["2.8.3", "1.46.0"]) {
  scriptTest(`installs another Deno if that of PATH is ${version}`, async (bench) => {
    const { home, program, run } = bench;
    await program("deno", fakeDeno(version));
    await program("npm", NPM);
    const { code, lines } = await run();
    assertEquals(code, 0);
    assertEquals(lines[0], `deno ${home}/.cache/packkv/deno-2.9.6/deno`);
  });
}

scriptTest("finds Deno in ~/.deno/bin", async ({ home, run }) => {
  await Deno.mkdir(join(home, ".deno/bin"), { recursive: true });
  await writeProgram(join(home, ".deno/bin/deno"), fakeDeno("2.9.6"));
  assertEquals((await run()).lines[0], `deno ${home}/.deno/bin/deno`);
});

scriptTest("installs Deno with npm once, and says so on stderr only", async (bench) => {
  const { home, program, run } = bench;
  await program("npm", NPM);
  const first = await run();
  const second = await run();
  assertMatch(first.errors, /installing Deno 2\.9\.6 with npm/);
  assertEquals(second.errors, "");
  assertEquals(first.lines, second.lines);
  assertEquals(await calls(home), "npm\n");
  const kept = [...Deno.readDirSync(join(home, ".cache/packkv"))].map(({ name }) => name);
  assertEquals(kept.sort(), ["deno-2.9.6"]);
});

scriptTest("installs Deno with pip if there is no npm", async ({ home, program, run }) => {
  await program("pip3", PIP);
  assertEquals((await run()).code, 0);
  assertEquals(await calls(home), "pip3\n");
});

scriptTest("installs Deno with pip if npm fails", async ({ home, program, run }) => {
  await program("npm", "#!/bin/sh\nexit 1\n");
  await program("pip3", PIP);
  assertEquals((await run()).code, 0);
  assertEquals(await calls(home), "pip3\n");
});

scriptTest("keeps no Deno that does not run", async ({ home, program, run }) => {
  await program("npm", fakeInstaller("npm", "--prefix", "node_modules/@deno/x", "cut"));
  const { code, errors } = await run();
  assertEquals(code, 1);
  assertMatch(errors, /Cannot install Deno 2\.9\.6: neither npm, pip nor/);
  assertEquals([...Deno.readDirSync(join(home, ".cache/packkv"))], []);
});

scriptTest("says what to install if there is neither npm, pip, curl nor wget", async ({ run }) => {
  const { code, errors } = await run();
  assertEquals(code, 1);
  assertMatch(errors, /apt-get install npm.*PACKKV_DENO/);
});

scriptTest("uses PACKKV_DENO, and refuses one that is too old", async ({ home, run }) => {
  const path = join(home, "my deno");
  await writeProgram(path, fakeDeno("2.9.0"));
  assertEquals((await run(["version"], { env: { PACKKV_DENO: path } })).lines[0], `deno ${path}`);
  await writeProgram(path, fakeDeno("2.8.0"));
  const { code, errors } = await run(["version"], { env: { PACKKV_DENO: path } });
  assertEquals(code, 1);
  assertMatch(errors, /Cannot use PACKKV_DENO=.*my deno: not a Deno 2\.9/);
});

scriptTest("finds its folder through a chain of symbolic links", async (bench) => {
  const { root, home, program, run } = bench;
  await program("deno", fakeDeno("2.9.6"));
  await Deno.symlink("../a repository/packkv", join(home, "relative"));
  await Deno.symlink(join(home, "relative"), join(home, "absolute"));
  const expected = `arg ${await Deno.realPath(root)}/server/main.ts`;
  for (const script of [join(home, "absolute"), "relative"]) {
    const { lines } = await run(["version"], { script, cwd: home });
    assertEquals(lines.includes(expected), true, `${script}: ${lines.join("\n")}`);
  }
});

scriptTest("ends with the code of what comes before the program if that fails", async (bench) => {
  const { program, run } = bench;
  await program("deno", fakeDeno("2.9.6"));
  const { code, lines } = await run(["version"], { env: { FAKE_PREPARE_CODE: "1" } });
  assertEquals([code, lines], [1, [""]]);
});

scriptTest("prints what an installer printed only if it fails", async (bench) => {
  const { program, run } = bench;
  await program("npm", "#!/bin/sh\necho noise; echo no space left >&2; exit 1\n");
  await program("pip3", PIP.replace("mkdir", "echo much noise; mkdir"));
  const { code, errors } = await run();
  assertEquals(code, 0);
  assertMatch(errors, /no space left/);
  assertEquals(errors.includes("much noise"), false);
});

scriptTest(
  "refuses to guess a cache folder if neither HOME nor XDG_CACHE_HOME is set",
  async (b) => {
    const { code, errors } = await b.run(["version"], { env: { HOME: "" } });
    assertEquals(code, 1);
    assertMatch(errors, /neither HOME nor XDG_CACHE_HOME/);
  },
);
