import java.net.URI;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.function.Consumer;
import org.apache.hadoop.fs.FileSystem;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/** What Hadoop's jobs do with S3 by its S3A connector. */
public final class Main {
  private Main() {}

  /** For what S3A leaves to others: buckets. */
  static void withSdk(Consumer<S3Client> work) {
    withSdk(System.getenv("S3_ENDPOINT"), work);
  }

  static void withSdk(String endpoint, Consumer<S3Client> work) {
    var credentials = StaticCredentialsProvider.create(
        AwsBasicCredentials.create(System.getenv("S3_ACCESS_KEY"), System.getenv("S3_SECRET_KEY")));
    try (var sdk = S3Client.builder().endpointOverride(URI.create(endpoint)).forcePathStyle(true)
        .region(Region.of(System.getenv("S3_REGION"))).credentialsProvider(credentials).build()) {
      work.accept(sdk);
    }
  }

  /** The one certificate that connections of this program trust from now on. */
  static void trust(Path certificate) throws Exception {
    var store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (var stream = java.nio.file.Files.newInputStream(certificate)) {
      store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(stream));
    }
    var file = Path.of(Steps.WORK, "trusted.p12");
    try (var stream = java.nio.file.Files.newOutputStream(file)) {
      store.store(stream, "trusted".toCharArray());
    }
    System.setProperty("javax.net.ssl.trustStore", file.toString());
    System.setProperty("javax.net.ssl.trustStorePassword", "trusted");
  }

  static void versioning(String status) {
    withSdk(sdk -> sdk.putBucketVersioning(b -> b.bucket(Steps.BUCKET).versioningConfiguration(v -> v.status(status))));
  }

  public static void main(String[] arguments) throws Exception {
    byte[] small = java.nio.file.Files.readAllBytes(Path.of(Steps.WORK, "small.bin"));
    byte[] large = java.nio.file.Files.readAllBytes(Path.of(Steps.WORK, "large.bin"));
    Steps.step("make-bucket", () -> withSdk(sdk -> sdk.createBucket(b -> b.bucket(Steps.BUCKET))));
    try (FileSystem files = Files.open()) {
      new Files(files, small, large).run();
      new Streams(small, large).run();
      new Access(files, large).run();
      Jobs.run(files);
    }
    System.exit(Steps.failed ? 1 : 0);
  }
}
