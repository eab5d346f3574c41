import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.*;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

/** The steps of every client, with the AWS SDK for Java v2. */
public final class Main {
  interface Step {
    void run() throws Exception;
  }

  private static boolean failed = false;

  static void step(String name, Step work) {
    try {
      work.run();
      System.out.println("ok " + name);
    } catch (Exception error) {
      failed = true;
      System.out.println("failed " + name + ": " + String.valueOf(error).replace('\n', ' '));
    }
  }

  static void check(boolean isTrue, String what) {
    if (!isTrue) throw new IllegalStateException(what);
  }

  public static void main(String[] arguments) throws Exception {
    // Websites are told apart by it.
    System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host");
    String bucket = System.getenv("S3_BUCKET");
    URI endpoint = URI.create(System.getenv("S3_ENDPOINT"));
    Region region = Region.of(System.getenv("S3_REGION"));
    var credentials = StaticCredentialsProvider.create(
        AwsBasicCredentials.create(System.getenv("S3_ACCESS_KEY"), System.getenv("S3_SECRET_KEY")));
    var style = S3Configuration.builder().pathStyleAccessEnabled(true).build();
    Path work = Path.of(System.getenv("S3_WORK"));
    byte[] small = Files.readAllBytes(work.resolve("small.bin"));
    byte[] large = Files.readAllBytes(work.resolve("large.bin"));
    S3Client s3 = S3Client.builder().endpointOverride(endpoint).region(region)
        .credentialsProvider(credentials).serviceConfiguration(style)
        .httpClient(UrlConnectionHttpClient.builder().socketTimeout(Duration.ofSeconds(60)).build()).build();

    step("make-bucket", () -> {
      s3.createBucket(b -> b.bucket(bucket));
      check(s3.listBuckets().buckets().stream().anyMatch(b -> b.name().equals(bucket)), "bucket not listed");
      s3.headBucket(b -> b.bucket(bucket));
    });
    step("put-small", () -> s3.putObject(
        b -> b.bucket(bucket).key("small").contentType("text/plain").metadata(java.util.Map.of("color", "green")),
        RequestBody.fromBytes(small)));
    step("get-small", () -> {
      var reply = s3.getObjectAsBytes(b -> b.bucket(bucket).key("small"));
      check(Arrays.equals(reply.asByteArray(), small), "content differs");
      check("green".equals(reply.response().metadata().get("color")), "metadata differs");
      var range = s3.getObjectAsBytes(b -> b.bucket(bucket).key("small").range("bytes=10-19"));
      check(Arrays.equals(range.asByteArray(), Arrays.copyOfRange(small, 10, 20)), "range differs");
    });
    step("put-multipart", () -> {
      String id = s3.createMultipartUpload(b -> b.bucket(bucket).key("large")).uploadId();
      List<CompletedPart> parts = new ArrayList<>();
      int size = 5 * 1024 * 1024;
      for (int number = 1; (number - 1) * size < large.length; number++) {
        int n = number;
        byte[] part = Arrays.copyOfRange(large, (n - 1) * size, Math.min(n * size, large.length));
        var reply = s3.uploadPart(b -> b.bucket(bucket).key("large").uploadId(id).partNumber(n), RequestBody.fromBytes(part));
        parts.add(CompletedPart.builder().partNumber(n).eTag(reply.eTag()).checksumCRC32(reply.checksumCRC32()).build());
      }
      s3.completeMultipartUpload(b -> b.bucket(bucket).key("large").uploadId(id).multipartUpload(u -> u.parts(parts)));
    });
    step("get-multipart", () -> {
      var bytes = new ByteArrayOutputStream();
      try (var stream = s3.getObject(GetObjectRequest.builder().bucket(bucket).key("large").build())) {
        stream.transferTo(bytes);
      }
      check(Arrays.equals(bytes.toByteArray(), large), "content differs");
    });
    step("list-1000", () -> {
      for (int i = 0; i < 1005; i++) {
        String key = String.format("many/%04d", i);
        s3.putObject(b -> b.bucket(bucket).key(key), RequestBody.fromString(key));
      }
      List<String> keys = new ArrayList<>();
      s3.listObjectsV2Paginator(b -> b.bucket(bucket).prefix("many/")).contents().forEach(o -> keys.add(o.key()));
      check(keys.size() == 1005 && keys.get(1004).equals("many/1004"), "listed " + keys.size());
    });
    step("copy", () -> {
      s3.copyObject(b -> b.sourceBucket(bucket).sourceKey("large").destinationBucket(bucket).destinationKey("copied ü"));
      check(s3.headObject(b -> b.bucket(bucket).key("copied ü")).contentLength() == large.length, "size differs");
    });
    step("versions", () -> {
      String versioned = bucket + "-v";
      s3.createBucket(b -> b.bucket(versioned));
      s3.putBucketVersioning(b -> b.bucket(versioned).versioningConfiguration(v -> v.status(BucketVersioningStatus.ENABLED)));
      String first = s3.putObject(b -> b.bucket(versioned).key("k"), RequestBody.fromString("one")).versionId();
      s3.putObject(b -> b.bucket(versioned).key("k"), RequestBody.fromString("two"));
      s3.deleteObject(b -> b.bucket(versioned).key("k"));
      check(s3.getObjectAsBytes(b -> b.bucket(versioned).key("k").versionId(first)).asUtf8String().equals("one"), "first differs");
      var listed = s3.listObjectVersions(b -> b.bucket(versioned));
      check(listed.versions().size() == 2 && listed.deleteMarkers().size() == 1, "listed wrongly");
      for (var v : listed.versions()) s3.deleteObject(b -> b.bucket(versioned).key(v.key()).versionId(v.versionId()));
      for (var m : listed.deleteMarkers()) s3.deleteObject(b -> b.bucket(versioned).key(m.key()).versionId(m.versionId()));
      s3.deleteBucket(b -> b.bucket(versioned));
    });
    step("presigned", () -> {
      try (var presigner = S3Presigner.builder().endpointOverride(endpoint).region(region)
          .credentialsProvider(credentials).serviceConfiguration(style).build()) {
        var signed = presigner.presignGetObject(p -> p.signatureDuration(Duration.ofMinutes(5))
            .getObjectRequest(g -> g.bucket(bucket).key("small")));
        try (var stream = signed.url().openStream()) {
          check(Arrays.equals(stream.readAllBytes(), small), "content differs");
        }
      }
    });
    String secureEndpoint = System.getenv("S3_TLS_ENDPOINT");
    S3Client secure = secureEndpoint == null ? null : S3Client.builder().endpointOverride(URI.create(secureEndpoint))
        .region(region).credentialsProvider(credentials).serviceConfiguration(style)
        .httpClient(Features.trusting(Path.of(System.getenv("S3_TLS_CERTIFICATE"))).build()).build();
    try (var streaming = S3AsyncClient.builder().endpointOverride(endpoint).region(region)
        .credentialsProvider(credentials).serviceConfiguration(style).build()) {
      new Features(s3, bucket, small, large).run(secure, streaming);
    }
    step("delete", () -> {
      List<ObjectIdentifier> batch = new ArrayList<>();
      List<String> keys = new ArrayList<>();
      s3.listObjectsV2Paginator(b -> b.bucket(bucket)).contents().forEach(o -> keys.add(o.key()));
      for (String key : keys) {
        batch.add(ObjectIdentifier.builder().key(key).build());
        if (batch.size() == 1000 || key.equals(keys.get(keys.size() - 1))) {
          var objects = List.copyOf(batch);
          var reply = s3.deleteObjects(b -> b.bucket(bucket).delete(d -> d.objects(objects)));
          check(reply.errors().isEmpty(), "errors " + reply.errors());
          batch.clear();
        }
      }
      try {
        s3.headObject(b -> b.bucket(bucket).key("small"));
        check(false, "still there");
      } catch (NoSuchKeyException expected) {
        // It is gone, as it should be.
      }
    });
    step("remove-bucket", () -> s3.deleteBucket(b -> b.bucket(bucket)));
    System.exit(failed ? 1 : 0);
  }
}
