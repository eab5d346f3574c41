// The steps of every client, with minio-go.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	. "cairn.test/clients/steps"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

var ctx = context.Background()

func content(client *minio.Client, bucket, key string, options minio.GetObjectOptions) ([]byte, error) {
	object, err := client.GetObject(ctx, bucket, key, options)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	return io.ReadAll(object)
}

func put(client *minio.Client, bucket, key string, data []byte, options minio.PutObjectOptions) (minio.UploadInfo, error) {
	return client.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(len(data)), options)
}

func versions(client *minio.Client) error {
	bucket := Bucket + "-v"
	if err := client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: Region}); err != nil {
		return err
	}
	if err := client.EnableVersioning(ctx, bucket); err != nil {
		return err
	}
	first, err := put(client, bucket, "k", []byte("one"), minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	if _, err := put(client, bucket, "k", []byte("two"), minio.PutObjectOptions{}); err != nil {
		return err
	}
	if err := client.RemoveObject(ctx, bucket, "k", minio.RemoveObjectOptions{}); err != nil {
		return err
	}
	got, err := content(client, bucket, "k", minio.GetObjectOptions{VersionID: first.VersionID})
	if err != nil {
		return err
	}
	if err := Same(got, []byte("one")); err != nil {
		return err
	}
	count := 0
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		if object.Err != nil {
			return object.Err
		}
		count++
		if err := client.RemoveObject(ctx, bucket, "k", minio.RemoveObjectOptions{VersionID: object.VersionID}); err != nil {
			return err
		}
	}
	if err := Check(count == 3, "listed %d versions", count); err != nil {
		return err
	}
	return client.RemoveBucket(ctx, bucket)
}

func list(client *minio.Client, prefix string) ([]string, error) {
	var keys []string
	for object := range client.ListObjects(ctx, Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}

func main() {
	endpoint, err := url.Parse(Endpoint)
	if err != nil {
		panic(err)
	}
	options := &minio.Options{
		Creds:           credentials.NewStaticV4(AccessKey, SecretKey, ""),
		Region:          Region,
		TrailingHeaders: true,
	}
	client, err := minio.New(endpoint.Host, options)
	if err != nil {
		panic(err)
	}
	Step("make-bucket", func() error {
		if err := client.MakeBucket(ctx, Bucket, minio.MakeBucketOptions{Region: Region}); err != nil {
			return err
		}
		exists, err := client.BucketExists(ctx, Bucket)
		if err != nil {
			return err
		}
		return Check(exists, "the bucket does not exist")
	})
	Step("put-small", func() error {
		options := minio.PutObjectOptions{
			ContentType:  "text/plain",
			UserMetadata: map[string]string{"color": "green"},
			UserTags:     map[string]string{"a": "b"},
			Checksum:     minio.ChecksumCRC32C,
		}
		_, err := put(client, Bucket, "small", Small, options)
		return err
	})
	Step("get-small", func() error {
		got, err := content(client, Bucket, "small", minio.GetObjectOptions{Checksum: true})
		if err != nil {
			return err
		}
		if err := Same(got, Small); err != nil {
			return err
		}
		options := minio.GetObjectOptions{}
		if err := options.SetRange(10, 19); err != nil {
			return err
		}
		if got, err = content(client, Bucket, "small", options); err != nil {
			return err
		}
		if err := Same(got, Small[10:20]); err != nil {
			return err
		}
		info, err := client.StatObject(ctx, Bucket, "small", minio.StatObjectOptions{Checksum: true})
		if err != nil {
			return err
		}
		isKept := info.UserMetadata["Color"] == "green" && info.UserTagCount == 1 && info.ChecksumCRC32C != ""
		return Check(isKept, "metadata differs: %v", info)
	})
	Step("put-multipart", func() error {
		info, err := client.FPutObject(ctx, Bucket, "large", Path("large.bin"), minio.PutObjectOptions{PartSize: 5 << 20})
		if err != nil {
			return err
		}
		return Check(strings.HasSuffix(info.ETag, "-3"), "ETag %s", info.ETag)
	})
	Step("get-multipart", func() error {
		got, err := content(client, Bucket, "large", minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		return Same(got, Large)
	})
	Step("list-1000", func() error {
		for _, key := range ManyKeys() {
			if _, err := put(client, Bucket, key, []byte("x"), minio.PutObjectOptions{}); err != nil {
				return err
			}
		}
		keys, err := list(client, "many/")
		if err != nil {
			return err
		}
		return Check(fmt.Sprint(keys) == fmt.Sprint(ManyKeys()), "listed %d keys", len(keys))
	})
	Step("copy", func() error {
		to := minio.CopyDestOptions{Bucket: Bucket, Object: "copied ü"}
		if _, err := client.CopyObject(ctx, to, minio.CopySrcOptions{Bucket: Bucket, Object: "large"}); err != nil {
			return err
		}
		composed := minio.CopyDestOptions{Bucket: Bucket, Object: "composed"}
		large := minio.CopySrcOptions{Bucket: Bucket, Object: "large"}
		info, err := client.ComposeObject(ctx, composed, large, large)
		if err != nil {
			return err
		}
		return Check(info.Size == 2*int64(len(Large)), "composed %d bytes", info.Size)
	})
	Step("versions", func() error { return versions(client) })
	Step("presigned", func() error {
		signed, err := client.PresignedGetObject(ctx, Bucket, "small", 5*time.Minute, nil)
		if err != nil {
			return err
		}
		got, err := Fetch(signed.String())
		if err != nil {
			return err
		}
		return Same(got, Small)
	})
	features(client, options)
	Step("delete", func() error {
		objects := client.ListObjects(ctx, Bucket, minio.ListObjectsOptions{Recursive: true})
		for failure := range client.RemoveObjects(ctx, Bucket, objects, minio.RemoveObjectsOptions{}) {
			return failure.Err
		}
		_, err := client.StatObject(ctx, Bucket, "small", minio.StatObjectOptions{})
		return Check(minio.ToErrorResponse(err).Code == "NoSuchKey", "stat says %v", err)
	})
	Step("remove-bucket", func() error { return client.RemoveBucket(ctx, Bucket) })
}
