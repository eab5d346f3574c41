import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeMap;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapreduce.Job;
import org.apache.hadoop.mapreduce.Mapper;
import org.apache.hadoop.mapreduce.Reducer;
import org.apache.hadoop.mapreduce.lib.input.FileInputFormat;
import org.apache.hadoop.mapreduce.lib.input.TextInputFormat;
import org.apache.hadoop.mapreduce.lib.output.FileOutputFormat;
import org.apache.hadoop.mapreduce.lib.reduce.LongSumReducer;

/** A job that counts words, its output shown at once by the committers of S3A. */
final class Jobs {
  private static final int WORDS = 60_000;

  private Jobs() {}

  public static final class Words extends Mapper<LongWritable, Text, Text, LongWritable> {
    @Override
    protected void map(LongWritable at, Text line, Context context) throws IOException, InterruptedException {
      for (String word : line.toString().split(" ")) context.write(new Text(word), new LongWritable(1));
    }
  }

  /** Its first attempt writes, and then fails. */
  public static final class Failing extends Reducer<Text, LongWritable, Text, LongWritable> {
    @Override
    protected void reduce(Text word, Iterable<LongWritable> counts, Context context)
        throws IOException, InterruptedException {
      context.write(word, new LongWritable(-1));
      throw new IOException("Failed on purpose");
    }
  }

  static void run(FileSystem files) {
    for (String committer : List.of("magic", "directory", "file")) {
      Steps.step("job-" + committer, () -> count(files, committer));
    }
    Steps.step("job-failed", () -> fail(files));
  }

  private static Job job(String committer, String output) throws IOException {
    var settings = Steps.configuration("mapreduce.framework.name", "local", "fs.s3a.committer.name", committer,
        "fs.defaultFS", "file:///", "mapreduce.cluster.local.dir", Steps.WORK + "/local",
        "mapreduce.jobtracker.staging.root.dir", Steps.WORK + "/staging",
        "fs.s3a.committer.staging.tmp.path", Steps.WORK + "/uploads", "fs.s3a.committer.threads", "4",
        "mapreduce.input.fileinputformat.split.maxsize", "200000",
        "mapreduce.client.completion.pollinterval", "50");
    if (!committer.equals("file")) {
      settings.set("mapreduce.outputcommitter.factory.scheme.s3a",
          "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory");
    }
    var job = Job.getInstance(settings, "words");
    job.setInputFormatClass(TextInputFormat.class);
    job.setMapperClass(Words.class);
    job.setReducerClass(LongSumReducer.class);
    job.setNumReduceTasks(3);
    job.setOutputKeyClass(Text.class);
    job.setOutputValueClass(LongWritable.class);
    FileInputFormat.addInputPath(job, new Path("s3a://" + Steps.BUCKET + "/words"));
    FileOutputFormat.setOutputPath(job, new Path("s3a://" + Steps.BUCKET + output));
    return job;
  }

  private static void count(FileSystem files, String committer) throws Exception {
    var text = new StringBuilder();
    for (int i = 0; i < WORDS; i++) text.append("word").append(i % 100).append(i % 10 == 9 ? '\n' : ' ');
    Files.write(files, "/words/text", text.toString().getBytes(StandardCharsets.UTF_8));
    String output = "/counted-" + committer;
    Steps.check(job(committer, output).waitForCompletion(false), "the job failed");
    var counts = new TreeMap<String, Integer>();
    for (String path : Files.below(files, output)) {
      if (path.endsWith("_SUCCESS")) continue;
      Steps.check(path.startsWith(output + "/part-r-0000"), "left " + path);
      for (String line : new String(Files.read(files, path), StandardCharsets.UTF_8).split("\n")) {
        String[] pair = line.split("\t");
        counts.merge(pair[0], Integer.parseInt(pair[1]), Integer::sum);
      }
    }
    Steps.check(counts.size() == 100 && counts.values().stream().allMatch(n -> n == WORDS / 100), "counted " + counts);
    String success = new String(Files.read(files, output + "/_SUCCESS"), StandardCharsets.UTF_8);
    // The committers of S3A tell in it what they did.
    Steps.check(committer.equals("file") == success.isEmpty(), "told " + success);
    Steps.check(success.isEmpty() || success.contains("\"committer\":\"" + committer + "\""), "told " + success);
    noUploads(files, output);
  }

  private static void fail(FileSystem files) throws Exception {
    String output = "/failed";
    var job = job("magic", output);
    job.setReducerClass(Failing.class);
    Steps.check(!job.waitForCompletion(false), "the job did not fail");
    Steps.check(!files.exists(new Path(output + "/_SUCCESS")), "shown as done");
    Steps.check(Files.below(files, "/").stream().noneMatch(path -> path.startsWith(output + "/part")), "shown");
    noUploads(files, output);
  }

  private static void noUploads(FileSystem files, String path) throws Exception {
    try (var uploader = files.createMultipartUploader(new Path(path)).build()) {
      Steps.check(uploader.abortUploadsUnderPath(new Path(path)).get() == 0, "uploads are left");
    }
  }
}
