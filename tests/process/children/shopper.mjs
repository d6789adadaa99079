// The client of the manual's page on faults, on the protocol's TypeScript SDK: it makes the same calls and prints the same lines.
// node shopper.mjs SDK_FOLDER URL
const [sdk, url] = process.argv.slice(2);
const { Client } = await import(`${sdk}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);

const client = new Client({ name: "typescript", version: "1" }, { capabilities: {} });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
for (const key of "abcdefgh") {
  await client.callTool({ name: "shop_order", arguments: { key, item: "tea" } }).then(
    (result) => console.log(key, result.content[0].text),
    (error) => console.log(key, error.message.replace(/^MCP error -?\d+: /, "")),
  );
}
await client.close();
