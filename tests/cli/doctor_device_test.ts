/** What `packkv doctor` says of devices that do another thing than their adapters say. */

import { assertEquals, assertMatch } from "@std/assert";
import { describeDevice } from "../../server/cli/doctor_device.ts";
import { inspectDevice } from "../../src/runtime/inspect_device.ts";
import { type Lie, lyingWebgpu } from "../support/lying_webgpu.ts";

async function findings(lie: Lie) {
  const all = describeDevice(await inspectDevice({ webgpu: lyingWebgpu(lie) }));
  return Object.fromEntries(all.map((finding) => [finding.name, finding]));
}

Deno.test("doctor says what the probe found, whatever the adapter says", async () => {
  const says = { subgroupMinSize: 4, subgroupMaxSize: 64 };
  const { probe, room } = await findings({ says, refuses: ["shader-f16"] });
  assertEquals(probe.lines, [
    "subgroups of 8 lanes are used, several in a workgroup",
    "rounds to even, to f16 to even",
    "f16 no, dot4I8Packed yes, time-stamps yes",
  ]);
  assertEquals(room, { name: "room", lines: ["more than 1 GiB for buffers"] });
});

Deno.test("doctor names the false alarm over a small heap, with what there is room for", async () => {
  const { room } = await findings({ memoryBytes: 256 * 2 ** 20 });
  assertMatch(room.lines[0], /^256 MiB for buffers, then the runtime reports out of memory$/);
  assertMatch(room.mend ?? "", /false alarm over a small heap .* Resizable BAR/);
});

Deno.test("doctor names the choices of tuning that differ from the tables, and where they are kept", async () => {
  const device = await inspectDevice();
  const linesOf = (tuning: typeof device.tuning, isFallback: boolean) => {
    const facts = { ...device.facts, isFallback };
    return describeDevice({ ...device, facts, tuning }).find(({ name }) => name === "tuning")
      ?.lines;
  };
  const choices = { a: { name: "slices", gain: 1 }, b: { name: "4 slices", gain: 1.251 } };
  assertEquals(linesOf({ path: "/cache/t.json", choices }, false), [
    "2 choices, 1 other than the tables' (/cache/t.json)",
    "b: 4 slices, 1.25 times as fast",
  ]);
  const [ofGpu, ofCpu] = [false, true].map((isFallback) =>
    linesOf({ path: "", choices: {} }, isFallback)?.[0] ?? ""
  );
  assertMatch(ofGpu, /^none yet: the first start of a model measures/);
  assertMatch(ofCpu, /^none: on a CPU/);
});
