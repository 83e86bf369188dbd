// Command echo is what the tests run in pods, and the client that asks them: echo serve [FLAG...] | load [FLAG...] URL | pause.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	var err error
	switch mode {
	case "serve":
		err = serve(os.Args[2:])
	case "load":
		err = load(os.Args[2:])
	case "pause":
		<-terminated()
	default:
		err = fmt.Errorf("usage: %s serve [FLAG...] | load [FLAG...] URL | pause", os.Args[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// terminated delivers the signals that ask a process to end.
func terminated() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	return signals
}
