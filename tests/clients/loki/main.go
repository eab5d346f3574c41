// Command loki tries the client that Loki has for its chunks and indexes in S3.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/grafana/dskit/backoff"
	"github.com/grafana/dskit/flagext"
	bucket_s3 "github.com/grafana/loki/v3/pkg/storage/bucket/s3"
	"github.com/grafana/loki/v3/pkg/storage/chunk/client/aws"
	"github.com/grafana/loki/v3/pkg/storage/chunk/client/hedging"
)

// Chunks are spread over them by their keys.
var buckets = []string{os.Getenv("S3_BUCKET"), os.Getenv("S3_BUCKET") + "-2"}

func step(name string, work func() error) {
	if err := work(); err != nil {
		fmt.Printf("failed %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok %s\n", name)
}

func check(isTrue bool, what string, about ...any) error {
	if isTrue {
		return nil
	}
	return fmt.Errorf(what, about...)
}

func settings() aws.S3Config {
	return aws.S3Config{
		S3ForcePathStyle: true,
		BucketNames:      strings.Join(buckets, ","),
		Endpoint:         os.Getenv("S3_ENDPOINT"),
		Region:           os.Getenv("S3_REGION"),
		AccessKeyID:      os.Getenv("S3_ACCESS_KEY"),
		SecretAccessKey:  flagext.SecretWithValue(os.Getenv("S3_SECRET_KEY")),
		Insecure:         true,
		SignatureVersion: aws.SignatureVersionV4,
		StorageClass:     "STANDARD",
		BackoffConfig:    backoff.Config{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond, MaxRetries: 2},
	}
}

func open(config aws.S3Config, hedged hedging.Config) (*aws.S3ObjectClient, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return aws.NewS3ObjectClient(config, hedged)
}

func makeBuckets(ctx context.Context) error {
	endpoint := os.Getenv("S3_ENDPOINT")
	keys := credentials.NewStaticCredentialsProvider(os.Getenv("S3_ACCESS_KEY"), os.Getenv("S3_SECRET_KEY"), "")
	client := s3.New(s3.Options{BaseEndpoint: &endpoint, Region: os.Getenv("S3_REGION"), Credentials: keys, UsePathStyle: true})
	for _, name := range buckets {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return err
		}
	}
	return nil
}

// chunk is the key of one, as Loki names them: a tenant, a fingerprint, times and a checksum.
func chunk(index int) string {
	return fmt.Sprintf("fake/%d/%08x:18f2c:18f2d:%x", index%3, index, index*7)
}

func content(index int) []byte { return []byte(strings.Repeat(fmt.Sprintf("line %d\n", index), 100)) }

func read(ctx context.Context, store *aws.S3ObjectClient, key string) ([]byte, error) {
	reader, size, err := store.GetObject(ctx, key)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	found, err := io.ReadAll(reader)
	if err == nil && int64(len(found)) != size {
		err = fmt.Errorf("%d bytes of %d", len(found), size)
	}
	return found, err
}

func expect(ctx context.Context, store *aws.S3ObjectClient, key string, content []byte) error {
	found, err := read(ctx, store, key)
	return errors.Join(err, check(bytes.Equal(found, content), "the content of %s differs", key))
}

const count = 1100

func writeChunks(ctx context.Context, store *aws.S3ObjectClient) error {
	for index := range count {
		if err := store.PutObject(ctx, chunk(index), bytes.NewReader(content(index))); err != nil {
			return err
		}
	}
	return expect(ctx, store, chunk(7), content(7))
}

func readHedged(ctx context.Context) error {
	// Every read is asked for twice, and the slower one given up.
	store, err := open(settings(), hedging.Config{At: time.Nanosecond, UpTo: 2, MaxPerSecond: 1000})
	for index := 0; index < count && err == nil; index += 10 {
		err = expect(ctx, store, chunk(index), content(index))
	}
	return err
}

func list(ctx context.Context, store *aws.S3ObjectClient) error {
	objects, folders, err := store.List(ctx, "fake/", "/")
	if err := errors.Join(err, check(len(objects) == 0 && len(folders) == 3, "folders %v", folders)); err != nil {
		return err
	}
	objects, _, err = store.List(ctx, "", "")
	if err := errors.Join(err, check(len(objects) == count, "listed %d", len(objects))); err != nil {
		return err
	}
	age := time.Since(objects[0].ModifiedAt)
	return check(age > -time.Minute && age < time.Hour, "modified at %v", objects[0].ModifiedAt)
}

func index(ctx context.Context, store *aws.S3ObjectClient) error {
	table, err := os.ReadFile(filepath.Join(os.Getenv("S3_WORK"), "large.bin"))
	if err != nil {
		return err
	}
	key := "index/index_19000/ü +%41.tsdb.gz"
	// Without its length in advance.
	if err := store.PutObject(ctx, key, io.MultiReader(bytes.NewReader(table))); err != nil {
		return err
	}
	attributes, err := store.GetAttributes(ctx, key)
	if err := errors.Join(err, check(attributes.Size == int64(len(table)), "size %d", attributes.Size)); err != nil {
		return err
	}
	reader, err := store.GetObjectRange(ctx, key, 5<<20-10, 20)
	if err != nil {
		return err
	}
	defer reader.Close()
	found, err := io.ReadAll(reader)
	if err := errors.Join(err, check(bytes.Equal(found, table[5<<20-10:5<<20+10]), "the range differs")); err != nil {
		return err
	}
	return expect(ctx, store, key, table)
}

func missing(ctx context.Context, store *aws.S3ObjectClient) error {
	_, _, err := store.GetObject(ctx, "none")
	if !store.IsObjectNotFoundErr(err) {
		return fmt.Errorf("get says %v", err)
	}
	isThere, err := store.ObjectExists(ctx, "none")
	return check(!isThere && (err == nil || store.IsObjectNotFoundErr(err)), "head says %v", err)
}

func encrypted(ctx context.Context) error {
	config := settings()
	config.SSEConfig = bucket_s3.SSEConfig{Type: "SSE-KMS", KMSKeyID: os.Getenv("S3_KMS_KEY"), KMSEncryptionContext: `{"tenant": "fake"}`}
	store, err := open(config, hedging.Config{})
	if err == nil {
		err = store.PutObject(ctx, "secret", bytes.NewReader(content(1)))
	}
	if err == nil {
		err = expect(ctx, store, "secret", content(1))
	}
	return err
}

func remove(ctx context.Context, store *aws.S3ObjectClient) error {
	for index := range count {
		if err := store.DeleteObject(ctx, chunk(index)); err != nil {
			return err
		}
	}
	objects, _, err := store.List(ctx, "fake/", "")
	return errors.Join(err, check(len(objects) == 0, "%d are left", len(objects)))
}

func main() {
	ctx := context.Background()
	var store *aws.S3ObjectClient
	step("connect", func() (err error) {
		if err = makeBuckets(ctx); err == nil {
			store, err = open(settings(), hedging.Config{})
		}
		return err
	})
	if store == nil {
		os.Exit(1)
	}
	step("write-chunks", func() error { return writeChunks(ctx, store) })
	step("read-hedged", func() error { return readHedged(ctx) })
	step("list", func() error { return list(ctx, store) })
	step("index", func() error { return index(ctx, store) })
	step("missing", func() error { return missing(ctx, store) })
	if os.Getenv("S3_KMS_KEY") != "" {
		step("encryption", func() error { return encrypted(ctx) })
	}
	step("delete", func() error { return remove(ctx, store) })
}
