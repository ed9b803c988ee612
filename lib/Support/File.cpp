// Reading: whole files mapped into memory or copied, and only regular files.
#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stc {

namespace {

constexpr absl::string_view readable = "a readable regular file";

/// Opens `path` for reading if it is a regular file. O_NONBLOCK keeps a pipe without a writer from
/// blocking the open before its kind is known.
absl::StatusOr<int> openRegular(const std::string &path, struct stat &info) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0)
    return formatError({path, "", {}}, readable, std::strerror(errno));
  const char *problem = nullptr;
  if (fstat(descriptor, &info) != 0)
    problem = std::strerror(errno);
  else if (S_ISDIR(info.st_mode))
    problem = "a directory";
  else if (!S_ISREG(info.st_mode))
    problem = "a pipe, device or socket";
  if (!problem)
    return descriptor;
  ::close(descriptor);
  return formatError({path, "", {}}, readable, problem);
}

} // namespace

absl::StatusOr<std::shared_ptr<MappedFile>> MappedFile::open(const std::string &path) {
  struct stat info;
  STC_ASSIGN_OR_RETURN(int descriptor, openRegular(path, info));
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->filePath = path;
  file->size = size_t(info.st_size);
  if (file->size == 0) {
    ::close(descriptor);
    return file;
  }
  void *mapping = mmap(nullptr, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  int error = errno;
  ::close(descriptor);
  if (mapping == MAP_FAILED) {
    file->size = 0;
    return formatError({path, "", {}}, "a file that can be mapped", std::strerror(error));
  }
  file->data = static_cast<const uint8_t *>(mapping);
  return file;
}

MappedFile::~MappedFile() {
  if (data)
    munmap(const_cast<uint8_t *>(data), size);
}

void MappedFile::release(uint64_t offset, uint64_t length) const {
  if (!data || offset >= size)
    return;
  length = std::min<uint64_t>(length, size - offset);
  // Whole pages only; a page shared with a neighbouring tensor is simply read again.
  uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  uint64_t begin = offset / page * page;
  madvise(const_cast<uint8_t *>(data) + begin, offset + length - begin, MADV_DONTNEED);
}

void MappedFile::preferLargePages() const {
  if (data)
    madvise(const_cast<uint8_t *>(data), size, MADV_HUGEPAGE);
}

absl::StatusOr<std::string> readFile(const std::string &path, uint64_t maxBytes) {
  struct stat info;
  STC_ASSIGN_OR_RETURN(int descriptor, openRegular(path, info));
  auto tooLong = [&](uint64_t size) {
    return formatError({path, "", {}}, absl::StrCat("at most ", maxBytes, " bytes"),
                       absl::StrCat(size, " bytes or more"));
  };
  if (uint64_t(info.st_size) > maxBytes) {
    ::close(descriptor);
    return tooLong(uint64_t(info.st_size));
  }
  // Read to the end rather than st_size bytes: the files of /proc claim to be empty.
  std::string text;
  text.reserve(size_t(info.st_size) + 1);
  constexpr size_t chunk = 1 << 16;
  while (true) {
    size_t used = text.size();
    text.resize(std::max(used + chunk, text.capacity()));
    ssize_t count = ::read(descriptor, &text[used], text.size() - used);
    int error = errno;
    text.resize(used + size_t(std::max<ssize_t>(count, 0)));
    if (count < 0 && error == EINTR)
      continue;
    if (count < 0 || text.size() > maxBytes) {
      ::close(descriptor);
      return count < 0 ? formatError({path, "", {}}, readable, std::strerror(error))
                       : tooLong(text.size());
    }
    if (count == 0)
      break;
  }
  ::close(descriptor);
  return text;
}

} // namespace stc
