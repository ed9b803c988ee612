// Writing: files that appear under their name complete, or not at all.
#include "Temporaries.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stc {

namespace {

/// Files are written in pieces of the size and alignment of a large page, copied from memory that
/// is present: file systems that can then keep them in large pages, which a reader that maps the
/// file gets for nothing. Pieces that start elsewhere, or that fault while the kernel copies them
/// (another mapped file), end up in small ones.
constexpr size_t bufferBytes = 2 << 20;

absl::Status systemError(const std::string &path, absl::string_view expected, int error) {
  return formatError({path, "", {}}, expected, std::strerror(error));
}

/// Writes all of `bytes` at `offset`, however the kernel splits it.
absl::Status writeAll(int descriptor, const std::string &path, const void *bytes, size_t count,
                      uint64_t offset) {
  const char *cursor = static_cast<const char *>(bytes);
  while (count > 0) {
    ssize_t wrote = pwrite(descriptor, cursor, count, off_t(offset));
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      return systemError(path, "a complete write", wrote < 0 ? errno : ENOSPC);
    cursor += wrote;
    count -= size_t(wrote);
    offset += uint64_t(wrote);
  }
  return absl::OkStatus();
}

/// The path that a write to `path` really replaces, and a check that it may be replaced.
absl::StatusOr<std::string> resolveTarget(const std::string &path) {
  if (path.empty())
    return formatError({"", "output", {}}, "a file name", "an empty one");
  if (path.back() == '/')
    return formatError({path, "", {}}, "a file name", "a directory name");
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT)
      return path;
    return systemError(path, "a writable file", errno);
  }
  if (S_ISDIR(info.st_mode))
    return formatError({path, "", {}}, "a writable file", "a directory");
  if (!S_ISREG(info.st_mode))
    return formatError({path, "", {}}, "a regular file", "a pipe, device or socket");
  char *resolved = realpath(path.c_str(), nullptr);
  if (!resolved)
    return systemError(path, "a writable file", errno);
  std::string target = resolved;
  std::free(resolved);
  return target;
}

/// The permissions with execution allowed to whoever may read.
mode_t executableMode(mode_t mode) { return (mode & 07777) | (mode & 0444) >> 2; }

} // namespace

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::create(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::string target, resolveTarget(path));
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = temporaryName(target);
    TemporaryChange change;
    int descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && errno == EEXIST)
      continue;
    if (descriptor < 0)
      return systemError(path, "a writable file", errno);
    std::unique_ptr<AtomicFile> file(new AtomicFile);
    file->finalPath = target;
    file->tempPath = name;
    file->descriptor = descriptor;
    file->signalSlot = claimTemporary(name);
    return file;
  }
  return systemError(path, "a writable file", EEXIST);
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!committed)
    unlink(tempPath.c_str());
  releaseTemporary(signalSlot);
}

absl::Status AtomicFile::flush() {
  STC_RETURN_IF_ERROR(
      writeAll(descriptor, finalPath, buffer.data(), buffer.size(), written - buffer.size()));
  buffer.clear();
  return absl::OkStatus();
}

absl::Status AtomicFile::write(absl::Span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    size_t part = std::min<size_t>(bytes.size(), bufferBytes - written % bufferBytes);
    buffer.append(reinterpret_cast<const char *>(bytes.data()), part);
    written += part;
    bytes.remove_prefix(part);
    if (written % bufferBytes == 0)
      STC_RETURN_IF_ERROR(flush());
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::write(absl::string_view text) {
  return write(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
}

absl::Status AtomicFile::padTo(uint64_t alignment) {
  uint64_t missing = alignment ? (alignment - written % alignment) % alignment : 0;
  while (missing > 0) {
    std::string zeros(size_t(std::min<uint64_t>(missing, bufferBytes)), '\0');
    STC_RETURN_IF_ERROR(write(absl::string_view(zeros)));
    missing -= zeros.size();
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::writeAt(uint64_t offset, absl::Span<const uint8_t> bytes) {
  if (offset > written || bytes.size() > written - offset)
    return formatError({finalPath, "", offset},
                       absl::StrCat("an overwrite inside the first ", written, " bytes"),
                       absl::StrCat(bytes.size(), " bytes"));
  STC_RETURN_IF_ERROR(flush());
  return writeAll(descriptor, finalPath, bytes.data(), bytes.size(), offset);
}

absl::Status AtomicFile::sync(bool executable) {
  // A tool that was given temporaryPath() may have replaced the file: sync the one that is there.
  struct stat ours, named;
  if (fstat(descriptor, &ours) != 0 || lstat(tempPath.c_str(), &named) != 0)
    return systemError(finalPath, "the written file to be there", errno);
  if (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev) {
    int reopened = ::open(tempPath.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (reopened < 0)
      return systemError(finalPath, "the written file to be there", errno);
    ::close(descriptor);
    descriptor = reopened;
  }
  if (executable && fchmod(descriptor, executableMode(named.st_mode)) != 0)
    return systemError(finalPath, "a file that can be made executable", errno);
  if (fsync(descriptor) != 0)
    return systemError(finalPath, "a complete write", errno);
  int closing = descriptor;
  descriptor = -1;
  if (::close(closing) != 0 && errno != EINTR)
    return systemError(finalPath, "a complete write", errno);
  return absl::OkStatus();
}

absl::Status AtomicFile::commit(bool executable) {
  if (committed || descriptor < 0)
    return formatError({finalPath, "", {}}, "one commit", "a second one");
  STC_RETURN_IF_ERROR(flush());
  STC_RETURN_IF_ERROR(sync(executable));
  {
    TemporaryChange change;
    if (rename(tempPath.c_str(), finalPath.c_str()) != 0)
      return systemError(finalPath, "a writable file", errno);
    committed = true;
  }
  // The new name must survive a crash too. Some file systems cannot sync a directory; the file's
  // contents are safe there all the same.
  size_t slash = finalPath.rfind('/');
  std::string folder = slash == std::string::npos ? "." : finalPath.substr(0, slash + 1);
  int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    ::close(directory);
  }
  return absl::OkStatus();
}

absl::Status checkWritable(const std::string &path) {
  // Trying it is the only check that knows of read-only mounts, quotas and access lists.
  return AtomicFile::create(path).status();
}

} // namespace stc
