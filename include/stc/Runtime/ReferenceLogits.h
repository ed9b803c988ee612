// The predictions of another model on the same tokens: a stream of log-probabilities.
#ifndef STC_RUNTIME_REFERENCELOGITS_H
#define STC_RUNTIME_REFERENCELOGITS_H

#include "stc/Support/Error.h"
#include "stc/Support/File.h"

#include "absl/types/span.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace stc {

/// What a stream is of. Little endian: "STCLOGIT", u32 version (1), u32 bits of an element (16 or
/// 32), then u64 vocabulary, context, rows and tokensHash; then the rows, the log-probabilities of
/// the whole vocabulary for each predicted token, as f16 or f32.
struct LogitsHeader {
  uint32_t bits = 16;
  uint64_t vocabulary = 0, context = 0, rows = 0;
  uint64_t tokensHash = 0; // of the ids that are scored and those before them

  /// An error that says what differs from what is expected here.
  absl::Status checkAgainst(const LogitsHeader &expected, const std::string &path) const;
};

/// The log-probabilities of logits, in place.
void logSoftmax(absl::Span<float> logits);

/// Writes a stream: to a file that appears when it is complete, or to a descriptor.
class LogitsWriter {
public:
  /// `path` "-" is standard output, in f32 whatever the header says.
  static absl::StatusOr<std::unique_ptr<LogitsWriter>> create(const std::string &path,
                                                              LogitsHeader header);
  absl::Status write(absl::Span<const float> logProbabilities);
  absl::Status finish();

private:
  absl::Status put(const void *data, size_t bytes);
  LogitsHeader header;
  std::unique_ptr<AtomicFile> file; // null: standard output
  std::vector<uint16_t> halves;
};

/// Reads a stream from a file, or from `eval --save-logits -` of another model's binary.
class LogitsReader {
public:
  /// `arguments` are what that binary's eval is called with. Errors: neither a stream nor a
  /// program, and a header that is cut off or damaged.
  static absl::StatusOr<std::unique_ptr<LogitsReader>>
  open(const std::string &path, const std::vector<std::string> &arguments);
  ~LogitsReader();
  const LogitsHeader &header() const { return streamHeader; }
  /// Fills whole rows. Errors: the stream ends, or the program failed.
  absl::Status read(absl::Span<float> rows);

private:
  absl::Status get(void *data, size_t bytes);
  absl::Status startProgram(const std::vector<std::string> &arguments);

  std::string path;
  LogitsHeader streamHeader;
  std::FILE *stream = nullptr;
  pid_t child = -1;
  std::vector<uint16_t> halves;
};

/// KL(reference || model) in nats, of log-probabilities of the whole vocabulary.
double divergenceOf(absl::Span<const float> reference, absl::Span<const float> model);

/// KL(reference || model) per token, and how often both expect the same next token.
struct DivergenceSums {
  int64_t tokens = 0, agreeing = 0;
  double sum = 0, squares = 0;
  void add(double divergence, bool agrees);
  double mean() const;
  double standardError() const;
  double agreement() const;
  double agreementError() const;
};

} // namespace stc

#endif // STC_RUNTIME_REFERENCELOGITS_H
