package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const patience = 6 * time.Second

type ask struct {
	Tool      string
	Arguments map[string]any
	URI       string
	Prompt    string
	Argument  string
	Value     string
	Then      string
}

type target struct {
	Stdio *struct {
		Command string
		Args    []string
		Env     map[string]string
	}
	URL  string
	Asks map[string]ask
}

// What came by itself, since the feature began that is being looked at.
type seen struct {
	sync.Mutex
	notes map[string][]any
}

func (s *seen) add(kind string, note any) {
	s.Lock()
	defer s.Unlock()
	s.notes[kind] = append(s.notes[kind], note)
}

func (s *seen) take(kind string) []any {
	s.Lock()
	defer s.Unlock()
	return s.notes[kind]
}

func (s *seen) wait(ctx context.Context, kind string) any {
	ctx, stop := context.WithTimeout(ctx, patience/2)
	defer stop()
	for ctx.Err() == nil {
		if found := s.take(kind); len(found) > 0 {
			return found[0]
		}
		time.Sleep(20 * time.Millisecond)
	}
	return failed("nothing came")
}

func failed(why string) any { return map[string]any{"error": strings.Join(strings.Fields(why), " ")} }

func runClient() {
	var targets []target
	if err := json.NewDecoder(os.Stdin).Decode(&targets); err != nil {
		log.Fatal(err)
	}
	found := make([]map[string]any, 0, len(targets))
	for _, one := range targets {
		found = append(found, look(one))
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func look(where target) map[string]any {
	found := map[string]any{}
	came := &seen{notes: map[string][]any{}}
	session, err := connect(where, came)
	if err != nil {
		for feature := range where.Asks {
			found[feature] = failed(err.Error())
		}
		return found
	}
	defer session.Close()
	order := strings.Fields("tools resources prompts completion apps progress log sampling elicitation url roots cancel subscribe list_changed")
	for _, feature := range order {
		if asked, ok := where.Asks[feature]; ok {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			came.Lock()
			came.notes = map[string][]any{}
			came.Unlock()
			got, err := observe(ctx, session, came, feature, asked)
			if err != nil {
				got = failed(err.Error())
			}
			found[feature] = got
			cancel()
		}
	}
	return found
}

func connect(where target, came *seen) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "go", Version: "1"}, &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "demo", Content: &mcp.TextContent{Text: "hi there"}}, nil
		},
		ElicitationHandler: func(_ context.Context, request *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			if request.Params.Mode == "url" {
				return &mcp.ElicitResult{Action: "accept"}, nil
			}
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
		Capabilities: &mcp.ClientCapabilities{
			RootsV2:     &mcp.RootCapabilities{ListChanged: true},
			Elicitation: &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{}},
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { came.add("changed", "tools") },
		ResourceUpdatedHandler: func(_ context.Context, note *mcp.ResourceUpdatedNotificationRequest) {
			came.add("updated", note.Params.URI)
		},
		LoggingMessageHandler: func(_ context.Context, note *mcp.LoggingMessageRequest) { came.add("log", note.Params.Data) },
		ProgressNotificationHandler: func(_ context.Context, note *mcp.ProgressNotificationClientRequest) {
			came.add("progress", note.Params.Progress)
		},
	})
	client.AddRoots(&mcp.Root{URI: "file:///demo", Name: "demo"})
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: where.URL}
	if where.Stdio != nil {
		command := exec.Command(where.Stdio.Command, where.Stdio.Args...)
		for key, value := range where.Stdio.Env {
			command.Env = append(command.Env, key+"="+value)
		}
		transport = &mcp.CommandTransport{Command: command}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	return client.Connect(ctx, transport, nil)
}

func observe(ctx context.Context, session *mcp.ClientSession, came *seen, feature string, asked ask) (any, error) {
	switch feature {
	case "tools":
		names := []any{}
		for tool, err := range session.Tools(ctx, nil) {
			if err != nil {
				return nil, err
			}
			names = append(names, tool.Name)
		}
		said, err := call(ctx, session, asked, nil)
		return map[string]any{"names": names, "said": said}, err
	case "resources":
		return resources(ctx, session, asked)
	case "prompts":
		return prompts(ctx, session, asked)
	case "completion":
		ref := &mcp.CompleteReference{Type: "ref/prompt", Name: asked.Prompt}
		argument := mcp.CompleteParamsArgument{Name: asked.Argument, Value: asked.Value}
		got, err := session.Complete(ctx, &mcp.CompleteParams{Ref: ref, Argument: argument})
		if err != nil {
			return nil, err
		}
		return got.Completion.Values, nil
	case "apps":
		return apps(ctx, session, asked)
	case "progress":
		said, err := call(ctx, session, asked, mcp.Meta{"progressToken": "token-1"})
		time.Sleep(100 * time.Millisecond)
		return map[string]any{"said": said, "notes": came.take("progress")}, err
	case "log":
		// one of the two is heard: a level for the session, or one with the request
		_ = session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: "info"})
		if _, err := call(ctx, session, asked, mcp.Meta{"io.modelcontextprotocol/logLevel": "info"}); err != nil {
			return nil, err
		}
		return came.wait(ctx, "log"), nil
	case "cancel":
		before, err := call(ctx, session, ask{Tool: asked.Then}, nil)
		if err != nil {
			return nil, err
		}
		short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
		_, _ = call(short, session, asked, nil)
		time.Sleep(300 * time.Millisecond)
		after, err := call(ctx, session, ask{Tool: asked.Then}, nil)
		if before == after {
			return failed("it was not told to the tool"), err
		}
		return "told", err
	case "subscribe":
		if err := session.Subscribe(ctx, &mcp.SubscribeParams{URI: asked.URI}); err != nil {
			return nil, err
		}
		if _, err := call(ctx, session, asked, nil); err != nil {
			return nil, err
		}
		return came.wait(ctx, "updated"), nil
	case "list_changed":
		if _, err := call(ctx, session, asked, nil); err != nil {
			return nil, err
		}
		return came.wait(ctx, "changed"), nil
	}
	return call(ctx, session, asked, nil)
}

func call(ctx context.Context, session *mcp.ClientSession, asked ask, meta mcp.Meta) (any, error) {
	params := &mcp.CallToolParams{Meta: meta, Name: asked.Tool, Arguments: map[string]any{}}
	if asked.Arguments != nil {
		params.Arguments = asked.Arguments
	}
	got, err := session.CallTool(ctx, params)
	if err != nil {
		return nil, err
	}
	said := []string{}
	for _, part := range got.Content {
		if words, ok := part.(*mcp.TextContent); ok {
			said = append(said, words.Text)
		}
	}
	if got.IsError {
		return failed(strings.Join(said, " ")), nil
	}
	return strings.Join(said, " "), nil
}

func resources(ctx context.Context, session *mcp.ClientSession, asked ask) (any, error) {
	found := []any{}
	for one, err := range session.Resources(ctx, nil) {
		if err != nil {
			return nil, err
		}
		found = append(found, one.URI)
	}
	for one, err := range session.ResourceTemplates(ctx, nil) {
		if err != nil {
			return nil, err
		}
		found = append(found, one.URITemplate)
	}
	got, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: asked.URI})
	if err != nil {
		return nil, err
	}
	return map[string]any{"names": found, "said": got.Contents[0].Text}, nil
}

func prompts(ctx context.Context, session *mcp.ClientSession, asked ask) (any, error) {
	found := []any{}
	for one, err := range session.Prompts(ctx, nil) {
		if err != nil {
			return nil, err
		}
		found = append(found, one.Name)
	}
	arguments := map[string]string{}
	for key, value := range asked.Arguments {
		arguments[key], _ = value.(string)
	}
	got, err := session.GetPrompt(ctx, &mcp.GetPromptParams{Name: asked.Prompt, Arguments: arguments})
	if err != nil {
		return nil, err
	}
	return map[string]any{"names": found, "said": got.Messages[0].Content.(*mcp.TextContent).Text}, nil
}

func apps(ctx context.Context, session *mcp.ClientSession, asked ask) (any, error) {
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		if ui, ok := tool.Meta["ui"].(map[string]any); ok && tool.Name == asked.Tool {
			uri, _ := ui["resourceUri"].(string)
			got, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: uri})
			if err != nil {
				return nil, err
			}
			return map[string]any{"uri": uri, "said": got.Contents[0].Text}, nil
		}
	}
	return failed("no tool with a view"), nil
}
