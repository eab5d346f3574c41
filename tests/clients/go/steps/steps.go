// Package steps is what the Go clients share: the environment of the runner and the form of its lines.
package steps

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

var (
	Endpoint  = os.Getenv("S3_ENDPOINT")
	AccessKey = os.Getenv("S3_ACCESS_KEY")
	SecretKey = os.Getenv("S3_SECRET_KEY")
	Region    = os.Getenv("S3_REGION")
	Bucket    = os.Getenv("S3_BUCKET")
	Small     = Read("small.bin")
	Large     = Read("large.bin")
)

// Path names a file of the runner's work folder.
func Path(name string) string { return filepath.Join(os.Getenv("S3_WORK"), name) }

// Read gives the content of a file of the runner's work folder.
func Read(name string) []byte {
	content, err := os.ReadFile(Path(name))
	if err != nil {
		panic(err)
	}
	return content
}

// Step runs one step and prints its line.
func Step(name string, work func() error) {
	if err := work(); err != nil {
		fmt.Printf("failed %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok %s\n", name)
}

// Same compares contents.
func Same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("content differs: %d and %d bytes", len(got), len(want))
	}
	return nil
}

// Check gives an error unless the condition holds.
func Check(isTrue bool, format string, arguments ...any) error {
	if isTrue {
		return nil
	}
	return fmt.Errorf(format, arguments...)
}

// Fetch reads a URL without credentials.
func Fetch(url string) ([]byte, error) {
	reply, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the URL answered %d", reply.StatusCode)
	}
	return io.ReadAll(reply.Body)
}

// ManyKeys are more than one page of a listing.
func ManyKeys() []string {
	keys := make([]string, 1005)
	for i := range keys {
		keys[i] = fmt.Sprintf("many/%04d", i)
	}
	return keys
}
