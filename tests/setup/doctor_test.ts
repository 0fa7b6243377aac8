import { assertEquals, assertMatch } from "@std/assert";
import { adapterOf } from "../../src/runtime/inspect_device.ts";
import { describeFindings, driverSource, inspectMachine } from "../../server/setup/doctor.ts";

Deno.test("describeFindings() marks what is missing and names the command that mends it", () => {
  const text = describeFindings([
    { name: "deno", lines: ["2.9.6"] },
    { name: "adapter", lines: ["none"], mend: "apt-get install x" },
    { name: "limits", lines: ["a 1", "b 2"] },
  ]);
  assertEquals(text.split("\n"), [
    "ok  deno     2.9.6",
    "--  adapter  none",
    "             mend: apt-get install x",
    "ok  limits   a 1",
    "             b 2",
    "1 thing is missing",
  ]);
});

Deno.test("describeFindings() says so if nothing is missing", () => {
  const text = describeFindings([{ name: "deno", lines: ["2.9.6"] }]);
  assertMatch(text, /all that is needed is there$/);
});

Deno.test("inspectMachine() finds Deno, adapter, features, limits, memory and model", async () => {
  const findings = await inspectMachine(() => adapterOf({}));
  const names = findings.map(({ name }) => name);
  const expected = ["deno", "adapter", "driver", "features", "limits", "memory", "model"];
  assertEquals(names, expected);
  assertEquals(findings.filter(({ mend }) => mend !== undefined), []);
  const features = findings.find(({ name }) => name === "features");
  assertEquals(features?.lines.map((line) => line.split(" ")[0]), [
    "shader-f16",
    "subgroups",
    "timestamp-query",
  ]);
});

Deno.test("inspectMachine() looks at the GPU of the power that it is given, each time it asks for one", async () => {
  const { prototype } = GPU;
  const { requestAdapter } = prototype;
  const asked: (string | undefined)[] = [];
  prototype.requestAdapter = function (options) {
    asked.push(options?.powerPreference);
    return requestAdapter.call(this, options);
  };
  try {
    await inspectMachine(() => adapterOf({ power: "low-power" }));
  } finally {
    prototype.requestAdapter = requestAdapter;
  }
  assertEquals(asked, new Array(4).fill("low-power"), "the adapter, and one for each feature");
});

Deno.test("doctor names the driver files of the environment, and Mesa's package only where there are none", async () => {
  const both = { VK_ICD_FILENAMES: "/old.json", VK_DRIVER_FILES: "/new.json" };
  assertEquals(await driverSource(both), "VK_DRIVER_FILES=/new.json");
  assertEquals(await driverSource({ ...both, VK_DRIVER_FILES: "" }), "VK_ICD_FILENAMES=/old.json");
  assertMatch(await driverSource({}), /^(Mesa .+)?$/);
});
