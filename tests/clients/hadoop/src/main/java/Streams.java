import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileRange;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;

/** Reads here and there, of files that change meanwhile, and writes that must not replace what others wrote. */
final class Streams {
  private static final String IF_NONE = "fs.option.create.conditional.overwrite";
  private static final String IF_ETAG = IF_NONE + ".etag";
  private final byte[] small;
  private final byte[] large;

  Streams(byte[] small, byte[] large) {
    this.small = small;
    this.large = large;
  }

  void run() {
    for (String type : List.of("classic", "prefetch", "analytics")) {
      Steps.step("read-" + type, () -> seek(type));
      Steps.step("vectored-" + type, () -> vectored(type));
    }
    Steps.step("change-by-etag", this::changeByEtag);
    Steps.step("change-by-version", this::changeByVersion);
    Steps.step("create-once", this::createOnce);
    Steps.step("replace-if-same", this::replaceIfSame);
  }

  private void seek(String type) throws Exception {
    try (var files = Files.open("fs.s3a.input.stream.type", type)) {
      Files.expect(files, "/large", large);
      for (String policy : List.of("random", "sequential", "parquet")) {
        var opening = files.openFile(new Path("/large")).opt("fs.option.openfile.read.policy", policy).build();
        try (var stream = opening.get()) {
          byte[] part = new byte[100];
          for (int at : List.of(0, 11 << 20, 3, large.length - 100, (5 << 20) - 50)) {
            stream.seek(at);
            stream.readFully(part);
            same(part, at);
            // Elsewhere, without a seek.
            stream.readFully(large.length / 2, part);
            same(part, large.length / 2);
          }
          stream.seek(large.length - 1);
          Steps.check(stream.read() == (large[large.length - 1] & 255) && stream.read() == -1, "no end");
        }
      }
    }
  }

  private void same(byte[] found, int at) {
    Steps.check(Arrays.equals(found, Arrays.copyOfRange(large, at, at + found.length)), "differs at " + at);
  }

  private void vectored(String type) throws Exception {
    try (var files = Files.open("fs.s3a.input.stream.type", type);
        var stream = files.open(new Path("/large"))) {
      List<FileRange> ranges = new ArrayList<>();
      // Some near enough to be read as one, some far off.
      for (int at : List.of(0, 300, 5000, 1 << 20, (5 << 20) - 10, large.length - 77)) {
        ranges.add(FileRange.createFileRange(at, 77));
      }
      stream.readVectored(ranges, ByteBuffer::allocate);
      for (FileRange range : ranges) {
        byte[] found = new byte[range.getLength()];
        range.getData().get().get(found);
        same(found, (int) range.getOffset());
      }
    }
  }

  /** The reader asks for ranges of the object that it opened, which is none any more. */
  private void changeByEtag() throws Exception {
    try (var files = Files.open("fs.s3a.input.stream.type", "classic", "fs.s3a.change.detection.mode", "server",
        "fs.s3a.experimental.input.fadvise", "random")) {
      Files.write(files, "/changing", large);
      try (var stream = files.open(new Path("/changing"))) {
        byte[] part = new byte[10];
        stream.readFully(0, part);
        Files.write(files, "/changing", Arrays.copyOf(large, large.length - 1));
        Steps.refused(RemoteFileChangedException.class, () -> stream.readFully(8 << 20, part));
      }
    }
  }

  private void changeByVersion() throws Exception {
    Main.versioning("Enabled");
    try (var files = Files.open("fs.s3a.input.stream.type", "classic", "fs.s3a.change.detection.mode", "server",
        "fs.s3a.change.detection.source", "versionid", "fs.s3a.experimental.input.fadvise", "random")) {
      Files.write(files, "/changing", large);
      try (var stream = files.open(new Path("/changing"))) {
        byte[] part = new byte[10];
        stream.readFully(0, part);
        Files.write(files, "/changing", small);
        // The version that was opened stays.
        stream.readFully(8 << 20, part);
        same(part, 8 << 20);
      }
      Files.expect(files, "/changing", small);
    } finally {
      Main.versioning("Suspended");
    }
  }

  /** Both writers found nothing there when they began; the second to end must fail. */
  private void createOnce() throws Exception {
    try (var files = Files.open("fs.s3a.create.conditional.enabled", "true")) {
      for (byte[] content : List.of(small, large)) {
        String path = "/once-" + content.length;
        var first = Files.create(files, path, IF_NONE, "true");
        var second = Files.create(files, path, IF_NONE, "true");
        first.write(content);
        second.write(content);
        first.close();
        String etag = Files.etag(files, path);
        Steps.refused(RemoteFileChangedException.class, () -> second.close());
        Steps.check(Files.etag(files, path).equals(etag), "replaced");
        Steps.refused(FileAlreadyExistsException.class, () -> files.create(new Path(path), false));
      }
    }
  }

  private void replaceIfSame() throws Exception {
    try (var files = Files.open("fs.s3a.create.conditional.enabled", "true")) {
      Files.write(files, "/same", small);
      String etag = Files.etag(files, "/same");
      for (byte[] content : List.of(new byte[] {1}, large)) {
        try (var stream = Files.create(files, "/same", IF_ETAG, etag)) {
          stream.write(content);
        }
        Files.expect(files, "/same", content);
        String old = etag;
        Steps.refused(RemoteFileChangedException.class, () -> {
          try (var stream = Files.create(files, "/same", IF_ETAG, old)) {
            stream.write(small);
          }
        });
        Files.expect(files, "/same", content);
        etag = Files.etag(files, "/same");
      }
    }
  }
}
