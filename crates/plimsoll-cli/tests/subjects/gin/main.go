// A service on Gin with the endpoints of the contract, as users of Gin assemble it: Gin's client address,
// the path as a label, the default buckets of client_golang, and records with time and level of log/slog.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var (
	labels   = []string{"service", "method", "path", "status"}
	requests = promauto.NewCounterVec(
		prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests"}, labels)
	durations = promauto.NewHistogramVec(
		prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Duration of requests"}, labels)
	buildInfo = promauto.NewGaugeVec(
		prometheus.GaugeOpts{Name: "build_info", Help: "This build"},
		[]string{"service", "version", "build_time"})
)

// settings are read from the environment. A wrong value ends the start.
type settings struct {
	service, version, buildTime string
	address                     string
	read, idle, shutdown        time.Duration
}

func readSettings() settings {
	port, err := strconv.Atoi(variable("PORT", "8080"))
	if err != nil || port < 1 || port > 65535 {
		fail("PORT is no port from 1 to 65535")
	}
	if _, err := strconv.ParseBool(variable("DEBUG", "false")); err != nil {
		fail("DEBUG is no boolean")
	}
	return settings{
		service:   variable("SERVICE_NAME", "golang-gin-app"),
		version:   variable("VERSION", "0.0.0-dev"),
		buildTime: variable("BUILD_TIME", "unknown"),
		address:   net.JoinHostPort(variable("HOST", "0.0.0.0"), strconv.Itoa(port)),
		read:      duration("READ_TIMEOUT", "5s"),
		idle:      duration("IDLE_TIMEOUT", "120s"),
		shutdown:  duration("SHUTDOWN_TIMEOUT", "5s"),
	}
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func duration(name, otherwise string) time.Duration {
	value, err := time.ParseDuration(variable(name, otherwise))
	if err != nil || value <= 0 {
		fail(name + " is no duration above 0")
	}
	return value
}

func fail(fault string) {
	fmt.Fprintln(os.Stderr, fault)
	os.Exit(1)
}

func record(level, name, message string, fields map[string]any) {
	fields["time"] = time.Now().UTC().Format(time.RFC3339Nano)
	fields["level"] = level
	fields["name"] = name
	fields["message"] = message
	line, err := json.Marshal(fields)
	if err == nil {
		fmt.Println(string(line))
	}
}

// observe gives each request an id, a count and an access record.
func observe(s settings) gin.HandlerFunc {
	infra := map[string]bool{"/health": true, "/ready": true, "/metrics": true}
	return func(c *gin.Context) {
		id := c.GetHeader("X-Request-ID")
		if id == "" {
			var bytes [16]byte
			if _, err := rand.Read(bytes[:]); err == nil {
				id = hex.EncodeToString(bytes[:])
			}
		}
		c.Header("X-Request-ID", id)
		began := time.Now()
		c.Next()
		elapsed := time.Since(began)
		status := c.Writer.Status()
		path := c.Request.URL.Path
		values := []string{s.service, c.Request.Method, path, strconv.Itoa(status)}
		requests.WithLabelValues(values...).Inc()
		durations.WithLabelValues(values...).Observe(elapsed.Seconds())
		if infra[path] {
			return
		}
		level := "INFO"
		if status >= 500 {
			level = "ERROR"
		} else if status >= 400 {
			level = "WARN"
		}
		record(level, "http", "http_request", map[string]any{
			"service": s.service, "version": s.version, "buildTime": s.buildTime,
			"request_id": id, "status": status, "method": c.Request.Method, "path": path, "rawPath": path,
			"query": c.Request.URL.RawQuery, "ip": c.ClientIP(),
			"latencyMs": float64(elapsed.Microseconds()) / 1000, "userAgent": c.Request.UserAgent(),
		})
	}
}

func router(s settings, ending *atomic.Bool) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(observe(s), gin.Recovery())
	r.GET("/", func(c *gin.Context) {
		c.String(http.StatusOK, "%s is running (Go + Gin)\n", s.service)
	})
	r.GET("/info", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"service": s.service, "version": s.version, "buildTime": s.buildTime})
	})
	r.GET("/health", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	r.GET("/ready", func(c *gin.Context) {
		if ending.Load() {
			c.String(http.StatusServiceUnavailable, "not ready")
			return
		}
		c.String(http.StatusOK, "ready")
	})
	r.GET("/metrics", gin.WrapH(promhttp.Handler()))
	return r
}

func main() {
	s := readSettings()
	buildInfo.WithLabelValues(s.service, s.version, s.buildTime).Set(1)
	var ending atomic.Bool
	server := http.Server{Handler: router(s, &ending), ReadHeaderTimeout: s.read, IdleTimeout: s.idle}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		fail(err.Error())
	}
	record("INFO", "infra", "infra_app_ready", map[string]any{"service": s.service})

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	ended := make(chan error)
	go func() {
		<-signals
		ending.Store(true)
		limit, cancel := context.WithTimeout(context.Background(), s.shutdown)
		defer cancel()
		ended <- server.Shutdown(limit)
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		fail(err.Error())
	}
	if err := <-ended; err != nil {
		fail(err.Error())
	}
}
