package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	. "cairn.test/clients/steps"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/sse"
)

func features(client *minio.Client, options *minio.Options) {
	Feature(true, "select", func() { selectContent(client) })
	Feature(KMSKey != "", "encryption", func() { encryption(client) })
	Feature(TLSEndpoint != "", "customer-key", func() {
		secure := *options
		secure.Secure, secure.Transport = true, Transport()
		customerKey(Must(minio.New(Must(url.Parse(TLSEndpoint)).Host, &secure)))
	})
	Feature(true, "checksums", func() { checksums(client) })
	Feature(true, "object-lock", func() { objectLock(client) })
	Feature(true, "post-policy", func() { postPolicy(client) })
}

func selectContent(client *minio.Client) {
	text := "id,name\n1,Ann\n2,\"B,ob\"\n"
	Must(put(client, Bucket, "people.csv", []byte(text), minio.PutObjectOptions{}))
	options := minio.SelectObjectOptions{Expression: "SELECT s.name FROM S3Object s WHERE s.id > 1", ExpressionType: minio.QueryExpressionTypeSQL}
	options.InputSerialization.CSV = &minio.CSVInputOptions{FileHeaderInfo: minio.CSVFileHeaderInfoUse}
	options.OutputSerialization.JSON = &minio.JSONOutputOptions{RecordDelimiter: "\n"}
	reply := Must(client.SelectObjectContent(ctx, Bucket, "people.csv", options))
	defer reply.Close()
	Done(Same(Must(io.ReadAll(reply)), []byte("{\"name\":\"B,ob\"}\n")))
	Done(Check(reply.Stats().BytesScanned == int64(len(text)), "scanned %d", reply.Stats().BytesScanned))
}

func sealed(client *minio.Client, bucket, key string) string {
	return Must(client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})).Metadata.Get("X-Amz-Server-Side-Encryption")
}

func encryption(client *minio.Client) {
	bucket := Bucket + "-e"
	Done(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: Region}))
	context := map[string]string{"project": "ü"}
	Must(put(client, bucket, "own", Small, minio.PutObjectOptions{ServerSideEncryption: encrypt.NewSSE()}))
	Must(put(client, bucket, "kms", Small, minio.PutObjectOptions{ServerSideEncryption: Must(encrypt.NewSSEKMS(KMSKey, context))}))
	Done(client.SetBucketEncryption(ctx, bucket, sse.NewConfigurationSSES3()))
	Done(Check(len(Must(client.GetBucketEncryption(ctx, bucket)).Rules) == 1, "rules differ"))
	Must(client.FPutObject(ctx, bucket, "parts", Path("large.bin"), minio.PutObjectOptions{PartSize: 5 << 20}))
	Must(client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"}, minio.CopySrcOptions{Bucket: bucket, Object: "kms"}))
	for key, want := range map[string]string{"own": "AES256", "kms": "aws:kms", "parts": "AES256", "copy": "AES256"} {
		Done(Check(sealed(client, bucket, key) == want, "%s is %s", key, sealed(client, bucket, key)))
		expected := Small
		if key == "parts" {
			expected = Large
		}
		Done(Same(Must(content(client, bucket, key, minio.GetObjectOptions{})), expected))
	}
	Done(client.RemoveBucketEncryption(ctx, bucket))
}

func customerKey(client *minio.Client) {
	key, other := Must(encrypt.NewSSEC(bytes.Repeat([]byte{1}, 32))), Must(encrypt.NewSSEC(bytes.Repeat([]byte{2}, 32)))
	Done(client.MakeBucket(ctx, Bucket, minio.MakeBucketOptions{Region: Region}))
	Must(client.FPutObject(ctx, Bucket, "k", Path("large.bin"), minio.PutObjectOptions{PartSize: 5 << 20, ServerSideEncryption: key}))
	Done(Same(Must(content(client, Bucket, "k", minio.GetObjectOptions{ServerSideEncryption: key})), Large))
	_, err := content(client, Bucket, "k", minio.GetObjectOptions{})
	Done(Check(minio.ToErrorResponse(err).Code == "InvalidRequest", "%v", err))
	_, err = content(client, Bucket, "k", minio.GetObjectOptions{ServerSideEncryption: other})
	Done(Check(minio.ToErrorResponse(err).Code == "AccessDenied", "%v", err))
	to := minio.CopyDestOptions{Bucket: Bucket, Object: "copy", Encryption: other}
	Must(client.ComposeObject(ctx, to, minio.CopySrcOptions{Bucket: Bucket, Object: "k", Encryption: encrypt.SSECopy(key)}))
	Done(Same(Must(content(client, Bucket, "copy", minio.GetObjectOptions{ServerSideEncryption: other})), Large))
}

func checksums(client *minio.Client) {
	stat := func() minio.ObjectInfo {
		return Must(client.StatObject(ctx, Bucket, "k", minio.StatObjectOptions{Checksum: true}))
	}
	// Without a choice this SDK sends none with small objects: their signature covers a hash.
	for _, kind := range []minio.ChecksumType{
		minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumCRC64NVME, minio.ChecksumSHA1, minio.ChecksumSHA256,
		minio.ChecksumMD5, minio.ChecksumSHA512, minio.ChecksumXXHash64, minio.ChecksumXXHash3, minio.ChecksumXXHash128,
	} {
		want := kind.ChecksumBytes(Small).Encoded()
		Must(put(client, Bucket, "k", Small, minio.PutObjectOptions{Checksum: kind}))
		found := stat().Checksum(kind)
		Done(Check(found == want, "%s is %s instead of %s", kind, found, want))
		wrong := minio.PutObjectOptions{UserMetadata: map[string]string{kind.Key(): want}}
		_, err := put(client, Bucket, "k", []byte("other"), wrong)
		Done(Check(err != nil, "a wrong %s was taken", kind))
	}
	for kind, ending := range map[minio.ChecksumType]string{minio.ChecksumSHA256: "-3", minio.ChecksumFullObjectCRC32C: "=", minio.ChecksumCRC64NVME: "="} {
		options := minio.PutObjectOptions{PartSize: 5 << 20, Checksum: kind}
		info := Must(client.FPutObject(ctx, Bucket, "k", Path("large.bin"), options))
		found := stat().Checksum(kind)
		Done(Check(strings.HasSuffix(found, ending), "%s of parts is %s", kind, found))
		Done(Check(info.Size == int64(len(Large)), "%d bytes", info.Size))
	}
}

func objectLock(client *minio.Client) {
	bucket, governance, compliance := Bucket+"-l", minio.Governance, minio.Compliance
	Done(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: Region, ObjectLocking: true}))
	minute := time.Now().Add(time.Minute).UTC()
	locked := minio.PutObjectOptions{Mode: governance, RetainUntilDate: time.Now().Add(time.Hour).UTC()}
	version := Must(put(client, bucket, "k", Small, locked)).VersionID
	remove := func(version string, bypass bool) error {
		return client.RemoveObject(ctx, bucket, "k", minio.RemoveObjectOptions{VersionID: version, GovernanceBypass: bypass})
	}
	shorten := func(bypass bool) error {
		return client.PutObjectRetention(ctx, bucket, "k", minio.PutObjectRetentionOptions{
			VersionID: version, Mode: &governance, RetainUntilDate: &minute, GovernanceBypass: bypass,
		})
	}
	hold := func(status minio.LegalHoldStatus) {
		Done(client.PutObjectLegalHold(ctx, bucket, "k", minio.PutObjectLegalHoldOptions{VersionID: version, Status: &status}))
	}
	denied := func(err error) { Done(Check(minio.ToErrorResponse(err).Code == "AccessDenied", "%v", err)) }
	denied(remove(version, false))
	denied(shorten(false))
	Done(shorten(true))
	_, until, err := client.GetObjectRetention(ctx, bucket, "k", version)
	Done(err)
	Done(Check(!until.After(minute), "kept until %v", until))
	hold(minio.LegalHoldEnabled)
	denied(remove(version, true))
	hold(minio.LegalHoldDisabled)
	Done(remove(version, true))
	validity, unit := uint(1), minio.Days
	Done(client.SetObjectLockConfig(ctx, bucket, &compliance, &validity, &unit))
	_, mode, days, _, err := client.GetObjectLockConfig(ctx, bucket)
	Done(err)
	Done(Check(*mode == compliance && *days == 1, "%v %v", *mode, *days))
	version = Must(put(client, bucket, "k", Small, minio.PutObjectOptions{})).VersionID
	denied(remove(version, true))
}

func postPolicy(client *minio.Client) {
	policy := minio.NewPostPolicy()
	for _, err := range []error{
		policy.SetBucket(Bucket), policy.SetKeyStartsWith("forms/"), policy.SetExpires(time.Now().Add(time.Hour)),
		policy.SetContentLengthRange(1, 2000), policy.SetUserMetadata("color", "green"),
		policy.SetChecksum(minio.ChecksumSHA256.ChecksumBytes(Small)),
	} {
		Done(err)
	}
	to, fields, err := client.PresignedPostPolicy(ctx, policy)
	Done(err)
	for sent, want := range map[*[]byte]int{&Small: http.StatusNoContent, &Large: http.StatusBadRequest} {
		fields["key"] = "forms/${filename}"
		status := PostForm(to.String(), fields, *sent)
		Done(Check(status == want, "%d instead of %d", status, want))
	}
	info := Must(client.StatObject(ctx, Bucket, "forms/f", minio.StatObjectOptions{Checksum: true}))
	Done(Check(info.UserMetadata["Color"] == "green" && info.ChecksumSHA256 != "", "%s", fmt.Sprint(info)))
	fields["key"] = "elsewhere"
	Done(Check(PostForm(to.String(), fields, Small) == http.StatusForbidden, "another key was taken"))
}
