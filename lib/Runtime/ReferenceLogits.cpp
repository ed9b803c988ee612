// The predictions of another model on the same tokens: a stream of log-probabilities.
#include "stc/Runtime/ReferenceLogits.h"

#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace stc {

namespace {

constexpr char kMagic[8] = {'S', 'T', 'C', 'L', 'O', 'G', 'I', 'T'};
constexpr uint32_t kVersion = 1;

/// The header's bytes, but for the magic.
struct Fields {
  uint32_t version, bits;
  uint64_t vocabulary, context, rows, tokensHash;
};

} // namespace

absl::Status LogitsHeader::checkAgainst(const LogitsHeader &expected,
                                        const std::string &path) const {
  auto mismatch = [&](const char *field, uint64_t wanted, uint64_t got) {
    return formatError({path, field, {}}, absl::StrCat(wanted), absl::StrCat(got));
  };
  if (vocabulary != expected.vocabulary)
    return mismatch("vocabulary", expected.vocabulary, vocabulary);
  if (context != expected.context)
    return mismatch("context", expected.context, context);
  if (rows != expected.rows)
    return mismatch("scored tokens", expected.rows, rows);
  if (tokensHash != expected.tokensHash)
    return formatError({path, "tokens", {}}, "those of this text and tokenizer", "others");
  return absl::OkStatus();
}

void logSoftmax(absl::Span<float> logits) {
  double largest = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit) - largest);
  double total = largest + std::log(sum);
  for (float &logit : logits)
    logit = float(double(logit) - total);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

absl::StatusOr<std::unique_ptr<LogitsWriter>> LogitsWriter::create(const std::string &path,
                                                                   LogitsHeader header) {
  auto writer = std::make_unique<LogitsWriter>();
  if (path == "-") {
    header.bits = 32;
  } else {
    STC_ASSIGN_OR_RETURN(writer->file, AtomicFile::create(path));
  }
  writer->header = header;
  Fields fields{kVersion,       header.bits, header.vocabulary,
                header.context, header.rows, header.tokensHash};
  STC_RETURN_IF_ERROR(writer->put(kMagic, sizeof(kMagic)));
  STC_RETURN_IF_ERROR(writer->put(&fields, sizeof(fields)));
  return writer;
}

absl::Status LogitsWriter::put(const void *data, size_t bytes) {
  if (file)
    return file->write(absl::Span<const uint8_t>(static_cast<const uint8_t *>(data), bytes));
  if (std::fwrite(data, 1, bytes, stdout) != bytes)
    return formatError({"-", "", {}}, "a reader of the log-probabilities", std::strerror(errno));
  return absl::OkStatus();
}

absl::Status LogitsWriter::write(absl::Span<const float> logProbabilities) {
  if (header.bits == 32)
    return put(logProbabilities.data(), logProbabilities.size() * sizeof(float));
  halves.resize(logProbabilities.size());
  // What f16 cannot hold is as good as impossible.
  for (size_t i = 0; i < halves.size(); ++i)
    halves[i] = floatToHalf(std::max(logProbabilities[i], -65504.0f));
  return put(halves.data(), halves.size() * sizeof(uint16_t));
}

absl::Status LogitsWriter::finish() {
  if (file)
    return file->commit();
  return std::fflush(stdout) == 0 ? absl::OkStatus() : put(nullptr, 1);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

absl::StatusOr<std::unique_ptr<LogitsReader>>
LogitsReader::open(const std::string &path, const std::vector<std::string> &arguments) {
  auto reader = std::make_unique<LogitsReader>();
  reader->path = path;
  reader->stream = std::fopen(path.c_str(), "rb");
  if (!reader->stream)
    return formatError({path, "", {}}, "saved log-probabilities or a model binary",
                       std::strerror(errno));
  char magic[sizeof(kMagic)] = {};
  size_t count = std::fread(magic, 1, sizeof(magic), reader->stream);
  if (count == sizeof(magic) && std::memcmp(magic,
                                            "\x7f"
                                            "ELF",
                                            4) == 0) {
    STC_RETURN_IF_ERROR(reader->startProgram(arguments));
    STC_RETURN_IF_ERROR(reader->get(magic, sizeof(magic)));
    count = sizeof(magic);
  }
  if (count != sizeof(magic) || std::memcmp(magic, kMagic, sizeof(magic)) != 0)
    return formatError({path, "", {}}, "saved log-probabilities or a model binary", "another file");
  Fields fields{};
  STC_RETURN_IF_ERROR(reader->get(&fields, sizeof(fields)));
  if (fields.version != kVersion || (fields.bits != 16 && fields.bits != 32))
    return formatError({path, "version", {}}, absl::StrCat(kVersion, " with 16 or 32 bits"),
                       absl::StrCat(fields.version, " with ", fields.bits));
  reader->streamHeader = {fields.bits, fields.vocabulary, fields.context, fields.rows,
                          fields.tokensHash};
  return reader;
}

absl::Status LogitsReader::startProgram(const std::vector<std::string> &arguments) {
  std::fclose(stream);
  stream = nullptr;
  int ends[2];
  if (pipe(ends) != 0)
    return formatError({path, "", {}}, "a pipe", std::strerror(errno));
  std::string program = path.find('/') == std::string::npos ? "./" + path : path;
  std::vector<std::string> words{program, "eval"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.insert(words.end(), {"--save-logits", "-", "--quiet"});
  std::vector<char *> pointers;
  for (std::string &word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  int failed = posix_spawn(&child, program.c_str(), &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (failed) {
    child = -1;
    close(ends[0]);
    return formatError({path, "", {}}, "a program that can be run", std::strerror(failed));
  }
  stream = fdopen(ends[0], "rb");
  return absl::OkStatus();
}

LogitsReader::~LogitsReader() {
  if (stream)
    std::fclose(stream); // a child that still writes ends at that
  if (child > 0)
    waitpid(child, nullptr, 0);
}

absl::Status LogitsReader::get(void *data, size_t bytes) {
  if (std::fread(data, 1, bytes, stream) == bytes)
    return absl::OkStatus();
  if (child > 0) {
    int status = 0;
    waitpid(child, &status, 0);
    child = -1;
    return formatError({path, "", {}}, "the reference to score the same text",
                       "one that failed, as said above");
  }
  return formatError({path, "", {}}, "whole rows of log-probabilities", "the end of the file");
}

absl::Status LogitsReader::read(absl::Span<float> rows) {
  if (streamHeader.bits == 32)
    return get(rows.data(), rows.size() * sizeof(float));
  halves.resize(rows.size());
  STC_RETURN_IF_ERROR(get(halves.data(), halves.size() * sizeof(uint16_t)));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = halfToFloat(halves[i]);
  return absl::OkStatus();
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

double divergenceOf(absl::Span<const float> reference, absl::Span<const float> model) {
  double divergence = 0;
  for (size_t i = 0; i < reference.size(); ++i)
    divergence += std::exp(double(reference[i])) * (double(reference[i]) - double(model[i]));
  return divergence;
}

void DivergenceSums::add(double divergence, bool agrees) {
  ++tokens;
  sum += divergence;
  squares += divergence * divergence;
  agreeing += agrees;
}

double DivergenceSums::mean() const { return tokens ? sum / double(tokens) : 0; }
double DivergenceSums::agreement() const { return tokens ? double(agreeing) / double(tokens) : 0; }

double DivergenceSums::standardError() const {
  if (tokens < 2)
    return 0;
  double variance = std::max(0.0, (squares - mean() * sum) / double(tokens - 1));
  return std::sqrt(variance / double(tokens));
}

double DivergenceSums::agreementError() const {
  return tokens ? std::sqrt(agreement() * (1 - agreement()) / double(tokens)) : 0;
}

} // namespace stc
