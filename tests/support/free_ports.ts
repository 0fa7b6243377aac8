/** Ports that nobody listens on now. */

/**
 * Different free ports of this machine.
 *
 * @param taken Ports that are none of them.
 */
export function freePorts(count: number, taken: readonly number[] = []): number[] {
  const found: number[] = [];
  while (found.length < count) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    if (!taken.includes(port) && !found.includes(port)) found.push(port);
  }
  return found;
}
