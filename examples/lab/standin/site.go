package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func newSite(config config, etcd *etcd) http.Handler {
	mux := http.NewServeMux()
	// Static in the real one too: it says nothing about etcd.
	mux.HandleFunc("/kuboard-resources/version.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"version": tag,
			"notice":  "STAND-IN for Kuboard, of the lab of kuboard-ha. This is not Kuboard.",
		})
	})
	// The real one's login is a Dex: each request for a login page leaves an authrequest in etcd.
	mux.HandleFunc("/sso/auth", func(w http.ResponseWriter, r *http.Request) {
		id, err := newRequestID()
		if err == nil {
			err = etcd.put("/sso/authrequest/"+id, []byte(time.Now().UTC().Format(time.RFC3339)))
		}
		if err != nil {
			log.Printf("/sso/auth: %v", err)
			http.Error(w, "STAND-IN for Kuboard: etcd does not answer", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/sso/auth/default?req="+url.QueryEscape(id), http.StatusFound)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		host, _ := os.Hostname()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, page, tag, rows(
			"replica", host,
			"seen from", r.RemoteAddr,
			"X-Forwarded-For", r.Header.Get("X-Forwarded-For"),
			"KUBOARD_ENDPOINT", config.endpoint,
			"etcd", strings.Join(config.etcdEndpoints, ", "),
			"audit", map[bool]string{true: "disabled", false: "enabled"}[config.questURI == ""],
			"SSO secret", map[bool]string{true: "given", false: "missing: replicas would not share logins"}[config.ssoSecret],
		))
	})
	return mux
}

func newRequestID() (string, error) {
	raw := make([]byte, 16)
	_, err := rand.Read(raw)
	return hex.EncodeToString(raw), err
}

func rows(pairs ...string) string {
	var out strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&out, "<tr><th>%s</th><td>%s</td></tr>\n", html.EscapeString(pairs[i]), html.EscapeString(pairs[i+1]))
	}
	return out.String()
}

const page = `<!doctype html>
<meta charset="utf-8">
<title>STAND-IN for Kuboard</title>
<style>body { font: 16px sans-serif; margin: 3em auto; max-width: 40em } th { text-align: left; padding-right: 2em }</style>
<h1>This is a stand-in, not Kuboard</h1>
<p>It answers in place of <code>eipwork/kuboard:%s</code> in the lab of kuboard-ha. Reload to see the other replica.</p>
<table>
%s</table>
`
