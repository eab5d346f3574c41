import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.net.ssl.TrustManagerFactory;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.*;

/** Steps beyond plain objects; those that need more of the server are left out where it has not got it. */
final class Features {
  private static final String KMS_KEY = System.getenv("S3_KMS_KEY");
  private static final String WEBSITE_DOMAIN = System.getenv("S3_WEBSITE_DOMAIN");

  private final S3Client s3;
  private final String bucket;
  private final byte[] small;
  private final byte[] large;

  Features(S3Client s3, String bucket, byte[] small, byte[] large) {
    this.s3 = s3;
    this.bucket = bucket;
    this.small = small;
    this.large = large;
  }

  void run(S3Client secure, S3AsyncClient streaming) {
    Main.step("select", () -> select(streaming));
    if (KMS_KEY != null) Main.step("encryption", this::encryption);
    if (secure != null) Main.step("customer-key", () -> customerKey(secure));
    Main.step("checksums", this::checksums);
    Main.step("object-lock", this::objectLock);
    if (WEBSITE_DOMAIN != null) Main.step("website", this::website);
  }

  /** A client for the certificate of the server with TLS. */
  static UrlConnectionHttpClient.Builder trusting(Path certificate) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (var stream = Files.newInputStream(certificate)) {
      store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(stream));
    }
    var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    return UrlConnectionHttpClient.builder().tlsTrustManagersProvider(managers::getTrustManagers);
  }

  private static void refused(String code, Main.Step work) throws Exception {
    try {
      work.run();
    } catch (S3Exception error) {
      Main.check(error.awsErrorDetails().errorCode().equals(code), error + " instead of " + code);
      return;
    }
    throw new IllegalStateException("no " + code);
  }

  private void same(byte[] found, byte[] expected) {
    Main.check(Arrays.equals(found, expected), "content differs");
  }

  private static void upload(S3Client client, byte[] content, CreateMultipartUploadRequest start,
      java.util.function.Consumer<UploadPartRequest.Builder> more) {
    var at = client.createMultipartUpload(start);
    var parts = new java.util.ArrayList<CompletedPart>();
    int size = 5 << 20;
    for (int n = 1; (n - 1) * size < content.length; n++) {
      byte[] part = Arrays.copyOfRange(content, (n - 1) * size, Math.min(n * size, content.length));
      var request = UploadPartRequest.builder().bucket(at.bucket()).key(at.key()).uploadId(at.uploadId())
          .partNumber(n).checksumAlgorithm(at.checksumAlgorithm());
      more.accept(request);
      var reply = client.uploadPart(request.build(), RequestBody.fromBytes(part));
      parts.add(CompletedPart.builder().partNumber(n).eTag(reply.eTag()).checksumCRC32(reply.checksumCRC32())
          .checksumCRC32C(reply.checksumCRC32C()).checksumSHA256(reply.checksumSHA256()).build());
    }
    var done = CompleteMultipartUploadRequest.builder().bucket(at.bucket()).key(at.key()).uploadId(at.uploadId())
        .multipartUpload(u -> u.parts(parts)).sseCustomerAlgorithm(start.sseCustomerAlgorithm())
        .sseCustomerKey(start.sseCustomerKey()).sseCustomerKeyMD5(start.sseCustomerKeyMD5());
    client.completeMultipartUpload(done.build());
  }

  private void select(S3AsyncClient streaming) throws Exception {
    s3.putObject(b -> b.bucket(bucket).key("people.csv"), RequestBody.fromString("id,name\n1,Ann\n2,\"B,ob\"\n"));
    var records = new ByteArrayOutputStream();
    var kinds = new StringBuilder();
    var visitor = SelectObjectContentResponseHandler.Visitor.builder()
        .onRecords(event -> records.writeBytes(event.payload().asByteArray()))
        .onStats(event -> kinds.append("stats "))
        .onEnd(event -> kinds.append("end "))
        .build();
    var handler = SelectObjectContentResponseHandler.builder().subscriber(visitor).build();
    streaming.selectObjectContent(b -> b.bucket(bucket).key("people.csv").expressionType(ExpressionType.SQL)
        .expression("SELECT s.name FROM S3Object s WHERE s.id > 1")
        .inputSerialization(i -> i.csv(c -> c.fileHeaderInfo(FileHeaderInfo.USE)))
        .outputSerialization(o -> o.json(j -> {})), handler).get();
    Main.check(records.toString(StandardCharsets.UTF_8).equals("{\"name\":\"B,ob\"}\n"), "records " + records);
    Main.check(kinds.toString().equals("stats end "), "events " + kinds);
  }

  private void encryption() throws Exception {
    String name = bucket + "-e";
    s3.createBucket(b -> b.bucket(name));
    String context = Base64.getEncoder().encodeToString("{\"project\":\"ü\"}".getBytes(StandardCharsets.UTF_8));
    s3.putObject(b -> b.bucket(name).key("own").serverSideEncryption(ServerSideEncryption.AES256), RequestBody.fromBytes(small));
    var kms = s3.putObject(b -> b.bucket(name).key("kms").serverSideEncryption(ServerSideEncryption.AWS_KMS)
        .ssekmsKeyId(KMS_KEY).ssekmsEncryptionContext(context), RequestBody.fromBytes(small));
    Main.check(kms.ssekmsKeyId().endsWith(KMS_KEY), "key " + kms.ssekmsKeyId());
    s3.putBucketEncryption(b -> b.bucket(name).serverSideEncryptionConfiguration(c -> c.rules(
        r -> r.applyServerSideEncryptionByDefault(d -> d.sseAlgorithm(ServerSideEncryption.AES256)))));
    Main.check(s3.getBucketEncryption(b -> b.bucket(name)).serverSideEncryptionConfiguration().rules().size() == 1, "rules differ");
    upload(s3, large, CreateMultipartUploadRequest.builder().bucket(name).key("parts").build(), part -> {});
    s3.copyObject(b -> b.sourceBucket(name).sourceKey("kms").destinationBucket(name).destinationKey("copy"));
    var expected = Map.of("own", "AES256", "kms", "aws:kms", "parts", "AES256", "copy", "AES256");
    for (var key : expected.keySet()) {
      var reply = s3.getObjectAsBytes(b -> b.bucket(name).key(key));
      same(reply.asByteArray(), key.equals("parts") ? large : small);
      Main.check(reply.response().serverSideEncryptionAsString().equals(expected.get(key)), key + " is sealed otherwise");
    }
    s3.deleteBucketEncryption(b -> b.bucket(name));
  }

  private static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  private void customerKey(S3Client secure) throws Exception {
    // This SDK leaves the encoding and the digest of keys to its callers.
    byte[] plain = new byte[32];
    String key = base64(plain);
    String digest = base64(MessageDigest.getInstance("MD5").digest(plain));
    secure.createBucket(b -> b.bucket(bucket));
    upload(secure, large, CreateMultipartUploadRequest.builder().bucket(bucket).key("k")
        .sseCustomerAlgorithm("AES256").sseCustomerKey(key).sseCustomerKeyMD5(digest).build(),
        part -> part.sseCustomerAlgorithm("AES256").sseCustomerKey(key).sseCustomerKeyMD5(digest));
    same(secure.getObjectAsBytes(b -> b.bucket(bucket).key("k").sseCustomerAlgorithm("AES256")
        .sseCustomerKey(key).sseCustomerKeyMD5(digest)).asByteArray(), large);
    refused("InvalidRequest", () -> secure.getObjectAsBytes(b -> b.bucket(bucket).key("k")));
    secure.copyObject(b -> b.sourceBucket(bucket).sourceKey("k").destinationBucket(bucket).destinationKey("clear")
        .copySourceSSECustomerAlgorithm("AES256").copySourceSSECustomerKey(key).copySourceSSECustomerKeyMD5(digest));
    same(secure.getObjectAsBytes(b -> b.bucket(bucket).key("clear")).asByteArray(), large);
  }

  private void checksums() throws Exception {
    s3.putObject(b -> b.bucket(bucket).key("default"), RequestBody.fromBytes(small));
    var plain = s3.headObject(b -> b.bucket(bucket).key("default").checksumMode(ChecksumMode.ENABLED));
    Main.check(plain.checksumCRC32() != null, "no default checksum");
    // CRC64NVME takes a native library here.
    for (var algorithm : List.of(ChecksumAlgorithm.CRC32, ChecksumAlgorithm.CRC32_C, ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256)) {
      s3.putObject(b -> b.bucket(bucket).key("k").checksumAlgorithm(algorithm), RequestBody.fromBytes(small));
      var reply = s3.getObjectAsBytes(b -> b.bucket(bucket).key("k").checksumMode(ChecksumMode.ENABLED));
      same(reply.asByteArray(), small);
      Object sum = reply.response().getValueForField("Checksum" + algorithm, Object.class).orElse(null);
      Main.check(sum != null, "no " + algorithm);
    }
    String sum = s3.headObject(b -> b.bucket(bucket).key("k").checksumMode(ChecksumMode.ENABLED)).checksumSHA256();
    refused("BadDigest", () -> s3.putObject(b -> b.bucket(bucket).key("k").checksumSHA256(sum), RequestBody.fromString("other")));
    for (var algorithm : List.of(ChecksumAlgorithm.CRC32_C, ChecksumAlgorithm.SHA256)) {
      upload(s3, large, CreateMultipartUploadRequest.builder().bucket(bucket).key("parts").checksumAlgorithm(algorithm).build(), part -> {});
      var head = s3.headObject(b -> b.bucket(bucket).key("parts").checksumMode(ChecksumMode.ENABLED));
      Main.check(head.checksumType() == ChecksumType.COMPOSITE, algorithm + " is " + head.checksumType());
    }
  }

  private void objectLock() throws Exception {
    String name = bucket + "-l";
    s3.createBucket(b -> b.bucket(name).objectLockEnabledForBucket(true));
    Instant minute = Instant.now().plusSeconds(60);
    String version = s3.putObject(b -> b.bucket(name).key("k").objectLockMode(ObjectLockMode.GOVERNANCE)
        .objectLockRetainUntilDate(Instant.now().plusSeconds(3600)), RequestBody.fromBytes(small)).versionId();
    Main.Step bypass = () -> s3.deleteObject(b -> b.bucket(name).key("k").versionId(version).bypassGovernanceRetention(true));
    var shorter = PutObjectRetentionRequest.builder().bucket(name).key("k").versionId(version)
        .retention(r -> r.mode(ObjectLockRetentionMode.GOVERNANCE).retainUntilDate(minute));
    refused("AccessDenied", () -> s3.deleteObject(b -> b.bucket(name).key("k").versionId(version)));
    refused("AccessDenied", () -> s3.putObjectRetention(shorter.build()));
    s3.putObjectRetention(shorter.bypassGovernanceRetention(true).build());
    var kept = s3.getObjectRetention(b -> b.bucket(name).key("k").versionId(version)).retention();
    Main.check(!kept.retainUntilDate().isAfter(minute), "kept until " + kept.retainUntilDate());
    s3.putObjectLegalHold(b -> b.bucket(name).key("k").versionId(version).legalHold(h -> h.status(ObjectLockLegalHoldStatus.ON)));
    refused("AccessDenied", bypass);
    s3.putObjectLegalHold(b -> b.bucket(name).key("k").versionId(version).legalHold(h -> h.status(ObjectLockLegalHoldStatus.OFF)));
    bypass.run();
    s3.putObjectLockConfiguration(b -> b.bucket(name).objectLockConfiguration(c -> c.objectLockEnabled(ObjectLockEnabled.ENABLED)
        .rule(r -> r.defaultRetention(d -> d.mode(ObjectLockRetentionMode.COMPLIANCE).days(1)))));
    String locked = s3.putObject(b -> b.bucket(name).key("k"), RequestBody.fromBytes(small)).versionId();
    Main.check(s3.headObject(b -> b.bucket(name).key("k")).objectLockMode() == ObjectLockMode.COMPLIANCE, "no default retention");
    refused("AccessDenied", () -> s3.deleteObject(b -> b.bucket(name).key("k").versionId(locked).bypassGovernanceRetention(true)));
  }

  private static String page(String name, String path) throws Exception {
    var address = URI.create(System.getenv("S3_ENDPOINT") + path);
    var request = HttpRequest.newBuilder(address).header("Host", name + "." + WEBSITE_DOMAIN).build();
    var reply = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
    return reply.statusCode() + " " + reply.body();
  }

  private void website() throws Exception {
    String name = bucket + "-w";
    s3.createBucket(b -> b.bucket(name));
    s3.putBucketWebsite(b -> b.bucket(name).websiteConfiguration(c -> c.indexDocument(i -> i.suffix("index.html"))
        .errorDocument(e -> e.key("error.html"))));
    Main.check(s3.getBucketWebsite(b -> b.bucket(name)).errorDocument().key().equals("error.html"), "another configuration");
    s3.putBucketPolicy(b -> b.bucket(name).policy("""
        {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::%s/*"}]}""".formatted(name)));
    for (String key : List.of("docs/index.html", "error.html")) {
      s3.putObject(b -> b.bucket(name).key(key), RequestBody.fromString(key));
    }
    Main.check(page(name, "/docs/").equals("200 docs/index.html"), page(name, "/docs/"));
    Main.check(page(name, "/none").equals("403 error.html"), page(name, "/none"));
  }
}
