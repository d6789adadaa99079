// A client on the protocol's TypeScript SDK that stays: for each line of its input it makes a call and prints its text; at the end, what it heard.
// node returning.mjs SDK_FOLDER URL
import { createInterface } from "node:readline";
const [sdk, url] = process.argv.slice(2);
const { Client } = await import(`${sdk}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);
const { ToolListChangedNotificationSchema } = await import(`${sdk}/types.js`);

const transport = new StreamableHTTPClientTransport(new URL(url));
const client = new Client({ name: "typescript", version: "1" }, { capabilities: {} });
const sessions = new Set();
let changes = 0;
client.setNotificationHandler(ToolListChangedNotificationSchema, () => { changes += 1; });
await client.connect(transport);
for await (const line of createInterface({ input: process.stdin })) {
  const result = await client.callTool({ name: "one_echo", arguments: { text: line } });
  sessions.add(transport.sessionId);
  console.log(JSON.stringify(result.content[0].text));
}
console.log(JSON.stringify({ sessions: sessions.size, changes }));
await transport.terminateSession();
await client.close();
