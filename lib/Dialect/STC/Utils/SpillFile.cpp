// An unlinked temporary file for data that must not live in memory.
#include "SpillFile.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace stc {

namespace {

/// Opens a nameless file in `folder`, or returns -1 with errno set.
int openUnlinked(const std::string &folder) {
#ifdef O_TMPFILE
  int nameless = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless >= 0)
    return nameless;
#endif
  // Not every file system knows O_TMPFILE.
  std::string name = folder + "/stc-spill-XXXXXX";
  int descriptor = mkstemp(name.data());
  if (descriptor < 0)
    return -1;
  unlink(name.c_str());
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return descriptor;
}

absl::Status ioError(const std::string &folder, absl::string_view expected) {
  return formatError({folder, "spill file", std::nullopt}, expected, std::strerror(errno));
}

} // namespace

SpillFile::~SpillFile() {
  if (descriptor >= 0)
    close(descriptor);
}

absl::Status SpillFile::open() {
  std::lock_guard<std::mutex> lock(mutex);
  if (descriptor >= 0)
    return absl::OkStatus();
  // /var/tmp comes before /tmp because the latter is often memory, which spilling is to spare.
  std::vector<std::string> folders;
  if (const char *chosen = std::getenv("TMPDIR"); chosen && *chosen)
    folders.push_back(chosen);
  else
    folders = {"/var/tmp", "/tmp"};
  for (const std::string &candidate : folders) {
    folder = candidate;
    descriptor = openUnlinked(candidate);
    if (descriptor >= 0)
      return absl::OkStatus();
  }
  return ioError(folder, "a folder for temporary files (set TMPDIR)");
}

absl::Status SpillFile::write(uint64_t offset, absl::Span<const uint8_t> bytes) {
  STC_RETURN_IF_ERROR(open());
  while (!bytes.empty()) {
    ssize_t done = pwrite(descriptor, bytes.data(), bytes.size(), off_t(offset));
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return ioError(folder, absl::StrCat("room for ", bytes.size(), " more bytes"));
    bytes.remove_prefix(size_t(done));
    offset += uint64_t(done);
  }
  return absl::OkStatus();
}

absl::Status SpillFile::read(uint64_t offset, absl::Span<uint8_t> bytes) {
  STC_RETURN_IF_ERROR(open());
  while (!bytes.empty()) {
    ssize_t done = pread(descriptor, bytes.data(), bytes.size(), off_t(offset));
    if (done < 0 && errno == EINTR)
      continue;
    if (done == 0)
      errno = EIO; // the file holds less than was written to it
    if (done <= 0)
      return ioError(folder, absl::StrCat("to read ", bytes.size(), " bytes"));
    bytes.remove_prefix(size_t(done));
    offset += uint64_t(done);
  }
  return absl::OkStatus();
}

} // namespace stc
