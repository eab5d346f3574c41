package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "cairn.test/clients/steps"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func features(client *s3.Client, connect func(string, ...func(*s3.Options)) *s3.Client) {
	Feature(true, "select", func() { selectContent(client) })
	Feature(KMSKey != "", "encryption", func() { encryption(client) })
	Feature(TLSEndpoint != "", "customer-key", func() {
		customerKey(client, connect(TLSEndpoint, func(options *s3.Options) {
			options.HTTPClient = &http.Client{Transport: Transport()}
		}))
	})
	Feature(true, "checksums", func() { checksums(client) })
	Feature(true, "object-lock", func() { objectLock(client) })
	Feature(true, "post-policy", func() { postPolicy(client) })
	Feature(WebsiteDomain != "", "website", func() { website(client) })
}

func putSmall(client *s3.Client, change func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
	input := &s3.PutObjectInput{Bucket: &Bucket, Key: aws.String("k"), Body: bytes.NewReader(Small)}
	change(input)
	return client.PutObject(ctx, input)
}

func upload(client *s3.Client, input *s3.PutObjectInput) {
	input.Body = bytes.NewReader(Large)
	uploader := manager.NewUploader(client, func(u *manager.Uploader) { u.PartSize = 5 << 20 })
	Must(uploader.Upload(ctx, input))
}

func selectContent(client *s3.Client) {
	key := aws.String("people.csv")
	Must(put(client, Bucket, *key, "id,name\n1,Ann\n2,\"B,ob\"\n"))
	query := func(expression string) (*s3.SelectObjectContentOutput, error) {
		return client.SelectObjectContent(ctx, &s3.SelectObjectContentInput{
			Bucket: &Bucket, Key: key, Expression: &expression, ExpressionType: types.ExpressionTypeSql,
			InputSerialization:  &types.InputSerialization{CSV: &types.CSVInput{FileHeaderInfo: types.FileHeaderInfoUse}},
			OutputSerialization: &types.OutputSerialization{JSON: &types.JSONOutput{}},
		})
	}
	stream := Must(query("SELECT s.name FROM S3Object s WHERE s.id > 1")).GetStream()
	var records, kinds string
	for event := range stream.Events() {
		kinds += fmt.Sprintf("%T ", event)
		if event, isRecords := event.(*types.SelectObjectContentEventStreamMemberRecords); isRecords {
			records += string(event.Value.Payload)
		}
	}
	Done(stream.Err())
	Done(Check(records == "{\"name\":\"B,ob\"}\n", "records %s", records))
	Done(Check(strings.HasSuffix(kinds, "Stats *types.SelectObjectContentEventStreamMemberEnd "), "events %s", kinds))
	_, err := query("SELECT")
	Refused("ParseSelectFailure", err)
}

func encryption(client *s3.Client) {
	bucket := aws.String(Bucket + "-e")
	Must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}))
	Must(putSmall(client, func(input *s3.PutObjectInput) {
		input.Bucket, input.ServerSideEncryption = bucket, types.ServerSideEncryptionAes256
	}))
	context := base64.StdEncoding.EncodeToString([]byte(`{"project":"ü"}`))
	reply := Must(putSmall(client, func(input *s3.PutObjectInput) {
		input.Bucket, input.Key, input.ServerSideEncryption = bucket, aws.String("kms"), types.ServerSideEncryptionAwsKms
		input.SSEKMSKeyId, input.SSEKMSEncryptionContext = &KMSKey, &context
	}))
	Done(Check(strings.HasSuffix(*reply.SSEKMSKeyId, KMSKey), "key %s", *reply.SSEKMSKeyId))
	rule := types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}
	Must(client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: bucket,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}}}))
	kept := Must(client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: bucket}))
	Done(Check(len(kept.ServerSideEncryptionConfiguration.Rules) == 1, "rules differ"))
	upload(client, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("parts")})
	Must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(*bucket + "/kms")}))
	for key, want := range map[string]types.ServerSideEncryption{"k": "AES256", "kms": "aws:kms", "parts": "AES256", "copy": "AES256"} {
		head := Must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: &key}))
		Done(Check(head.ServerSideEncryption == want, "%s is %s", key, head.ServerSideEncryption))
		expected := Small
		if key == "parts" {
			expected = Large
		}
		Done(Same(Must(content(client, &s3.GetObjectInput{Bucket: bucket, Key: &key})), expected))
	}
	Must(client.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: bucket}))
}

func customerKey(client, secure *s3.Client) {
	algorithm := aws.String("AES256")
	// This SDK leaves the encoding and the digest of keys to its callers.
	encoded := func(filler byte) (string, string) {
		key := bytes.Repeat([]byte{filler}, 32)
		digest := md5.Sum(key)
		return base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(digest[:])
	}
	key, digest := encoded(1)
	other, otherDigest := encoded(2)
	Must(secure.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &Bucket}))
	upload(secure, &s3.PutObjectInput{Bucket: &Bucket, Key: aws.String("k"), SSECustomerAlgorithm: algorithm, SSECustomerKey: &key, SSECustomerKeyMD5: &digest})
	get := func(name, key, digest string) ([]byte, error) {
		input := &s3.GetObjectInput{Bucket: &Bucket, Key: &name}
		if key != "" {
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, &key, &digest
		}
		return content(secure, input)
	}
	Done(Same(Must(get("k", key, digest)), Large))
	_, err := get("k", "", "")
	Refused("InvalidRequest", err)
	_, err = get("k", other, otherDigest)
	Refused("AccessDenied", err)
	Must(secure.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &Bucket, Key: aws.String("copy"), CopySource: aws.String(Bucket + "/k"),
		CopySourceSSECustomerAlgorithm: algorithm, CopySourceSSECustomerKey: &key, CopySourceSSECustomerKeyMD5: &digest,
		SSECustomerAlgorithm: algorithm, SSECustomerKey: &other, SSECustomerKeyMD5: &otherDigest,
	}))
	Done(Same(Must(get("copy", other, otherDigest)), Large))
	_, err = putSmall(client, func(input *s3.PutObjectInput) {
		input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, &key, &digest
	})
	Refused("InvalidRequest", err)
}

func checksums(client *s3.Client) {
	get := func(key string) *s3.HeadObjectOutput {
		return Must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &Bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}))
	}
	Must(putSmall(client, func(input *s3.PutObjectInput) {}))
	Done(Check(get("k").ChecksumCRC32 != nil, "no default checksum"))
	// Those that this SDK computes; it verifies them when it reads.
	for _, algorithm := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512"} {
		Must(putSmall(client, func(input *s3.PutObjectInput) { input.ChecksumAlgorithm = algorithm }))
		head := get("k")
		sums := map[types.ChecksumAlgorithm]*string{
			"CRC32": head.ChecksumCRC32, "CRC32C": head.ChecksumCRC32C, "CRC64NVME": head.ChecksumCRC64NVME,
			"SHA1": head.ChecksumSHA1, "SHA256": head.ChecksumSHA256, "SHA512": head.ChecksumSHA512,
		}
		Done(Check(sums[algorithm] != nil, "no %s", algorithm))
		input := &s3.GetObjectInput{Bucket: &Bucket, Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled}
		Done(Same(Must(content(client, input)), Small))
	}
	sum := get("k").ChecksumSHA512
	_, err := putSmall(client, func(input *s3.PutObjectInput) {
		input.Body, input.ChecksumSHA512 = strings.NewReader("other"), sum
	})
	Refused("BadDigest", err)
	for algorithm, kind := range map[types.ChecksumAlgorithm]types.ChecksumType{"CRC32C": "COMPOSITE", "CRC64NVME": "FULL_OBJECT", "SHA256": "COMPOSITE"} {
		upload(client, &s3.PutObjectInput{Bucket: &Bucket, Key: aws.String("parts"), ChecksumAlgorithm: algorithm})
		Done(Check(get("parts").ChecksumType == kind, "%s is %s", algorithm, get("parts").ChecksumType))
	}
}

func objectLock(client *s3.Client) {
	bucket, key, yes := aws.String(Bucket+"-l"), aws.String("k"), aws.Bool(true)
	Must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, ObjectLockEnabledForBucket: yes}))
	hour, minute := time.Now().Add(time.Hour), time.Now().Add(time.Minute)
	version := Must(putSmall(client, func(input *s3.PutObjectInput) {
		input.Bucket, input.ObjectLockMode, input.ObjectLockRetainUntilDate = bucket, types.ObjectLockModeGovernance, &hour
	})).VersionId
	remove := func(version *string, bypass *bool) error {
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: version, BypassGovernanceRetention: bypass})
		return err
	}
	shorten := func(bypass *bool) error {
		retention := &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: &minute}
		_, err := client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{Bucket: bucket, Key: key, VersionId: version, Retention: retention, BypassGovernanceRetention: bypass})
		return err
	}
	hold := func(status types.ObjectLockLegalHoldStatus) {
		Must(client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: bucket, Key: key, VersionId: version, LegalHold: &types.ObjectLockLegalHold{Status: status}}))
	}
	Refused("AccessDenied", remove(version, nil))
	Refused("AccessDenied", shorten(nil))
	Done(shorten(yes))
	kept := Must(client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: bucket, Key: key, VersionId: version})).Retention
	Done(Check(!kept.RetainUntilDate.After(minute), "kept until %v", kept.RetainUntilDate))
	hold(types.ObjectLockLegalHoldStatusOn)
	Refused("AccessDenied", remove(version, yes))
	hold(types.ObjectLockLegalHoldStatusOff)
	Done(remove(version, yes))
	rule := &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Days: aws.Int32(1)}}
	Must(client.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: bucket,
		ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: rule}}))
	version = Must(putSmall(client, func(input *s3.PutObjectInput) { input.Bucket = bucket })).VersionId
	head := Must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key, VersionId: version}))
	Done(Check(head.ObjectLockMode == types.ObjectLockModeCompliance, "mode %s", head.ObjectLockMode))
	Refused("AccessDenied", remove(version, yes))
}

func postPolicy(client *s3.Client) {
	key := "forms/f"
	form := Must(s3.NewPresignClient(client).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &Bucket, Key: &key}, func(options *s3.PresignPostOptions) {
		options.Conditions = []any{[]any{"content-length-range", 1, 2000}}
	}))
	Done(Check(PostForm(form.URL, form.Values, Small) == http.StatusNoContent, "the form was refused"))
	Done(Same(Must(content(client, &s3.GetObjectInput{Bucket: &Bucket, Key: &key})), Small))
	Done(Check(PostForm(form.URL, form.Values, Large) == http.StatusBadRequest, "a large form was taken"))
	form.Values["key"] = "elsewhere"
	Done(Check(PostForm(form.URL, form.Values, Small) == http.StatusForbidden, "another key was taken"))
}

func website(client *s3.Client) {
	bucket := aws.String(Bucket + "-w")
	Must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}))
	Must(client.PutBucketWebsite(ctx, &s3.PutBucketWebsiteInput{Bucket: bucket, WebsiteConfiguration: &types.WebsiteConfiguration{
		IndexDocument: &types.IndexDocument{Suffix: aws.String("index.html")},
		ErrorDocument: &types.ErrorDocument{Key: aws.String("error.html")},
	}}))
	kept := Must(client.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: bucket}))
	Done(Check(*kept.IndexDocument.Suffix == "index.html" && *kept.ErrorDocument.Key == "error.html", "another configuration"))
	policy := string(Must(json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + *bucket + "/*",
	}}})))
	Must(client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}))
	for _, key := range []string{"docs/index.html", "error.html"} {
		Must(put(client, *bucket, key, key))
	}
	status, page := FetchPage(*bucket, "/docs/")
	Done(Check(status == 200 && page == "docs/index.html", "%d %s", status, page))
	status, page = FetchPage(*bucket, "/none")
	Done(Check(status == 403 && page == "error.html", "%d %s", status, page))
}
