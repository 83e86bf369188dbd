package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// tally is what came of the requests, as it is printed at the end.
type tally struct {
	Requests int `json:"requests"`
	// Failed counts what did not end with a complete 200.
	Failed int `json:"failed"`
	// Failures tells the first of them: when, and what happened.
	Failures []string `json:"failures"`
	// Pods counts the answers of each echo server.
	Pods map[string]int `json:"pods"`
	// Longest is the longest time without a complete answer to any request, in ms.
	Longest float64 `json:"longest_gap_ms"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// client is constant load: workers that ask one URL, each at its own pace, until the client is told to stop.
type client struct {
	url, host string
	method    string
	pause     time.Duration
	http      *http.Client

	lock sync.Mutex
	// left counts the requests that may still be made.
	left   int
	tally  tally
	times  []float64
	start  time.Time
	latest time.Time
	first  sync.WaitGroup
}

const toldFailures = 20

// load asks until standard input closes, a signal arrives, or -for or -requests is reached. It prints "started" when every worker has had an
// answer, and at the end one line of JSON: a tally.
func load(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	workers := flags.Int("workers", 8, "how many ask at the same time")
	rate := flags.Float64("rate", 200, "requests a second of all workers together, at most")
	duration := flags.Duration("for", 0, "how long, 0 until standard input closes")
	requests := flags.Int("requests", math.MaxInt, "how many, at most")
	host := flags.String("host", "", "Host and TLS server name, when they are not the URL's")
	method := flags.String("method", http.MethodGet, "request method")
	reconnect := flags.Bool("new-connections", false, "a new connection for each request")
	timeout := flags.Duration("timeout", 10*time.Second, "a request without a complete answer after this time has failed")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("load: one URL is needed")
	}
	ask := &client{
		url:    flags.Arg(0),
		host:   *host,
		method: *method,
		pause:  time.Duration(float64(*workers) / *rate * float64(time.Second)),
		http:   &http.Client{Transport: transport(*host, *workers, *reconnect), Timeout: *timeout, CheckRedirect: noRedirect},
		left:   *requests,
		start:  time.Now(),
		latest: time.Now(),
		tally:  tally{Failures: []string{}, Pods: map[string]int{}},
	}
	ask.run(*workers, stopped(*duration))
	return json.NewEncoder(os.Stdout).Encode(ask.total())
}

func transport(host string, connections int, reconnect bool) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		DisableKeepAlives:   reconnect,
		MaxIdleConnsPerHost: connections,
		// The certificates of the tests are their own.
		TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true},
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// stopped ends when the load has to.
func stopped(duration time.Duration) context.Context {
	stop, cancel := context.WithCancel(context.Background())
	if duration > 0 {
		time.AfterFunc(duration, cancel)
	} else {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	go func() {
		<-terminated()
		cancel()
	}()
	return stop
}

// run asks with all workers until the context ends; what is in flight then is still finished.
func (c *client) run(workers int, stop context.Context) {
	var done sync.WaitGroup
	c.first.Add(workers)
	for number := range workers {
		done.Go(func() { c.work(stop, time.Duration(number)*c.pause/time.Duration(workers)) })
	}
	go func() {
		c.first.Wait()
		fmt.Println("started")
	}()
	done.Wait()
}

// work keeps to its own times: a slow answer is followed at once by what it delayed.
func (c *client) work(stop context.Context, offset time.Duration) {
	started := false
	for next := c.start.Add(offset); ; next = next.Add(c.pause) {
		select {
		case <-stop.Done():
			if !started {
				c.first.Done()
			}
			return
		case <-time.After(time.Until(next)):
		}
		more := c.ask()
		if !started {
			started = true
			c.first.Done()
		}
		if !more {
			return
		}
	}
}

// ask makes one request, unless there have been enough.
func (c *client) ask() bool {
	if !c.take() {
		return false
	}
	begin := time.Now()
	pod, err := c.answer()
	end := time.Now()
	c.lock.Lock()
	defer c.lock.Unlock()
	c.tally.Requests++
	c.times = append(c.times, milliseconds(end.Sub(begin)))
	if err != nil {
		c.tally.Failed++
		if len(c.tally.Failures) < toldFailures {
			c.tally.Failures = append(c.tally.Failures, fmt.Sprintf("%s: after %v: %v", begin.Format("15:04:05.000"), end.Sub(begin), err))
		}
		return true
	}
	c.tally.Pods[pod]++
	c.tally.Longest = max(c.tally.Longest, milliseconds(end.Sub(c.latest)))
	c.latest = end
	return true
}

func (c *client) take() bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.left--
	return c.left >= 0
}

// answer is the pod that gave a complete 200.
func (c *client) answer() (string, error) {
	request, err := http.NewRequest(c.method, c.url, nil)
	if err != nil {
		return "", err
	}
	if c.host != "" {
		request.Host = c.host
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s", response.Status)
	}
	var seen seen
	_ = json.Unmarshal(body, &seen)
	return seen.Pod, nil
}

func (c *client) total() tally {
	c.lock.Lock()
	defer c.lock.Unlock()
	slices.Sort(c.times)
	if count := len(c.times); count > 0 {
		c.tally.P50, c.tally.P99, c.tally.Max = c.times[count/2], c.times[count*99/100], c.times[count-1]
	}
	return c.tally
}

func milliseconds(duration time.Duration) float64 { return float64(duration.Microseconds()) / 1000 }
