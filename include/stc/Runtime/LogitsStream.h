// Logits of a whole vocabulary for many tokens, in a file or from another model's process.
#ifndef STC_RUNTIME_LOGITSSTREAM_H
#define STC_RUNTIME_LOGITSSTREAM_H

#include "stc/Runtime/Output.h"
#include "stc/Support/File.h"

#include "absl/types/span.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace stc {

class ChildProcess;

/// What a stream is of. Little endian: "STCLOGIT", u32 version (1), u32 bits of an element, then
/// u64 vocabulary, context, rows and tokensHash: 48 bytes; then one row of `vocabulary` elements
/// per scored token. 16 bits are the log-probabilities as float16, 32 bits the logits as float32.
struct LogitsHeader {
  static constexpr uint32_t version = 1;
  static constexpr size_t bytes = 48;
  uint32_t bits = 16;
  uint64_t vocabulary = 0; // elements of a row
  uint64_t context = 0;    // tokens of a window
  uint64_t rows = 0;       // scored tokens
  uint64_t tokensHash = 0; // the XXH3-64 of all windows: i32 length and ids of each in turn

  size_t rowBytes() const { return size_t(vocabulary) * (bits / 8); }
  /// As it is stored.
  std::vector<uint8_t> serialize() const;
  /// Reads `bytes` bytes. `path` is for errors: another magic, version or element.
  static absl::StatusOr<LogitsHeader> parse(absl::Span<const uint8_t> bytes,
                                            const std::string &path);
};

/// Writes one stream: to a file that appears once it is whole, or to standard output ("-"), which
/// gets 32 bits whatever the header says, because a pipe costs no disk.
class LogitsWriter {
public:
  static absl::StatusOr<std::unique_ptr<LogitsWriter>> create(const std::string &path,
                                                              LogitsHeader header);
  const LogitsHeader &header() const { return streamHeader; }
  /// Stores one row at `out`, rowBytes() bytes. `logSum` is logSumExp(logits). Any thread may call
  /// it.
  void encode(absl::Span<const float> logits, double logSum, uint8_t *out) const;
  /// Appends encoded rows.
  absl::Status write(absl::Span<const uint8_t> rows);
  /// Error: fewer or more rows than the header says.
  absl::Status finish();

private:
  std::string path;
  LogitsHeader streamHeader;
  std::unique_ptr<AtomicFile> file; // null: standard output
  Output output;
  uint64_t written = 0; // bytes of rows
};

/// Reads one stream.
class LogitsReader {
public:
  /// Opens the reference at `path`: saved logits, or a model binary, whose `eval` is started with
  /// `arguments` and writes the stream into a pipe. A binary that is run is trusted. Errors:
  /// neither of both, or a damaged header.
  static absl::StatusOr<std::unique_ptr<LogitsReader>>
  open(const std::string &path, const std::vector<std::string> &arguments);
  ~LogitsReader();
  LogitsReader(const LogitsReader &) = delete;
  LogitsReader &operator=(const LogitsReader &) = delete;

  const std::string &path() const { return filePath; }
  const LogitsHeader &header() const { return streamHeader; }
  /// An error unless the stream is of `expected` (but for the bits) and, of a file, as long as that
  /// takes. Call it before `read`: nothing is known to be true of a header before.
  absl::Status check(const LogitsHeader &expected) const;
  /// Fills whole rows with logits, or log-probabilities. Errors: the stream ends, or its process
  /// failed, with what that said.
  absl::Status read(absl::Span<float> rows);
  /// After the last row. Errors: more of them, or the process failed.
  absl::Status finish();

private:
  LogitsReader() = default;
  absl::Status get(void *data, size_t bytes);

  std::string filePath;
  LogitsHeader streamHeader;
  int descriptor = -1;                 // of a file
  std::unique_ptr<ChildProcess> child; // or the process
  std::vector<uint16_t> halves;
};

} // namespace stc

#endif // STC_RUNTIME_LOGITSSTREAM_H
