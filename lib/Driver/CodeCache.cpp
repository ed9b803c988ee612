// Reads and writes the files of a code cache.
#include "CodeCache.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"

#include <chrono>

using namespace stc;

static constexpr absl::string_view kMagic = "STCCODE1";
static constexpr size_t kNumberBytes = 8;

static llvm::ArrayRef<uint8_t> bytesOf(absl::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

static void append(std::string &text, uint64_t number) {
  char bytes[kNumberBytes];
  llvm::support::endian::write64le(bytes, number);
  text.append(bytes, kNumberBytes);
}

static std::string hashOf(const std::string &key) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(bytesOf(key));
  std::string text;
  append(text, hash.high64);
  append(text, hash.low64);
  return text;
}

static std::string pathOf(const std::string &folder, const std::string &hash) {
  auto number = [&](size_t at) { return llvm::support::endian::read64le(hash.data() + at); };
  return absl::StrCat(folder, "/", absl::Hex(number(0), absl::kZeroPad16),
                      absl::Hex(number(kNumberBytes), absl::kZeroPad16));
}

/// The texts of a whole file; nothing if it is damaged or another key's.
static std::optional<std::vector<std::string>> parse(absl::string_view data,
                                                     const std::string &hash) {
  std::string begin = absl::StrCat(kMagic, hash);
  if (data.size() < begin.size() + 2 * kNumberBytes || data.substr(0, begin.size()) != begin)
    return std::nullopt;
  absl::string_view body = data.substr(0, data.size() - kNumberBytes);
  if (llvm::support::endian::read64le(data.data() + body.size()) !=
      llvm::xxh3_64bits(bytesOf(body)))
    return std::nullopt;
  body.remove_prefix(begin.size());
  auto number = [&] {
    uint64_t value = llvm::support::endian::read64le(body.data());
    body.remove_prefix(kNumberBytes);
    return value;
  };
  std::vector<std::string> texts;
  for (uint64_t count = number(); count > 0; --count) {
    if (body.size() < kNumberBytes)
      return std::nullopt;
    uint64_t size = number();
    if (size > body.size())
      return std::nullopt;
    texts.emplace_back(body.substr(0, size));
    body.remove_prefix(size);
  }
  return texts;
}

std::optional<std::vector<std::string>> CodeCache::find(const std::string &key) const {
  std::string hash = hashOf(key), path = pathOf(folder, hash);
  absl::StatusOr<std::string> data = readFile(path, limit);
  if (!data.ok())
    return std::nullopt;
  std::optional<std::vector<std::string>> texts = parse(*data, hash);
  int file;
  if (texts && !llvm::sys::fs::openFileForWrite(path, file, llvm::sys::fs::CD_OpenExisting,
                                                llvm::sys::fs::OF_None)) {
    (void)llvm::sys::fs::setLastAccessAndModificationTime(file, std::chrono::system_clock::now());
    (void)llvm::sys::Process::SafelyCloseFileDescriptor(file);
  }
  return texts;
}

void CodeCache::add(const std::string &key, const std::vector<std::string> &texts) const {
  if (llvm::sys::fs::create_directories(folder))
    return;
  std::string hash = hashOf(key), data = absl::StrCat(kMagic, hash);
  append(data, texts.size());
  for (const std::string &text : texts) {
    append(data, text.size());
    data += text;
  }
  append(data, llvm::xxh3_64bits(bytesOf(data)));
  auto output = AtomicFile::create(pathOf(folder, hash));
  if (output.ok() && (*output)->write(data).ok() && (*output)->commit().ok())
    makeRoom();
}

void CodeCache::makeRoom() const {
  struct File {
    llvm::sys::TimePoint<> used;
    uint64_t size;
    std::string path;
  };
  std::vector<File> files;
  uint64_t bytes = 0;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder, error), end; it != end && !error;
       it.increment(error))
    if (auto status = it->status()) {
      files.push_back({status->getLastModificationTime(), status->getSize(), it->path()});
      bytes += status->getSize();
    }
  if (bytes <= limit)
    return;
  llvm::sort(files, [](const File &a, const File &b) { return a.used < b.used; });
  // A little more than needed, so that not every compilation looks for room.
  for (const File &file : files) {
    if (bytes <= limit / 10 * 9)
      return;
    if (!llvm::sys::fs::remove(file.path))
      bytes -= file.size;
  }
}
