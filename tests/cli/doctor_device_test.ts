/** What `packkv doctor` says of devices that do another thing than their adapters say. */

import { assertEquals, assertMatch } from "@std/assert";
import { describeDevice } from "../../server/cli/doctor_device.ts";
import { inspectDevice } from "../../src/runtime/inspect_device.ts";
import { type Lie, lyingWebgpu } from "../support/lying_webgpu.ts";

async function findings(lie: Lie) {
  return describeDevice(await inspectDevice({ webgpu: lyingWebgpu(lie) }));
}

Deno.test("doctor says what the probe found, whatever the adapter says", async () => {
  const says = { subgroupMinSize: 4, subgroupMaxSize: 64 };
  const [probe, room] = await findings({ says, refuses: ["shader-f16"] });
  assertEquals(probe.lines, [
    "subgroups of 8 lanes are used, several in a workgroup",
    "rounds to even, to f16 to even",
    "f16 no, dot4I8Packed yes, time-stamps yes",
  ]);
  assertEquals(room, { name: "room", lines: ["more than 1 GiB for buffers"] });
});

Deno.test("doctor names the false alarm over a small heap, with what there is room for", async () => {
  const [, room] = await findings({ memoryBytes: 256 * 2 ** 20 });
  assertMatch(room.lines[0], /^256 MiB for buffers, then the runtime reports out of memory$/);
  assertMatch(room.mend ?? "", /false alarm over a small heap .* Resizable BAR/);
});
