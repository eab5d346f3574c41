import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.util.Base64;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Credentials and keys of S3A that are not the plain ones. */
final class Access {
  private static final String PROVIDER = "fs.s3a.aws.credentials.provider";
  private static final String PROVIDERS = "org.apache.hadoop.fs.s3a.";
  private final FileSystem files;
  private final byte[] large;

  Access(FileSystem files, byte[] large) {
    this.files = files;
    this.large = large;
  }

  void run() {
    Steps.step("anonymous", this::anonymous);
    String key = System.getenv("S3_KMS_KEY");
    if (key != null) {
      Steps.step("encryption", () -> encrypted("AES256", "fs.s3a.encryption.algorithm", "AES256"));
      Steps.step("encryption-by-key", () -> encrypted("aws:kms", "fs.s3a.encryption.algorithm", "SSE-KMS",
          "fs.s3a.encryption.key", key));
    }
    if (System.getenv("S3_TLS_ENDPOINT") != null) Steps.step("encryption-with-own-key", this::encryptedWithOwnKey);
  }

  private void anonymous() throws Exception {
    try (var nobody = Files.open(PROVIDER, PROVIDERS + "AnonymousAWSCredentialsProvider")) {
      Steps.refused(AccessDeniedException.class, () -> Files.read(nobody, "/large"));
      Main.withSdk(sdk -> sdk.putBucketPolicy(b -> b.bucket(Steps.BUCKET).policy(policy())));
      Files.expect(nobody, "/large", large);
      Steps.refused(AccessDeniedException.class, () -> Files.create(nobody, "/none").close());
    } finally {
      Main.withSdk(sdk -> sdk.deleteBucketPolicy(b -> b.bucket(Steps.BUCKET)));
    }
  }

  private static String policy() {
    return """
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::%1$s", "arn:aws:s3:::%1$s/*"]}]}""".formatted(Steps.BUCKET);
  }

  private void encrypted(String algorithm, String... settings) throws IOException {
    try (var secret = Files.open(settings)) {
      var renamed = new Path("/" + algorithm);
      Files.write(secret, "/secret", large);
      Steps.check(secret.rename(new Path("/secret"), renamed), "not renamed");
      Files.expect(secret, "/" + algorithm, large);
      byte[] told = secret.getXAttr(renamed, "header.x-amz-server-side-encryption");
      Steps.check(new String(told, StandardCharsets.UTF_8).equals(algorithm), "another algorithm");
    }
  }

  private void encryptedWithOwnKey() throws Exception {
    String endpoint = System.getenv("S3_TLS_ENDPOINT");
    Main.trust(java.nio.file.Path.of(System.getenv("S3_TLS_CERTIFICATE")));
    Main.withSdk(endpoint, sdk -> sdk.createBucket(b -> b.bucket(Steps.BUCKET)));
    String key = Base64.getEncoder().encodeToString(new byte[32]);
    try (var secret = Files.open("fs.s3a.endpoint", endpoint, "fs.s3a.encryption.algorithm", "SSE-C",
        "fs.s3a.encryption.key", key); var plain = Files.open("fs.s3a.endpoint", endpoint)) {
      Files.write(secret, "/secret", large);
      Steps.check(secret.rename(new Path("/secret"), new Path("/renamed")), "not renamed");
      Files.expect(secret, "/renamed", large);
      Steps.refused(IOException.class, () -> Files.read(plain, "/renamed"));
    }
  }
}
