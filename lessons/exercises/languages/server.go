// A server in Go that is a correct answer to the exercises that accept `--cmd`, except exercise 18.
//
//	go build server.go && ./server FILE PORT [OPTION=VALUE]...
//
// The options are chunk (bytes), preamble (bare or http), limit (connections), and stall, linger and
// grace (seconds).
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	preamble             = "bare"
	chunk                = 64 * 1024
	limit                = 1 << 20
	linger, grace, stall = 5 * time.Second, 5 * time.Second, time.Duration(0)
	// Only the goroutine that holds this lock reads from the file.
	disk sync.Mutex
)

func main() {
	for _, word := range os.Args[3:] {
		name, value, _ := strings.Cut(word, "=")
		number, _ := strconv.Atoi(value)
		seconds := time.Duration(number) * time.Second
		switch name {
		case "chunk":
			chunk = number
		case "preamble":
			preamble = value
		case "limit":
			limit = number
		case "stall":
			stall = seconds
		case "linger":
			linger = seconds
		case "grace":
			grace = seconds
		}
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var connections sync.WaitGroup
	go acceptClients(listener.(*net.TCPListener), &connections)

	<-signals
	listener.Close()
	ended := make(chan struct{})
	go func() {
		connections.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(grace):
	case <-signals:
		os.Exit(130)
	}
}

func acceptClients(listener *net.TCPListener, connections *sync.WaitGroup) {
	permits := make(chan struct{}, limit)
	for {
		permits <- struct{}{}
		conn, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Print(err)
			<-permits
			// If no file descriptor is left, Accept fails immediately, so wait a moment.
			time.Sleep(100 * time.Millisecond)
			continue
		}
		connections.Add(1)
		go func() {
			defer connections.Done()
			defer func() { <-permits }()
			if err := serve(conn); err != nil {
				log.Print(err)
			}
		}()
	}
}

func serve(conn *net.TCPConn) error {
	defer conn.Close()
	drained := make(chan struct{})
	go func() {
		io.Copy(io.Discard, conn)
		close(drained)
	}()
	if err := sendReply(conn); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// Close then resets the connection.
			conn.SetLinger(0)
		}
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	select {
	case <-drained:
	case <-time.After(linger):
	}
	return nil
}

func sendReply(conn *net.TCPConn) error {
	file, info, err := openFile()
	if err != nil {
		log.Print(err)
		return write(conn, header("404 Not Found", 0))
	}
	defer file.Close()
	if err := write(conn, header("200 OK", info.Size())); err != nil {
		return err
	}
	buffer := make([]byte, chunk)
	// A FIFO has no length.
	for remaining := info.Size(); remaining > 0 || !info.Mode().IsRegular(); {
		if info.Mode().IsRegular() && remaining < int64(len(buffer)) {
			buffer = buffer[:remaining]
		}
		disk.Lock()
		n, err := file.Read(buffer)
		disk.Unlock()
		if err != nil {
			return err
		}
		if err := write(conn, buffer[:n]); err != nil {
			return err
		}
		remaining -= int64(n)
	}
	return nil
}

func openFile() (*os.File, os.FileInfo, error) {
	file, err := os.Open(os.Args[1])
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("`%s` is a directory", os.Args[1])
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// write sends all bytes. With a stall timeout, the send buffer and the writes are small, so that
// each write ends soon after the client has acknowledged data.
func write(conn *net.TCPConn, data []byte) error {
	if stall == 0 {
		_, err := conn.Write(data)
		return err
	}
	conn.SetWriteBuffer(8 * 1024)
	for len(data) > 0 {
		piece := data
		if len(piece) > 4096 {
			piece = piece[:4096]
		}
		conn.SetWriteDeadline(time.Now().Add(stall))
		n, err := conn.Write(piece)
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func header(status string, length int64) []byte {
	if preamble == "bare" {
		return []byte("HTTP/1.1\n\n")
	}
	return []byte(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n", status, length))
}
