package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// etcd speaks to a cluster through its JSON gateway, to the first endpoint that answers.
type etcd struct {
	endpoints []string
	client    *http.Client
}

func newEtcd(endpoints []string) *etcd {
	return &etcd{endpoints: endpoints, client: &http.Client{Timeout: 3 * time.Second}}
}

// createIfAbsent is one transaction; it reports whether the key is new.
func (e *etcd) createIfAbsent(key string, value []byte) (bool, error) {
	var answer struct {
		Succeeded bool `json:"succeeded"`
	}
	err := e.call("/v3/kv/txn", map[string]any{
		"compare": []any{map[string]any{"key": encode([]byte(key)), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}},
		"success": []any{map[string]any{"request_put": map[string]any{"key": encode([]byte(key)), "value": encode(value)}}},
	}, &answer)
	return answer.Succeeded, err
}

func (e *etcd) put(key string, value []byte) error {
	return e.call("/v3/kv/put", map[string]any{"key": encode([]byte(key)), "value": encode(value)}, nil)
}

func (e *etcd) call(path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	var failures []string
	for _, endpoint := range e.endpoints {
		if err := e.ask("http://"+endpoint+path, body, answer); err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", endpoint, err))
			continue
		}
		return nil
	}
	return errors.New(strings.Join(failures, "; "))
}

func (e *etcd) ask(url string, body []byte, answer any) error {
	response, err := e.client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(content))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(content, answer)
}

func encode(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }
