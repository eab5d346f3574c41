import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.hadoop.fs.*;

/** Folders that S3 knows nothing of, and files that are written, copied and removed. */
final class Files {
  private final FileSystem files;
  private final byte[] small;
  private final byte[] large;

  Files(FileSystem files, byte[] small, byte[] large) {
    this.files = files;
    this.small = small;
    this.large = large;
  }

  static FileSystem open(String... changes) throws IOException {
    return FileSystem.newInstance(URI.create("s3a://" + Steps.BUCKET), Steps.configuration(changes));
  }

  static void write(FileSystem files, String path, byte[] content) throws IOException {
    try (var stream = files.create(new Path(path), true)) {
      stream.write(content);
    }
  }

  static FSDataOutputStream create(FileSystem files, String path, String... options) throws IOException {
    var builder = files.createFile(new Path(path));
    builder.overwrite(true);
    for (int i = 0; i < options.length; i += 2) builder.must(options[i], options[i + 1]);
    return builder.build();
  }

  static byte[] read(FileSystem files, String path) throws IOException {
    try (var stream = files.open(new Path(path))) {
      return stream.readAllBytes();
    }
  }

  static void expect(FileSystem files, String path, byte[] content) throws IOException {
    Steps.check(Arrays.equals(read(files, path), content), "content differs of " + path);
  }

  static String etag(FileSystem files, String path) throws IOException {
    return ((EtagSource) files.getFileStatus(new Path(path))).getEtag();
  }

  static TreeSet<String> below(FileSystem files, String path) throws IOException {
    var found = new TreeSet<String>();
    var all = files.listFiles(new Path(path), true);
    while (all.hasNext()) found.add(all.next().getPath().toUri().getPath());
    return found;
  }

  void run() {
    Steps.step("folders", this::folders);
    Steps.step("small-files", this::smallFiles);
    Steps.step("multipart", this::multipart);
    Steps.step("upload-parts", this::uploadParts);
    // MinIO finds uploads by their whole key only.
    if (System.getenv("S3_UPLOADS_BELOW") != null) Steps.step("abandoned-uploads", this::abandonedUploads);
    Steps.step("list", this::list);
    Steps.step("rename", this::rename);
    Steps.step("attributes", this::attributes);
    Steps.step("bulk-delete", this::bulkDelete);
    Steps.step("shell", this::shell);
  }

  private void folders() throws Exception {
    files.mkdirs(new Path("/a/b/c"));
    Steps.check(files.getFileStatus(new Path("/a/b")).isDirectory(), "no folder above");
    Steps.check(files.listStatus(new Path("/a/b/c")).length == 0, "not empty");
    write(files, "/a/b/c/file", small);
    Steps.refused(FileAlreadyExistsException.class, () -> files.mkdirs(new Path("/a/b/c/file")));
    Steps.refused(FileNotFoundException.class, () -> files.open(new Path("/a/none")));
    Steps.refused(PathIsNotEmptyDirectoryException.class, () -> files.delete(new Path("/a/b"), false));
    Steps.check(!files.exists(new Path("/a/none")) && files.exists(new Path("/a")), "exists wrongly");
  }

  private void smallFiles() throws Exception {
    String name = "/a/ü +%41 ?=&#";
    write(files, name, small);
    expect(files, name, small);
    Steps.check(below(files, "/a").contains(name), "listed " + below(files, "/a"));
    Steps.refused(FileAlreadyExistsException.class, () -> files.create(new Path(name), false));
    write(files, "/a/empty", new byte[0]);
    expect(files, "/a/empty", new byte[0]);
  }

  private void multipart() throws Exception {
    write(files, "/large", large);
    Steps.check(etag(files, "/large").contains("-3"), "ETag " + etag(files, "/large"));
    expect(files, "/large", large);
    try (var sums = open("fs.s3a.create.checksum.algorithm", "CRC32C", "fs.s3a.checksum.validation", "true")) {
      write(sums, "/sums", large);
      expect(sums, "/sums", large);
    }
  }

  private void uploadParts() throws Exception {
    var path = new Path("/uploads/parts");
    try (var uploader = files.createMultipartUploader(path).build()) {
      var upload = uploader.startUpload(path).get();
      int size = 6 << 20;
      var first = uploader.putPart(upload, 1, false, path, new ByteArrayInputStream(large, 0, size), size).get();
      int rest = large.length - size;
      var last = uploader.putPart(upload, 2, true, path, new ByteArrayInputStream(large, size, rest), rest).get();
      uploader.complete(upload, path, Map.of(1, first, 2, last)).get();
    }
    expect(files, "/uploads/parts", large);
  }

  private void abandonedUploads() throws Exception {
    var path = new Path("/uploads/below/abandoned");
    try (var uploader = files.createMultipartUploader(path).build()) {
      var upload = uploader.startUpload(path).get();
      uploader.putPart(upload, 1, true, path, new ByteArrayInputStream(small), small.length).get();
      int count = uploader.abortUploadsUnderPath(new Path("/uploads")).get();
      Steps.check(count == 1, count + " uploads were found");
      Steps.refused(ExecutionException.class, () -> uploader
          .putPart(upload, 2, true, path, new ByteArrayInputStream(small), small.length).get());
    }
  }

  private void list() throws Exception {
    var expected = new TreeSet<String>();
    for (int i = 0; i < 30; i++) {
      String path = String.format("/list/%d/file %02d", i % 3, i);
      write(files, path, small);
      expected.add(path);
    }
    Steps.check(below(files, "/list").equals(expected), "listed " + below(files, "/list"));
    Steps.check(files.listStatus(new Path("/list")).length == 3, "not three folders");
    Steps.check(files.globStatus(new Path("/list/*/file 1*")).length == 10, "the pattern finds others");
    var sum = files.getContentSummary(new Path("/list"));
    Steps.check(sum.getFileCount() == 30 && sum.getLength() == 30L * small.length, "sums " + sum);
    try (var old = open("fs.s3a.list.version", "1")) {
      Steps.check(below(old, "/list").equals(expected), "listed by version 1: " + below(old, "/list"));
    }
  }

  private void rename() throws Exception {
    write(files, "/list/2/large", large);
    var before = below(files, "/list");
    files.mkdirs(new Path("/moved"));
    Steps.check(files.rename(new Path("/list"), new Path("/moved/to")), "not renamed");
    var after = new TreeSet<String>();
    for (String path : before) after.add(path.replace("/list/", "/moved/to/"));
    Steps.check(below(files, "/moved").equals(after), "now " + below(files, "/moved"));
    Steps.check(!files.exists(new Path("/list")), "still there");
    // Copied by parts, being larger than one.
    expect(files, "/moved/to/2/large", large);
    expect(files, "/moved/to/0/file 00", small);
    Steps.refused(FileNotFoundException.class, () -> files.rename(new Path("/list"), new Path("/moved/again")));
  }

  private void attributes() throws Exception {
    try (var stream = create(files, "/attributes", "fs.s3a.create.header.color", "green")) {
      stream.write(small);
    }
    String color = new String(files.getXAttr(new Path("/attributes"), "header.color"), StandardCharsets.UTF_8);
    Steps.check("green".equals(color), "color " + color);
    try (var sums = open("fs.s3a.etag.checksum.enabled", "true")) {
      Steps.check(sums.getFileChecksum(new Path("/attributes")) != null, "no checksum");
    }
  }

  private void bulkDelete() throws Exception {
    var folder = files.makeQualified(new Path("/moved/to/1"));
    try (var bulk = files.createBulkDelete(folder)) {
      var errors = bulk.bulkDelete(List.of(new Path(folder, "file 01"), new Path(folder, "none")));
      Steps.check(errors.isEmpty() && !files.exists(new Path(folder, "file 01")), "errors " + errors);
    }
    Steps.check(files.delete(new Path("/moved"), true), "not deleted");
    Steps.check(!files.exists(new Path("/moved")), "still there");
    try (var single = open("fs.s3a.multiobjectdelete.enable", "false")) {
      Steps.check(single.delete(new Path("/a"), true) && !single.exists(new Path("/a")), "not deleted one by one");
    }
  }

  private void shell() throws Exception {
    String root = "s3a://" + Steps.BUCKET + "/shell";
    for (List<String> command : List.of(
        List.of("-mkdir", "-p", root + "/in"),
        List.of("-put", Steps.WORK + "/large.bin", Steps.WORK + "/small.bin", root + "/in"),
        List.of("-cp", root + "/in", root + "/out"),
        List.of("-mv", root + "/out/large.bin", root + "/out/moved.bin"),
        List.of("-test", "-f", root + "/out/moved.bin"),
        List.of("-get", root + "/out/moved.bin", Steps.WORK + "/back.bin"),
        List.of("-rm", "-r", "-f", "-skipTrash", root))) {
      var shell = new FsShell(Steps.configuration());
      int code = org.apache.hadoop.util.ToolRunner.run(shell, command.toArray(String[]::new));
      Steps.check(code == 0, "code " + code + " of " + command);
    }
    var back = java.nio.file.Files.readAllBytes(java.nio.file.Path.of(Steps.WORK, "back.bin"));
    Steps.check(Arrays.equals(back, large), "content differs");
  }
}
