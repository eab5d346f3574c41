import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.sha2;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeSet;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/** What Spark does with S3: tables of Parquet, written by S3A's magic committer and read with what is not needed left. */
public final class Main {
  private static final String BUCKET = System.getenv("S3_BUCKET");
  private static final String ROOT = "s3a://" + BUCKET;
  private static final int ROWS = 200_000;
  private static boolean failed = false;

  interface Step {
    void run() throws Exception;
  }

  private final SparkSession spark;
  private final FileSystem files;

  private Main(SparkSession spark, FileSystem files) {
    this.spark = spark;
    this.files = files;
  }

  private static void step(String name, Step work) {
    try {
      work.run();
      System.out.println("ok " + name);
    } catch (Exception | LinkageError error) {
      failed = true;
      System.out.println("failed " + name + ": " + String.valueOf(error).replace('\n', ' '));
    }
  }

  private static void check(boolean isTrue, String what) {
    if (!isTrue) throw new IllegalStateException(what);
  }

  private static SparkSession start() {
    String work = System.getenv("S3_WORK");
    return SparkSession.builder().master("local[2]").appName("cairn")
        .config("spark.ui.enabled", false)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", work + "/spark")
        .config("spark.sql.warehouse.dir", work + "/warehouse")
        .config("spark.sql.shuffle.partitions", 4)
        .config("spark.hadoop.fs.s3a.endpoint", System.getenv("S3_ENDPOINT"))
        .config("spark.hadoop.fs.s3a.endpoint.region", System.getenv("S3_REGION"))
        .config("spark.hadoop.fs.s3a.path.style.access", true)
        .config("spark.hadoop.fs.s3a.access.key", System.getenv("S3_ACCESS_KEY"))
        .config("spark.hadoop.fs.s3a.secret.key", System.getenv("S3_SECRET_KEY"))
        .config("spark.hadoop.fs.s3a.buffer.dir", work + "/buffers")
        .config("spark.hadoop.fs.s3a.multipart.size", "5M")
        .config("spark.hadoop.fs.s3a.multipart.threshold", "5M")
        .config("spark.hadoop.fs.s3a.attempts.maximum", 2)
        .config("spark.hadoop.fs.s3a.retry.limit", 1)
        .config("spark.hadoop.fs.s3a.committer.name", "magic")
        .config("spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a",
            "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory")
        .config("spark.sql.sources.commitProtocolClass",
            "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol")
        .config("spark.sql.parquet.output.committer.class",
            "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter")
        .getOrCreate();
  }

  private static void makeBucket() {
    var credentials = AwsBasicCredentials.create(System.getenv("S3_ACCESS_KEY"), System.getenv("S3_SECRET_KEY"));
    try (var sdk = S3Client.builder().endpointOverride(URI.create(System.getenv("S3_ENDPOINT")))
        .region(Region.of(System.getenv("S3_REGION"))).forcePathStyle(true)
        .credentialsProvider(StaticCredentialsProvider.create(credentials)).build()) {
      sdk.createBucket(b -> b.bucket(BUCKET));
    }
  }

  /** Digests do not compress, so that files have several parts. */
  private Dataset<Row> rows() {
    return spark.range(0, ROWS, 1, 2).select(col("id"), col("id").mod(5).as("day"),
        sha2(col("id").cast("string").cast("binary"), 256).as("text"));
  }

  private TreeSet<String> below(String path) throws IOException {
    var found = new TreeSet<String>();
    var all = files.listFiles(new Path(ROOT + path), true);
    while (all.hasNext()) found.add(all.next().getPath().toUri().getPath());
    return found;
  }

  private void committed(String path) throws Exception {
    for (String file : below(path)) {
      check(file.matches(path + "/(?:_SUCCESS|(?:day=\\d/)?part-.*)"), "left " + file);
    }
    try (var stream = files.open(new Path(ROOT + path + "/_SUCCESS"))) {
      String told = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
      check(told.contains("\"committer\":\"magic\""), "told " + told);
    }
    try (var uploader = files.createMultipartUploader(new Path(ROOT + path)).build()) {
      int left = uploader.abortUploadsUnderPath(new Path(ROOT + path)).get();
      check(left == 0, left + " uploads are left");
    }
  }

  private void write() throws Exception {
    rows().write().parquet(ROOT + "/table");
    committed("/table");
    long largest = 0;
    for (var file : files.listStatus(new Path(ROOT + "/table"))) largest = Math.max(largest, file.getLen());
    check(largest > 5 << 20, "not in parts: " + largest);
  }

  private void read() {
    var table = spark.read().parquet(ROOT + "/table");
    check(table.count() == ROWS, "counted " + table.count());
    check(table.except(rows()).isEmpty() && rows().except(table).isEmpty(), "the content differs");
    // The footer tells which row groups can have it.
    var found = table.filter(col("id").equalTo(123_456)).select("text").collectAsList();
    check(found.equals(rows().filter(col("id").equalTo(123_456)).select("text").collectAsList()), "found " + found);
  }

  private void partitions() throws Exception {
    rows().limit(1000).repartition(col("day")).write().partitionBy("day").parquet(ROOT + "/days");
    committed("/days");
    check(files.listStatus(new Path(ROOT + "/days")).length == 6, "partitions " + below("/days"));
    var day = spark.read().parquet(ROOT + "/days").filter(col("day").equalTo(3));
    check(day.count() == 200 && day.inputFiles().length > 0, "counted " + day.count());
  }

  private void overwrite() throws Exception {
    rows().limit(10).write().mode(SaveMode.Append).partitionBy("day").parquet(ROOT + "/days");
    check(spark.read().parquet(ROOT + "/days").count() == 1010, "not appended");
    rows().limit(20).write().mode(SaveMode.Overwrite).partitionBy("day").parquet(ROOT + "/days");
    committed("/days");
    check(spark.read().parquet(ROOT + "/days").count() == 20, "not overwritten");
  }

  private void formats() throws Exception {
    for (String format : List.of("csv", "json", "orc")) {
      String path = "/" + format;
      rows().limit(1000).write().format(format).option("compression", format.equals("orc") ? "zlib" : "gzip")
          .save(ROOT + path);
      committed(path);
      long count = spark.read().format(format).load(ROOT + path).count();
      check(count == 1000, format + " has " + count);
    }
  }

  private void sql() {
    spark.sql("CREATE TABLE words (id BIGINT, word STRING) USING parquet LOCATION '" + ROOT + "/words'");
    spark.sql("INSERT INTO words SELECT id, concat('w', id % 3) FROM range(300)");
    spark.sql("INSERT INTO words VALUES (300, 'last')");
    var found = spark.sql("SELECT word, count(*) FROM words GROUP BY word ORDER BY word").collectAsList();
    check(found.toString().equals("[[last,1], [w0,100], [w1,100], [w2,100]]"), "found " + found);
  }

  /** A task fails after others have written: nothing of the job may be seen. */
  private void failedJob() throws IOException {
    MapFunction<Long, Long> fail = id -> {
      if (id == 900) throw new IllegalStateException("Failed on purpose");
      return id;
    };
    String told = "";
    try {
      spark.range(0, 1000, 1, 4).as(Encoders.LONG()).map(fail, Encoders.LONG()).withColumn("one", lit(1)).write()
          .parquet(ROOT + "/failed");
    } catch (Exception error) {
      for (Throwable cause = error; cause != null; cause = cause.getCause()) told += cause;
    }
    check(told.contains("Failed on purpose"), "told " + told);
    check(!files.exists(new Path(ROOT + "/failed")) || below("/failed").isEmpty(), "left " + below("/failed"));
  }

  public static void main(String[] arguments) throws Exception {
    step("make-bucket", Main::makeBucket);
    try (SparkSession spark = start()) {
      var files = FileSystem.get(URI.create(ROOT), spark.sparkContext().hadoopConfiguration());
      var main = new Main(spark, files);
      step("write", main::write);
      step("read", main::read);
      step("partitions", main::partitions);
      step("overwrite", main::overwrite);
      step("formats", main::formats);
      step("sql", main::sql);
      step("failed-job", main::failedJob);
    }
    System.exit(failed ? 1 : 0);
  }
}
