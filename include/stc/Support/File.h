// Reading whole files by mapping them, and writing files that appear complete or not at all.
#ifndef STC_SUPPORT_FILE_H
#define STC_SUPPORT_FILE_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// A read-only, private mapping of a regular file; the bytes live as long as the object.
class MappedFile {
public:
  /// Maps `path`. Errors: not found, not a regular file (a directory, a pipe, a device),
  /// unreadable. An empty file maps to an empty span.
  static absl::StatusOr<std::shared_ptr<MappedFile>> open(const std::string &path);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  absl::Span<const uint8_t> bytes() const { return {data, size}; }
  const std::string &path() const { return filePath; }

  /// Tells the kernel that [offset, offset + length) will not be needed again soon, so that
  /// streaming a large checkpoint does not grow the resident set.
  void release(uint64_t offset, uint64_t length) const;
  /// Asks for large pages where the file system has them: fewer misses of the address translation
  /// for those who read all of it again and again. A hint; call it before the bytes are read.
  void preferLargePages() const;

private:
  MappedFile() = default;
  std::string filePath;
  const uint8_t *data = nullptr;
  size_t size = 0;
};

/// Reads a whole (small) regular file into memory; one longer than `maxBytes` is an error.
absl::StatusOr<std::string> readFile(const std::string &path, uint64_t maxBytes = 1ull << 30);

/// A file written under a temporary name in the destination's directory. `commit` flushes, fsyncs
/// and renames it; destruction without commit removes it. Every write is checked.
class AtomicFile {
public:
  /// Errors: directory missing or not writable, or `path` names something that is no regular file
  /// (a device must not be replaced). A symbolic link is followed: its target is what is replaced.
  static absl::StatusOr<std::unique_ptr<AtomicFile>> create(const std::string &path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  absl::Status write(absl::Span<const uint8_t> bytes);
  absl::Status write(absl::string_view text);
  /// Writes zero bytes until the file's size is a multiple of `alignment`.
  absl::Status padTo(uint64_t alignment);
  /// Overwrites already written bytes at `offset` (headers known only at the end).
  absl::Status writeAt(uint64_t offset, absl::Span<const uint8_t> bytes);
  uint64_t size() const { return written; }
  /// Hands what is still buffered to the system, for tools that read `temporaryPath`.
  absl::Status flush();
  /// The temporary name, for tools that write the file themselves before `commit`.
  const std::string &temporaryPath() const { return tempPath; }
  /// The name that `commit` gives it.
  const std::string &path() const { return finalPath; }
  /// Makes the file visible under its final name, executable when asked. Permissions are those any
  /// new file of this process gets (the umask is honoured).
  absl::Status commit(bool executable = false);

private:
  AtomicFile() = default;
  absl::Status sync(bool executable);
  std::string finalPath, tempPath, buffer;
  int descriptor = -1, signalSlot = -1;
  uint64_t written = 0;
  bool committed = false;
};

/// A folder that appears under its name with all its files, or not at all: it is put together under
/// a temporary name beside the final one.
class AtomicFolder {
public:
  /// Errors: anything but an empty folder at `path` (nothing that was there is replaced or mixed
  /// with), or a parent that is missing or not writable.
  static absl::StatusOr<std::unique_ptr<AtomicFolder>> create(const std::string &path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder &) = delete;
  AtomicFolder &operator=(const AtomicFolder &) = delete;

  /// Where a file called `name` is to be written until the folder is committed.
  std::string pathOf(absl::string_view name) const;
  /// Makes the folder `name` in it, for files called NAME/FILE.
  absl::Status addFolder(absl::string_view name);
  /// Takes a file created under a path of this folder.
  void add(std::unique_ptr<AtomicFile> file) { files.push_back(std::move(file)); }
  /// Makes the folder visible with all files that were added.
  absl::Status commit();

private:
  AtomicFolder() = default;
  std::string finalPath, tempPath;
  std::vector<std::string> folders; // in it
  std::vector<std::unique_ptr<AtomicFile>> files;
  std::vector<int> signalSlots; // of the folder and of committed files
  bool committed = false;
};

/// Checks early that `path` can be written (its directory exists and is writable, and `path` is
/// not a directory), so that long work does not end in a failed write.
absl::Status checkWritable(const std::string &path);

/// From now on SIGINT, SIGTERM, SIGHUP and SIGXCPU remove the temporary files of uncommitted
/// AtomicFiles and AtomicFolders before they end the process. For command-line tools; a library
/// leaves signals to its host.
void removeTemporariesOnSignal();

} // namespace stc

#endif // STC_SUPPORT_FILE_H
