// Go's net/http with one route and nothing else.
package main

import (
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	banner := []byte("rust-axum-app is running (Rust + Axum)\n")
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "text/plain; charset=utf-8")
		// A connection that has just been reset: the load generator counts failures.
		_, _ = response.Write(banner)
	})
	addr := net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))
	log.Fatal(http.ListenAndServe(addr, nil))
}
