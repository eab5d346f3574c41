// Package thanos runs the acceptance test that Thanos, Cortex and Mimir have for their object stores.
package thanos

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/go-kit/log"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/exthttp"
	"github.com/thanos-io/objstore/providers/s3"
)

func open(t *testing.T, part uint64) objstore.Bucket {
	config := s3.DefaultConfig
	config.Bucket = os.Getenv("S3_BUCKET")
	config.Endpoint = strings.TrimPrefix(os.Getenv("S3_ENDPOINT"), "http://")
	config.Insecure = true
	config.Region = os.Getenv("S3_REGION")
	config.AccessKey = os.Getenv("S3_ACCESS_KEY")
	config.SecretKey = os.Getenv("S3_SECRET_KEY")
	config.PartSize = part
	config.HTTPConfig = exthttp.DefaultHTTPConfig
	store, err := s3.NewBucketWithConfig(log.NewNopLogger(), config, "cairn", nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestAcceptance(t *testing.T) {
	objstore.AcceptanceTest(t, open(t, 0))
}

func TestBlockInParts(t *testing.T) {
	ctx, store := context.Background(), open(t, 5<<20)
	block, err := os.ReadFile(os.Getenv("S3_WORK") + "/large.bin")
	if err != nil {
		t.Fatal(err)
	}
	// Without its length in advance, as a block is compacted.
	if err := store.Upload(ctx, "block/chunks/000001", io.MultiReader(bytes.NewReader(block))); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 5<<20 - 10, int64(len(block)) - 20} {
		reader, err := store.GetRange(ctx, "block/chunks/000001", at, 20)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(reader)
		if err != nil || !bytes.Equal(got, block[at:at+20]) {
			t.Fatalf("the range at %d differs: %v", at, err)
		}
		reader.Close()
	}
	if err := store.Delete(ctx, "block/chunks/000001"); err != nil {
		t.Fatal(err)
	}
}
