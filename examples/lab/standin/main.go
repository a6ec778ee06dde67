// kuboard-standin is a STAND-IN for Kuboard. It is not Kuboard and shares no code with it.
//
// Kuboard's image is closed and cannot be had everywhere; the lab of kuboard-ha rehearses a cluster's life without it. The
// stand-in keeps the outer contract of Kuboard v3: it reads the same environment, needs the same etcd and QuestDB before
// it serves, writes its first keys once, and answers on the same ports. See README.md beside this file.
package main

import (
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tag is the version of the image that this one stands in for; set by the build.
var tag = "unknown"

const (
	adminKey        = "/kind/KuboardAuthUser/cluster/GLOBAL/admin"
	defaultPassword = "Kuboard123"
	// Every installation of the real one has this key unless the file was there before: its entrypoint hashes a path.
	publishedAgentKey = "32b7d6572c6255211b4eec9009e4a816"
	agentKeyFile      = "/data/kuboard_agent_key"
	retryAfter        = time.Second
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	log.SetPrefix("STAND-IN for Kuboard: ")
	log.Printf("this is not Kuboard; it keeps the contract of %s for the lab of kuboard-ha", tag)

	// PID 1 has no default action for signals.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		log.Printf("%v: bye", <-stop)
		os.Exit(0)
	}()

	config, err := readConfig(os.Getenv)
	if err != nil {
		log.Printf("%v", err)
		os.Exit(1)
	}
	untilDone("agent key", func() error { return ensureAgentKey(agentKeyFile) })
	etcd := newEtcd(config.etcdEndpoints)
	untilDone("etcd", func() error { return createAdmin(etcd, config.adminPassword) })
	if config.questURI == "" {
		log.Print("audit is disabled: QuestDB is not used")
	} else {
		untilDone("QuestDB", func() error { return writeAuditRow(config.questURI) })
	}

	go serveAgents(config.agentPort)
	server := &http.Server{Addr: ":80", Handler: newSite(config, etcd), ReadHeaderTimeout: 30 * time.Second}
	log.Print("ready: serving on port 80")
	log.Fatal(server.ListenAndServe())
}

type config struct {
	endpoint      string
	etcdEndpoints []string
	questURI      string // empty: audit is disabled
	adminPassword string
	agentPort     string
	ssoSecret     bool
}

func readConfig(getenv func(string) string) (config, error) {
	or := func(name, fallback string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return fallback
	}
	c := config{
		endpoint:      getenv("KUBOARD_ENDPOINT"),
		questURI:      getenv("KUBOARD_QUEST_DB_URI"),
		adminPassword: or("KUBOARD_ADMIN_DERAULT_PASSWORD", defaultPassword), // sic: the real one's spelling
		agentPort:     or("KUBOARD_AGENT_SERVER_TCP_PORT", "10081"),
		ssoSecret:     getenv("KUBOARD_SSO_CLIENT_SECRET") != "",
	}
	if login := or("KUBOARD_LOGIN_TYPE", "default"); login != "default" && getenv("KUBOARD_ROOT_USER") == "" {
		return c, fmt.Errorf("KUBOARD_LOGIN_TYPE=%s needs KUBOARD_ROOT_USER", login)
	}
	for _, endpoint := range strings.Split(or("KUBOARD_ETCD_ENDPOINTS", "127.0.0.1:2379"), ",") {
		if endpoint = strings.TrimSpace(endpoint); endpoint != "" {
			c.etcdEndpoints = append(c.etcdEndpoints, endpoint)
		}
	}
	if getenv("KUBOARD_DISABLE_AUDIT") == "true" {
		c.questURI = ""
	} else if c.questURI == "" {
		return c, errors.New("KUBOARD_QUEST_DB_URI is not set, and the stand-in has no QuestDB of its own (KUBOARD_DISABLE_AUDIT=true does without)")
	}
	return c, nil
}

// untilDone repeats a start-up task. Like the real one it never gives up: the container stays up and the log says why it does not serve.
func untilDone(what string, task func() error) {
	last := ""
	for {
		err := task()
		if err == nil {
			log.Printf("%s: ready", what)
			return
		}
		if message := err.Error(); message != last {
			log.Printf("%s: %s; trying again every %s", what, message, retryAfter)
			last = message
		}
		time.Sleep(retryAfter)
	}
}

func ensureAgentKey(path string) error {
	if content, err := os.ReadFile(path); err == nil && len(strings.TrimSpace(string(content))) > 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	log.Printf("%s is missing: writing the key that every installation shares", path)
	return os.WriteFile(path, []byte(publishedAgentKey+"\n"), 0o600)
}

func createAdmin(etcd *etcd, password string) error {
	value, err := json.Marshal(map[string]any{
		"kind":     "KuboardAuthUser",
		"metadata": map[string]string{"cluster": "GLOBAL", "name": "admin"},
		"spec":     map[string]string{"password": fmt.Sprintf("%x", md5.Sum([]byte(password)))},
	})
	if err != nil {
		return err
	}
	created, err := etcd.createIfAbsent(adminKey, value)
	if err == nil && created {
		log.Printf("etcd: created %s", adminKey)
	}
	return err
}

// serveAgents accepts and closes, as the agent server does to whoever does not speak its protocol.
func serveAgents(port string) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		log.Fatalf("agent port: %v", err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Printf("agent port: %v", err)
			time.Sleep(retryAfter)
			continue
		}
		go hangUp(connection)
	}
}

// hangUp ends a connection without a reply, and without a reset: what the other side sent is read first.
func hangUp(connection net.Conn) {
	defer connection.Close()
	if half, ok := connection.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
	_ = connection.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.Copy(io.Discard, io.LimitReader(connection, 1<<16))
}
