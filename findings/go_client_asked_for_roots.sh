#!/usr/bin/env bash
# github.com/modelcontextprotocol/go-sdk 1.8.0, client, 2026-07-28: a server that answers a call with a question for the client's roots
# (resultType "input_required", {"method": "roots/list"}).
# One would expect the client to answer it, since "params" of roots/list may be missing and its roots are set; servers on mcp 2.3.0,
# @modelcontextprotocol/server 2.4.0 and rmcp 3.11.0 leave it out.
# Seen: the call fails with "unexpected end of JSON input"; with "params": {} it works.
#
#   without params: calling "tools/call": unexpected end of JSON input
#   with params: file:///demo
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > server.py <<'PY'
import json, sys
question = json.loads(sys.argv[1])
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answers = message.get("params", {}).get("inputResponses")
    if message["method"] == "server/discover":
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}
    elif answers:
        result = {"content": [{"type": "text", "text": answers["q"]["roots"][0]["uri"]}]}
    else:
        result = {"resultType": "input_required", "inputRequests": {"q": question}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete", **result}}), flush=True)
PY
go mod init finding >/dev/null 2>&1
go get github.com/modelcontextprotocol/go-sdk/mcp@v1.8.0 >/dev/null 2>&1
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	client := mcp.NewClient(&mcp.Implementation{Name: "finding", Version: "1"}, nil)
	client.AddRoots(&mcp.Root{URI: "file:///demo"})
	transport := &mcp.CommandTransport{Command: exec.Command("python3", "server.py", os.Args[1])}
	session, err := client.Connect(context.Background(), transport, nil)
	if err != nil {
		fmt.Println("no connection:", err)
		os.Exit(2)
	}
	got, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: "t", Arguments: map[string]any{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Content[0].(*mcp.TextContent).Text)
}
GO
go build -o finding .
without=$(./finding '{"method": "roots/list"}')
with=$(./finding '{"method": "roots/list", "params": {}}')
echo "without params: $without"
echo "with params: $with"
[ "$without" = 'calling "tools/call": unexpected end of JSON input' ] && [ "$with" = "file:///demo" ]
