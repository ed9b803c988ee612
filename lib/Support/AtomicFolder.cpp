// Writing: folders that appear with all their files, or not at all.
#include "Temporaries.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stc {

namespace {

bool isEmptyFolder(const std::string &path) {
  DIR *listing = opendir(path.c_str());
  if (!listing)
    return false;
  bool empty = true;
  while (const dirent *entry = readdir(listing))
    empty &= std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0;
  closedir(listing);
  return empty;
}

absl::Status systemError(const std::string &path, int error) {
  return formatError({path, "", {}}, "a folder that can be made", std::strerror(error));
}

/// The path that a folder at `path` really gets, without slashes at its end.
absl::StatusOr<std::string> resolveTarget(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT && !path.empty())
      return path;
    return systemError(path, errno);
  }
  if (!isEmptyFolder(path))
    return formatError({path, "", {}}, "a new or an empty folder", "something that exists");
  char *resolved = realpath(path.c_str(), nullptr);
  if (!resolved)
    return systemError(path, errno);
  std::string target = resolved;
  std::free(resolved);
  return target;
}

} // namespace

absl::StatusOr<std::unique_ptr<AtomicFolder>> AtomicFolder::create(const std::string &path) {
  std::unique_ptr<AtomicFolder> folder(new AtomicFolder);
  STC_ASSIGN_OR_RETURN(folder->finalPath, resolveTarget(path));
  std::string name = temporaryName(folder->finalPath);
  TemporaryChange change;
  folder->signalSlots.push_back(claimTemporary(name));
  if (mkdir(name.c_str(), 0777) != 0)
    return systemError(path, errno);
  folder->tempPath = name;
  return folder;
}

AtomicFolder::~AtomicFolder() {
  if (!committed && !tempPath.empty()) {
    for (std::unique_ptr<AtomicFile> &file : files) {
      std::string path = file->path();
      file.reset(); // which removes what was not committed
      unlink(path.c_str());
    }
    for (const std::string &path : folders)
      rmdir(path.c_str());
    rmdir(tempPath.c_str());
  }
  for (int slot : signalSlots)
    releaseTemporary(slot);
}

std::string AtomicFolder::pathOf(absl::string_view name) const {
  return absl::StrCat(tempPath, "/", name);
}

absl::Status AtomicFolder::addFolder(absl::string_view name) {
  std::string path = pathOf(name);
  TemporaryChange change;
  signalSlots.push_back(claimTemporary(path));
  if (mkdir(path.c_str(), 0777) != 0)
    return systemError(path, errno);
  folders.push_back(path);
  return absl::OkStatus();
}

absl::Status AtomicFolder::commit() {
  for (std::unique_ptr<AtomicFile> &file : files) {
    signalSlots.push_back(claimTemporary(file->path()));
    STC_RETURN_IF_ERROR(file->commit());
  }
  // An empty folder of this name is replaced; anything else that came up meanwhile is an error.
  TemporaryChange change;
  if (std::rename(tempPath.c_str(), finalPath.c_str()) != 0)
    return systemError(finalPath, errno);
  committed = true;
  return absl::OkStatus();
}

} // namespace stc
