// Logits of a whole vocabulary for many tokens: the stored form, writing and reading.
#include "stc/Runtime/LogitsStream.h"

#include "stc/Packing/Bundle.h"
#include "stc/Runtime/ChildProcess.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stc {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "numbers are stored as they lie in memory");

namespace {

constexpr size_t magicBytes = 8;
constexpr char magic[magicBytes + 1] = "STCLOGIT";
constexpr const char *kinds = "saved log-probabilities or a model binary";

/// The header behind its magic.
struct StoredHeader {
  uint32_t version, bits;
  uint64_t vocabulary, context, rows, tokensHash;
};
static_assert(magicBytes + sizeof(StoredHeader) == LogitsHeader::bytes, "no padding");

} // namespace

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

std::vector<uint8_t> LogitsHeader::serialize() const {
  StoredHeader stored{version, bits, vocabulary, context, rows, tokensHash};
  std::vector<uint8_t> result(bytes);
  std::memcpy(result.data(), magic, magicBytes);
  std::memcpy(result.data() + magicBytes, &stored, sizeof(stored));
  return result;
}

absl::StatusOr<LogitsHeader> LogitsHeader::parse(absl::Span<const uint8_t> bytes,
                                                 const std::string &path) {
  if (bytes.size() != LogitsHeader::bytes || std::memcmp(bytes.data(), magic, magicBytes) != 0)
    return formatError({path, "", {}}, kinds, "another file");
  StoredHeader stored;
  std::memcpy(&stored, bytes.data() + magicBytes, sizeof(stored));
  if (stored.version != version)
    return formatError({path, "version", magicBytes}, absl::StrCat(version),
                       absl::StrCat(stored.version));
  if (stored.bits != 16 && stored.bits != 32)
    return formatError({path, "bits", magicBytes + 4}, "16 or 32", absl::StrCat(stored.bits));
  LogitsHeader header;
  header.bits = stored.bits;
  header.vocabulary = stored.vocabulary;
  header.context = stored.context;
  header.rows = stored.rows;
  header.tokensHash = stored.tokensHash;
  return header;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

absl::StatusOr<std::unique_ptr<LogitsWriter>> LogitsWriter::create(const std::string &path,
                                                                   LogitsHeader header) {
  auto writer = std::make_unique<LogitsWriter>();
  writer->path = path;
  if (path == "-") {
    header.bits = 32;
  } else {
    STC_ASSIGN_OR_RETURN(writer->file, AtomicFile::create(path));
  }
  writer->streamHeader = header;
  STC_RETURN_IF_ERROR(writer->write(header.serialize()));
  writer->written = 0;
  return writer;
}

void LogitsWriter::encode(absl::Span<const float> logits, double logSum, uint8_t *out) const {
  if (streamHeader.bits == 32) {
    std::memcpy(out, logits.data(), logits.size() * sizeof(float));
    return;
  }
  for (float logit : logits) {
    uint16_t half = floatToHalf(float(double(logit) - logSum));
    std::memcpy(out, &half, sizeof(half));
    out += sizeof(half);
  }
}

absl::Status LogitsWriter::write(absl::Span<const uint8_t> rows) {
  written += rows.size();
  if (file)
    return file->write(rows);
  STC_RETURN_IF_ERROR(output.write({reinterpret_cast<const char *>(rows.data()), rows.size()}));
  return output.flush();
}

absl::Status LogitsWriter::finish() {
  if (written != streamHeader.rows * streamHeader.rowBytes())
    return formatError({path, "rows", {}}, absl::StrCat(streamHeader.rows),
                       absl::StrCat(written / streamHeader.rowBytes()));
  return file ? file->commit() : absl::OkStatus();
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

absl::StatusOr<std::unique_ptr<LogitsReader>>
LogitsReader::open(const std::string &path, const std::vector<std::string> &arguments) {
  std::unique_ptr<LogitsReader> reader(new LogitsReader);
  reader->filePath = path;
  // Without O_NONBLOCK a named pipe would be waited for.
  reader->descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (reader->descriptor < 0)
    return formatError({path, "", {}}, kinds, std::strerror(errno));
  struct stat status;
  if (fstat(reader->descriptor, &status) != 0 || !S_ISREG(status.st_mode))
    return formatError({path, "", {}}, kinds,
                       S_ISDIR(status.st_mode) ? "a directory" : "no regular file");
  char start[magicBytes] = {};
  ssize_t count = pread(reader->descriptor, start, sizeof(start), 0);
  if (count >= 4 && std::memcmp(start,
                                "\x7f"
                                "ELF",
                                4) == 0) {
    STC_RETURN_IF_ERROR(Bundle::open(path).status()); // other programs are not to be run
    STC_ASSIGN_OR_RETURN(reader->child, ChildProcess::start(path, arguments));
  } else if (count < ssize_t(magicBytes) || std::memcmp(start, magic, magicBytes) != 0) {
    return formatError({path, "", {}}, kinds, "another file");
  }
  std::vector<uint8_t> header(LogitsHeader::bytes);
  STC_RETURN_IF_ERROR(reader->get(header.data(), header.size()));
  STC_ASSIGN_OR_RETURN(reader->streamHeader, LogitsHeader::parse(header, path));
  return reader;
}

LogitsReader::~LogitsReader() {
  if (descriptor >= 0)
    close(descriptor);
}

absl::Status LogitsReader::check(const LogitsHeader &expected) const {
  struct Field {
    const char *name;
    uint64_t expected, got;
  };
  for (const Field &field : {Field{"vocabulary", expected.vocabulary, streamHeader.vocabulary},
                             Field{"context", expected.context, streamHeader.context},
                             Field{"scored tokens", expected.rows, streamHeader.rows}})
    if (field.expected != field.got)
      return formatError({filePath, field.name, {}}, absl::StrCat(field.expected),
                         absl::StrCat(field.got));
  if (streamHeader.tokensHash != expected.tokensHash)
    return formatError({filePath, "tokens", {}}, "the ids that the evaluated model reads",
                       "those of another text or tokenizer");
  struct stat status;
  uint64_t whole = LogitsHeader::bytes + streamHeader.rows * streamHeader.rowBytes();
  if (!child && fstat(descriptor, &status) == 0 && uint64_t(status.st_size) != whole)
    return formatError({filePath, "", {}}, absl::StrCat(whole, " bytes"),
                       absl::StrCat(status.st_size));
  return absl::OkStatus();
}

absl::Status LogitsReader::get(void *data, size_t bytes) {
  int source = child ? child->output() : descriptor;
  for (size_t done = 0; done < bytes;) {
    ssize_t count = ::read(source, static_cast<char *>(data) + done, bytes - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return formatError({filePath, "", {}}, "a file that can be read", std::strerror(errno));
    if (count == 0 && child)
      return formatError({filePath, "", {}}, "a model that can score the same text",
                         child->wait().value_or("the end of its output"));
    if (count == 0)
      return formatError({filePath, "", {}}, "whole rows of logits", "the end of the file");
    done += size_t(count);
  }
  return absl::OkStatus();
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

absl::Status LogitsReader::finish() {
  if (!child)
    return absl::OkStatus(); // its length was checked
  char more;
  if (::read(child->output(), &more, 1) > 0)
    return formatError({filePath, "", {}}, "the end of the logits", "more of them");
  if (std::optional<std::string> failure = child->wait())
    return formatError({filePath, "", {}}, "a model that can score the same text", *failure);
  return absl::OkStatus();
}

} // namespace stc
