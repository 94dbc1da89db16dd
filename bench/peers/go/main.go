// Driver of the Go peers: redsync, rueidislock and bsm/redislock. Protocol: bench/driver.py.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// CLOCK_MONOTONIC, from one reading of it and Go's own clock from there on.
var (
	baseTime = time.Now()
	base     = readMonotonic()
)

func readMonotonic() int64 {
	var spec syscall.Timespec
	const clockMonotonic = 1
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&spec)), 0)
	return spec.Nano()
}

func now() int64 { return base + int64(time.Since(baseTime)) }

// Acquires a name and returns what releases it.
type acquirer func(name string) (release func() error, err error)

type run struct {
	acquire acquirer
	closes  func()
	own     bool
	name    string
	workers int
	count   int
	hold    time.Duration
	file    string
	samples [][]int64
	errors  atomic.Int64
}

func newRun(url string, words []string) *run {
	number := func(i int) int { n, _ := strconv.Atoi(words[i]); return n }
	r := &run{own: words[1] == "own", name: words[2], workers: number(3), count: number(4),
		hold: time.Duration(number(5)) * time.Millisecond, file: words[7]}
	r.acquire, r.closes = subject(words[0], url, time.Duration(number(6))*time.Millisecond)
	r.samples = make([][]int64, r.workers)
	for worker := range r.samples {
		release, err := r.acquire(fmt.Sprintf("warm:%d:%d", os.Getpid(), worker))
		if err == nil {
			err = release()
		}
		if err != nil {
			r.failed(err)
		}
	}
	return r
}

func (r *run) failed(err error) {
	r.errors.Add(1)
	fmt.Fprintln(os.Stderr, err)
}

func (r *run) work(worker int, begin, end int64) {
	name := r.name
	if r.own {
		name = fmt.Sprintf("%s:%d:%d", name, os.Getpid(), worker)
	}
	time.Sleep(time.Duration(begin - now()))
	for done := 0; (r.count == 0 || done < r.count) && now() < end; done++ {
		asked := now()
		release, err := r.acquire(name)
		if err != nil {
			r.failed(err)
			continue
		}
		acquired := now()
		if r.hold > 0 {
			time.Sleep(r.hold)
		}
		releasing := now()
		if err := release(); err != nil {
			r.failed(err)
		}
		r.samples[worker] = append(r.samples[worker], int64(worker), asked, acquired, releasing, now())
	}
}

func (r *run) goes(begin, end int64) int {
	var all sync.WaitGroup
	for worker := 0; worker < r.workers; worker++ {
		all.Add(1)
		go func() { defer all.Done(); r.work(worker, begin, end) }()
	}
	all.Wait()
	file, _ := os.Create(r.file)
	out := bufio.NewWriter(file)
	total := 0
	for _, samples := range r.samples {
		binary.Write(out, binary.LittleEndian, samples)
		total += len(samples) / 5
	}
	out.Flush()
	file.Close()
	r.closes()
	return total
}

func main() {
	url := os.Args[1]
	fmt.Println("ready")
	var r *run
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Fields(in.Text())
		switch words[0] {
		case "start":
			r = newRun(url, words[1:])
			fmt.Println("armed")
		case "go":
			begin, _ := strconv.ParseInt(words[1], 10, 64)
			end, _ := strconv.ParseInt(words[2], 10, 64)
			fmt.Println("done", r.goes(begin, end), r.errors.Load())
		}
	}
}
