import org.apache.hadoop.conf.Configuration;

/** What the programs on Hadoop share: the environment of the runner and the form of its lines. */
final class Steps {
  static final String BUCKET = System.getenv("S3_BUCKET");
  static final String WORK = System.getenv("S3_WORK");
  static boolean failed = false;

  interface Step {
    void run() throws Exception;
  }

  private Steps() {}

  /** Errors of linking too: a class that is missing shows only where it is needed. */
  static void step(String name, Step work) {
    try {
      work.run();
      System.out.println("ok " + name);
    } catch (Exception | LinkageError error) {
      failed = true;
      System.out.println("failed " + name + ": " + String.valueOf(error).replace('\n', ' '));
    }
  }

  static void check(boolean isTrue, String what) {
    if (!isTrue) throw new IllegalStateException(what);
  }

  static void refused(Class<? extends Exception> kind, Step work) throws Exception {
    try {
      work.run();
    } catch (Exception error) {
      if (kind.isInstance(error)) return;
      throw error;
    }
    throw new IllegalStateException("no " + kind.getSimpleName());
  }

  static Configuration configuration(String... changes) {
    var settings = new Configuration();
    settings.set("fs.s3a.endpoint", System.getenv("S3_ENDPOINT"));
    settings.set("fs.s3a.endpoint.region", System.getenv("S3_REGION"));
    settings.set("fs.s3a.path.style.access", "true");
    settings.set("fs.s3a.access.key", System.getenv("S3_ACCESS_KEY"));
    settings.set("fs.s3a.secret.key", System.getenv("S3_SECRET_KEY"));
    settings.set("fs.s3a.aws.credentials.provider", "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider");
    settings.set("fs.s3a.multipart.size", "5M");
    settings.set("fs.s3a.multipart.threshold", "5M");
    settings.set("fs.s3a.paging.maximum", "7");
    // An error is to be seen at once, not after minutes of patience.
    settings.set("fs.s3a.attempts.maximum", "2");
    settings.set("fs.s3a.retry.limit", "1");
    settings.set("hadoop.tmp.dir", WORK + "/tmp");
    for (int i = 0; i < changes.length; i += 2) settings.set(changes[i], changes[i + 1]);
    return settings;
  }
}
