// The lab's download mirror: serves a directory over HTTP, with Range, and logs each request.
//
//	mirror LISTEN DIR
package main

import (
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: mirror LISTEN DIR")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	files := http.FileServer(http.Dir(os.Args[2]))
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s %s %s", r.RemoteAddr, r.Method, r.URL.Path, r.Header.Get("Range"))
		files.ServeHTTP(w, r)
	})))
}
