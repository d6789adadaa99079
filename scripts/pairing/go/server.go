package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type nothing struct{}

type words struct {
	Text string `json:"text"`
}

var cancelled, grown atomic.Int64

func text(said string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: said}}}
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "go", Version: "1"}, &mcp.ServerOptions{
		CompletionHandler:  complete,
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	addTools(server)
	addQuestions(server)
	resource := func(_ context.Context, request *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: request.Params.URI, Text: "of " + request.Params.URI}}}, nil
	}
	server.AddResource(&mcp.Resource{URI: "demo://item", Name: "item"}, resource)
	server.AddResource(&mcp.Resource{URI: "ui://demo/view", Name: "view", MIMEType: "text/html;profile=mcp-app"}, resource)
	server.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: "demo://thing/{id}", Name: "thing"}, resource)
	server.AddPrompt(&mcp.Prompt{Name: "greet", Arguments: []*mcp.PromptArgument{{Name: "name"}}},
		func(_ context.Context, request *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			said := &mcp.TextContent{Text: "Hello " + request.Params.Arguments["name"]}
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: said}}}, nil
		})
	return server
}

func complete(_ context.Context, request *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	found := []string{}
	for _, name := range []string{"Ada", "Alan", "Bob"} {
		if strings.HasPrefix(name, request.Params.Argument.Value) {
			found = append(found, name)
		}
	}
	return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: found}}, nil
}

func addTools(server *mcp.Server) {
	mcp.AddTool(server, &mcp.Tool{Name: "echo"},
		func(_ context.Context, _ *mcp.CallToolRequest, in words) (*mcp.CallToolResult, any, error) {
			return text("echo " + in.Text), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "progress"},
		func(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			for step := range 3 {
				note := &mcp.ProgressNotificationParams{ProgressToken: request.Params.GetProgressToken(), Progress: float64(step + 1), Total: 3}
				if note.ProgressToken != nil {
					if err := request.Session.NotifyProgress(ctx, note); err != nil {
						return nil, nil, err
					}
				}
				time.Sleep(20 * time.Millisecond)
			}
			return text("done"), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "log"},
		func(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			err := request.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "warning", Data: "a line", Logger: "demo"})
			return text("logged"), nil, err
		})
	mcp.AddTool(server, &mcp.Tool{Name: "slow"},
		func(ctx context.Context, _ *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			select {
			case <-ctx.Done():
				cancelled.Add(1)
			case <-time.After(8 * time.Second):
			}
			return text("slept"), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "cancelled"},
		func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
			return text(strconv.FormatInt(cancelled.Load(), 10)), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "grow"},
		func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
			mcp.AddTool(server, &mcp.Tool{Name: fmt.Sprintf("grown_%d", grown.Add(1))},
				func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
					return text("grown"), nil, nil
				})
			return text("grew"), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "touch"},
		func(ctx context.Context, _ *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			return text("touched"), nil, server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: "demo://item"})
		})
	view := &mcp.Tool{Name: "view", Meta: mcp.Meta{"ui": map[string]any{"resourceUri": "ui://demo/view"}}}
	mcp.AddTool(server, view,
		func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
			return text("shown"), nil, nil
		})
}

// A tool that needs an answer before it has one of its own: the SDK asks during the call, or answers with the question, as the client's revision has it.
func asking(server *mcp.Server, name string, question mcp.InputRequest, said func(mcp.InputResponse) string) {
	mcp.AddTool(server, &mcp.Tool{Name: name},
		func(_ context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			if answer, ok := request.Params.InputResponses["q"]; ok {
				return text(said(answer)), nil, nil
			}
			return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"q": question}}, nil, nil
		})
}

func addQuestions(server *mcp.Server) {
	said := func(answer mcp.InputResponse) string {
		switch got := answer.(type) {
		case *mcp.CreateMessageResult:
			return got.Content.(*mcp.TextContent).Text
		case *mcp.CreateMessageWithToolsResult:
			return got.Content[0].(*mcp.TextContent).Text
		case *mcp.ElicitResult:
			if name, ok := got.Content["name"]; ok {
				return fmt.Sprintf("%s %s", got.Action, name)
			}
			return got.Action
		case *mcp.ListRootsResult:
			return got.Roots[0].URI
		}
		return fmt.Sprintf("%T", answer)
	}
	hi := []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "Say hi"}}}
	asking(server, "sample", &mcp.CreateMessageParams{MaxTokens: 10, Messages: hi}, said)
	form := map[string]any{
		"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}, "required": []string{"name"},
	}
	asking(server, "elicit", &mcp.ElicitParams{Mode: "form", Message: "Who?", RequestedSchema: form}, said)
	asking(server, "elicit_url", &mcp.ElicitParams{Mode: "url", Message: "Go", URL: "https://example.com/x", ElicitationID: "e1"}, said)
	asking(server, "roots", &mcp.ListRootsParams{}, said)
}
