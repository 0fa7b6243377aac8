/** Asks the store of the URL in the arguments for a size; what it trusts is its process's. */

import { StoreConnection } from "../../src/tiers/store_connection.ts";

const store = await StoreConnection.open({ url: Deno.args[0], timeoutMs: 5000 });
console.log(String(await store.ask((client) => client.strLen("packkv:none"))));
store.close();
