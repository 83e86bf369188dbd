package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// seen is the answer: who answered, and the request as it arrived here.
type seen struct {
	Pod       string              `json:"pod"`
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	Method    string              `json:"method"`
	Host      string              `json:"host"`
	Path      string              `json:"path"`
	Protocol  string              `json:"protocol"`
	Remote    string              `json:"remote"`
	Headers   map[string][]string `json:"headers"`
}

// serve answers every request with what it saw. Its environment decides how it behaves:
//
//	ECHO_LISTEN       the address, ":8080"; with port 0 a free one, as the first line of its output tells
//	ECHO_NAME         a name in the answers, so that a test can tell Services apart
//	ECHO_READY_AFTER  /healthz answers 503 until this time has passed ("2s")
//	ECHO_ON_SIGTERM   "drain": finish what is in flight, then end (as most servers do; the default);
//	                  "exit": end at once (as programs without a handler do);
//	                  a duration ("5s"): serve on for that time, then drain
//
// A UDP datagram to the same port is answered with the pod's name, a space, and the address it came from.
//
// Two flags are those of the echo server that the examples name: -listen ADDRESS, and -text TEXT to answer with.
//
// The query of a request decides, too: ?status=503 is the status of the answer, ?delay=2s the time until it.
func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", fallback(os.Getenv("ECHO_LISTEN"), ":8080"), "address")
	text := flags.String("text", "", "answer with this instead of what was seen")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ready, err := readyAt(os.Getenv("ECHO_READY_AFTER"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(ready) {
			http.Error(answer, "not ready yet", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) { echo(answer, request, *text) })
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	datagrams, err := net.ListenPacket("udp", listener.Addr().String())
	if err != nil {
		return err
	}
	go answerDatagrams(datagrams)
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-terminated():
	}
	return end(server, fallback(os.Getenv("ECHO_ON_SIGTERM"), "drain"))
}

func readyAt(after string) (time.Time, error) {
	if after == "" {
		return time.Now(), nil
	}
	delay, err := time.ParseDuration(after)
	if err != nil {
		return time.Time{}, fmt.Errorf("ECHO_READY_AFTER: %w", err)
	}
	return time.Now().Add(delay), nil
}

// end does on a signal what ECHO_ON_SIGTERM says.
func end(server *http.Server, how string) error {
	switch how {
	case "exit":
		return errors.New("terminated")
	case "drain":
	default:
		delay, err := time.ParseDuration(how)
		if err != nil {
			return fmt.Errorf("ECHO_ON_SIGTERM is drain, exit or a duration: %w", err)
		}
		time.Sleep(delay)
	}
	return server.Shutdown(context.Background())
}

func echo(answer http.ResponseWriter, request *http.Request, text string) {
	query := request.URL.Query()
	if delay, err := time.ParseDuration(query.Get("delay")); err == nil {
		select {
		case <-time.After(delay):
		case <-request.Context().Done():
		}
	}
	status, err := strconv.Atoi(query.Get("status"))
	if err != nil || status < 200 || status > 999 {
		status = http.StatusOK
	}
	_, _ = io.Copy(io.Discard, request.Body)
	if text != "" {
		answer.WriteHeader(status)
		fmt.Fprintln(answer, text)
		return
	}
	host, _ := os.Hostname()
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	_ = json.NewEncoder(answer).Encode(seen{
		Pod:       fallback(os.Getenv("POD_NAME"), host),
		Namespace: os.Getenv("POD_NAMESPACE"),
		Name:      os.Getenv("ECHO_NAME"),
		Method:    request.Method,
		Host:      request.Host,
		Path:      request.URL.RequestURI(),
		Protocol:  request.Proto,
		Remote:    request.RemoteAddr,
		Headers:   lower(request.Header),
	})
}

// answerDatagrams ends with the process.
func answerDatagrams(socket net.PacketConn) {
	host, _ := os.Hostname()
	name := fallback(os.Getenv("POD_NAME"), host)
	buffer := make([]byte, 2048)
	for {
		_, from, err := socket.ReadFrom(buffer)
		if err != nil {
			continue
		}
		_, _ = socket.WriteTo([]byte(name+" "+from.String()), from)
	}
}

func lower(header http.Header) map[string][]string {
	fields := make(map[string][]string, len(header))
	for name, values := range header {
		fields[strings.ToLower(name)] = values
	}
	return fields
}

func fallback(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
