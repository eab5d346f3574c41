// Package steps is what the Go clients share: the environment of the runner and the form of its lines.
package steps

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime/multipart"
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
	// Empty where the server has no such thing.
	KMSKey        = os.Getenv("S3_KMS_KEY")
	TLSEndpoint   = os.Getenv("S3_TLS_ENDPOINT")
	WebsiteDomain = os.Getenv("S3_WEBSITE_DOMAIN")
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
	if err := caught(work); err != nil {
		fmt.Printf("failed %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok %s\n", name)
}

// Feature runs a step, of Must and Done instead of errors, where the server has what it is about.
func Feature(isThere bool, name string, work func()) {
	if isThere {
		Step(name, func() error { work(); return nil })
	}
}

func caught(work func() error) (err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("%v", failure)
		}
	}()
	return work()
}

// Must gives the value, and ends the step when there is an error instead.
func Must[T any](value T, err error) T {
	Done(err)
	return value
}

// Done ends the step when there is an error.
func Done(err error) {
	if err != nil {
		panic(err)
	}
}

// Refused ends the step unless the error says so.
func Refused(code string, err error) {
	Done(Check(err != nil && strings.Contains(err.Error(), code), "%v instead of %s", err, code))
}

// Transport trusts the server of TLSEndpoint.
func Transport() *http.Transport {
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(Must(os.ReadFile(os.Getenv("S3_TLS_CERTIFICATE"))))
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
}

// PostForm gives the status of an upload by a browser's form.
func PostForm(url string, fields map[string]string, content []byte) int {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		Done(form.WriteField(name, value))
	}
	Must(Must(form.CreateFormFile("file", "f")).Write(content))
	Done(form.Close())
	reply := Must(http.Post(url, form.FormDataContentType(), &body))
	Done(reply.Body.Close())
	return reply.StatusCode
}

// FetchPage gives status and content of a page of a website.
func FetchPage(bucket, path string) (int, string) {
	request := Must(http.NewRequest("GET", Endpoint+path, nil))
	request.Host = bucket + "." + WebsiteDomain
	reply := Must(http.DefaultClient.Do(request))
	defer reply.Body.Close()
	return reply.StatusCode, string(Must(io.ReadAll(reply.Body)))
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
