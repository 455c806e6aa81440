// Goroutines, HTTP over loopback, timers, child processes, signals, a mapped file.  Prints results only.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	var n int64
	var all sync.WaitGroup
	for i := 0; i < 1000; i++ {
		all.Add(1)
		go func() { defer all.Done(); atomic.AddInt64(&n, 1); runtime.Gosched() }()
	}
	all.Wait()
	fmt.Println("goroutines", n)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Path) }))
	r, err := http.Get("http://" + l.Addr().String() + "/x")
	if err != nil {
		panic(err)
	}
	text, _ := io.ReadAll(r.Body)
	fmt.Println("http", string(text))
	select {
	case <-time.After(10 * time.Millisecond):
		fmt.Println("timer")
	}
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-got)
	out, err := exec.Command("/bin/echo", "out").Output()
	fmt.Print("child ", string(out))
	m, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	fmt.Println("mapped", len(m), err)
	var kept [][]byte
	for i := 0; i < 20000; i++ {
		kept = append(kept, make([]byte, 4096))
		if len(kept) > 1000 {
			kept = nil
		}
	}
	runtime.GC()
	names, err := net.Interfaces()
	fmt.Println("interfaces", len(names) > 0, err)
}
