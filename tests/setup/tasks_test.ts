import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "../../server/cli/commands.ts";
import { describeCommand } from "../../server/cli/help.ts";
import { DENO_VERSION_MIN, isUsableDeno } from "../../server/setup/deno_version.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

for (const name of ["serve", "test"]) {
  Deno.test(`deno task ${name} runs packkv ${name} with the arguments behind it`, async () => {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["task", name, "--help"],
      cwd: ROOT,
      stdin: "null",
      stderr: "null",
    }).output();
    const command = COMMANDS.find((each) => each.name === name)!;
    assertEquals(code, 0);
    assertEquals(new TextDecoder().decode(stdout), `${describeCommand(command)}\n`);
  });
}

Deno.test("isUsableDeno() takes 2.9 and newer", () => {
  for (const version of ["2.9.0", "2.10.3", "3.0.0", "2.9.0-rc.1"]) {
    assertEquals(isUsableDeno(version), true, version);
  }
  for (const version of ["2.8.9", "1.46.3"]) assertEquals(isUsableDeno(version), false, version);
  assertEquals(DENO_VERSION_MIN, "2.9");
});

// There is no Windows here to run it on: what can be read of it is held.
Deno.test("packkv.cmd takes the steps of packkv, and passes arguments and exit code on", async () => {
  const [cmd, sh] = await Promise.all(
    ["packkv.cmd", "packkv"].map((name) => Deno.readTextFile(`${ROOT}/${name}`)),
  );
  const steps = [
    /run -A --no-config --no-lock "[^"]*prepare\.ts"/,
    /run -A --quiet "--node-modules-dir=[^"]*" --config "[^"]*deno\.json"/,
    /DENO_TLS_CA_STORE/,
    /DENO_NO_UPDATE_CHECK/,
    /PACKKV_DENO/,
  ];
  for (const step of steps) {
    assertMatch(sh, step);
    assertMatch(cmd, step);
  }
  // Paths that it names are there.
  const paths = [...cmd.matchAll(/%root%([\w\\.]+)/g)].map(([, path]) =>
    path.replaceAll("\\", "/")
  );
  assertEquals(paths.sort(), ["deno.json", "server/main.ts", "server/setup/prepare.ts"]);
  for (const path of paths) assertEquals((await Deno.stat(`${ROOT}/${path}`)).isFile, true);
  const last = cmd.trimEnd().split("\n").at(-1)!;
  assertStringIncludes(last, '"%deno%" run'); // not `call`, which reads % and ^ of arguments again
  assertMatch(last, / %\*$/);
});
