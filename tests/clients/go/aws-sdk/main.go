// The steps of every client, with the AWS SDK for Go v2.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	. "cairn.test/clients/steps"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var ctx = context.Background()

func content(client *s3.Client, input *s3.GetObjectInput) ([]byte, error) {
	reply, err := client.GetObject(ctx, input)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	return io.ReadAll(reply.Body)
}

func put(client *s3.Client, bucket, key, text string) (*s3.PutObjectOutput, error) {
	return client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)})
}

func list(client *s3.Client, prefix string) ([]string, error) {
	var keys []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Contents {
			keys = append(keys, *item.Key)
		}
	}
	return keys, nil
}

func versions(client *s3.Client) error {
	bucket, key := Bucket+"-v", "k"
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		return err
	}
	enabled := &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}
	if _, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket, VersioningConfiguration: enabled}); err != nil {
		return err
	}
	first, err := put(client, bucket, key, "one")
	if err != nil {
		return err
	}
	if _, err := put(client, bucket, key, "two"); err != nil {
		return err
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		return err
	}
	got, err := content(client, &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: first.VersionId})
	if err != nil {
		return err
	}
	if err := Same(got, []byte("one")); err != nil {
		return err
	}
	listed, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		return err
	}
	if err := Check(len(listed.Versions) == 2 && len(listed.DeleteMarkers) == 1, "listed wrongly"); err != nil {
		return err
	}
	ids := []*string{listed.DeleteMarkers[0].VersionId, listed.Versions[0].VersionId, listed.Versions[1].VersionId}
	for _, id := range ids {
		if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: id}); err != nil {
			return err
		}
	}
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return err
}

func remove(client *s3.Client) error {
	keys, err := list(client, "")
	if err != nil {
		return err
	}
	for len(keys) > 0 {
		count := min(1000, len(keys))
		var objects []types.ObjectIdentifier
		for _, key := range keys[:count] {
			objects = append(objects, types.ObjectIdentifier{Key: aws.String(key)})
		}
		keys = keys[count:]
		reply, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &Bucket, Delete: &types.Delete{Objects: objects}})
		if err != nil {
			return err
		}
		if len(reply.Errors) > 0 {
			return fmt.Errorf("not deleted: %v", reply.Errors[0])
		}
	}
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &Bucket, Key: aws.String("small")})
	var missing *types.NotFound
	return Check(errors.As(err, &missing), "head says %v", err)
}

func main() {
	settings, err := config.LoadDefaultConfig(ctx, config.WithRegion(Region),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, "")))
	if err != nil {
		panic(err)
	}
	connect := func(endpoint string, more ...func(*s3.Options)) *s3.Client {
		return s3.NewFromConfig(settings, append(more, func(options *s3.Options) {
			options.BaseEndpoint = &endpoint
			options.UsePathStyle = true
			options.RetryMaxAttempts = 1
		})...)
	}
	client := connect(Endpoint)
	small := aws.String("small")
	Step("make-bucket", func() error {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &Bucket}); err != nil {
			return err
		}
		_, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &Bucket})
		return err
	})
	Step("put-small", func() error {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &Bucket, Key: small, Body: bytes.NewReader(Small), ContentType: aws.String("text/plain"),
			Metadata: map[string]string{"color": "green"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha1,
		})
		return err
	})
	Step("get-small", func() error {
		got, err := content(client, &s3.GetObjectInput{Bucket: &Bucket, Key: small, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			return err
		}
		if err := Same(got, Small); err != nil {
			return err
		}
		got, err = content(client, &s3.GetObjectInput{Bucket: &Bucket, Key: small, Range: aws.String("bytes=10-19")})
		if err != nil {
			return err
		}
		return Same(got, Small[10:20])
	})
	Step("put-multipart", func() error {
		file, err := os.Open(Path("large.bin"))
		if err != nil {
			return err
		}
		defer file.Close()
		uploader := manager.NewUploader(client, func(u *manager.Uploader) { u.PartSize = 5 << 20 })
		_, err = uploader.Upload(ctx, &s3.PutObjectInput{Bucket: &Bucket, Key: aws.String("large"), Body: file})
		return err
	})
	Step("get-multipart", func() error {
		buffer := manager.NewWriteAtBuffer(nil)
		_, err := manager.NewDownloader(client).Download(ctx, buffer, &s3.GetObjectInput{Bucket: &Bucket, Key: aws.String("large")})
		if err != nil {
			return err
		}
		return Same(buffer.Bytes(), Large)
	})
	Step("list-1000", func() error {
		for _, key := range ManyKeys() {
			if _, err := put(client, Bucket, key, "x"); err != nil {
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
		to := aws.String("copied")
		source := aws.String(Bucket + "/large")
		if _, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &Bucket, Key: to, CopySource: source}); err != nil {
			return err
		}
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &Bucket, Key: to})
		if err != nil {
			return err
		}
		return Check(*head.ContentLength == int64(len(Large)), "%d bytes", *head.ContentLength)
	})
	Step("versions", func() error { return versions(client) })
	Step("presigned", func() error {
		signed, err := s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &Bucket, Key: small})
		if err != nil {
			return err
		}
		got, err := Fetch(signed.URL)
		if err != nil {
			return err
		}
		return Same(got, Small)
	})
	features(client, connect)
	Step("delete", func() error { return remove(client) })
	Step("remove-bucket", func() error {
		_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &Bucket})
		return err
	})
}
