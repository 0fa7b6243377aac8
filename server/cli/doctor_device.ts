/**
 * What `packkv doctor` says of a device.
 *
 * @module
 */

import type { DeviceFindings } from "../../src/runtime/inspect_device.ts";
import type { Finding } from "../setup/doctor.ts";

/** What the probe found, what tuning chose, and whether there is room. */
export function describeDevice({ facts, roomBytes, tuning }: DeviceFindings): Finding[] {
  const { subgroupLanes, hasTeams, roundsToEven, halfRounding, hasF16, hasDot4, hasTimestamps } =
    facts;
  const yesNo = (value: boolean) => value ? "yes" : "no";
  const probe = [
    subgroupLanes > 0
      ? `subgroups of ${subgroupLanes} lanes are used, ${
        hasTeams ? "" : "not "
      }several in a workgroup`
      : "no subgroups are used",
    `rounds ${roundsToEven ? "to even" : "not to even"}, to f16 ${halfRounding}`,
    `f16 ${yesNo(hasF16)}, dot4I8Packed ${yesNo(hasDot4)}, time-stamps ${yesNo(hasTimestamps)}`,
  ];
  return [
    { name: "probe", lines: probe },
    { name: "tuning", lines: describeTuning(facts.isFallback, tuning) },
    describeRoom(roomBytes),
  ];
}

function describeTuning(
  isFallback: boolean,
  { path, choices }: DeviceFindings["tuning"],
): string[] {
  const all = Object.entries(choices);
  if (all.length === 0) {
    return [
      isFallback
        ? "none: on a CPU kernels run as their tables say, unless --tune again asks"
        : "none yet: the first start of a model measures its kernels for up to 5 s",
    ];
  }
  const faster = all.filter(([, { gain }]) => gain > 1);
  return [
    `${all.length} choices, ${faster.length} other than the tables' (${path})`,
    ...faster.map(([key, { name, gain }]) => `${key}: ${name}, ${gain.toFixed(2)} times as fast`),
  ];
}

/**
 * The runtime refuses every buffer while any heap of the driver is full, also the small one through
 * which the CPU writes: a false alarm, on a GPU that has gibibytes left.
 */
function describeRoom(roomBytes: number | null): Finding {
  if (roomBytes === null) return { name: "room", lines: ["more than 1 GiB for buffers"] };
  const mib = roomBytes / 2 ** 20;
  return {
    name: "room",
    lines: [`${mib} MiB for buffers, then the runtime reports out of memory`],
    mend: "if the GPU has more, it is a false alarm over a small heap of its driver (often " +
      "256 MiB, the BAR): switch on Resizable BAR in the firmware; if not, end what uses it",
  };
}
